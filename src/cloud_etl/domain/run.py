"""What a run is and what it leaves: contexts, batches, publications, load results, the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from cloud_etl.domain.files import FileRef
from cloud_etl.domain.ledger import FileCount, RowLedger, RunLedgers, TableCount
from cloud_etl.domain.quality import QualityReport
from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.domain.schema import Schema
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.domain.work_path import RemotePath, WorkPath
from cloud_etl.errors import DataRefusedError

Phase = Literal["extract", "transform", "quality", "publish", "load", "report"]
Outcome = Literal["loaded", "no_new_files", "already_loaded", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files of its source a pipeline takes; those that wait, where nobody has chosen.

    Attributes:
        words: keys, or globs on keys or on paths below the source's folder; every file without.
        reload: take also what is loaded already, and put it in the place of what it brought.
    """

    words: tuple[str, ...] = ()
    reload: bool = False


@dataclass(frozen=True, slots=True)
class RunContext:
    """What every stage knows of the run it works for.

    Attributes:
        scratch: folder of this run and pipeline on this machine; removed when the run ends.
        run_date: the date in the names of the published folders.
        cores: how many threads a stage may use.
        memory_bytes: bound for all processes of the run.
        fence: number of the pipeline's lease; higher than that of every run before.
        choice: which files it takes.
    """

    run_id: str
    pipeline: str
    environment: str
    run_date: date
    started_at: datetime
    scratch: Path
    cores: int
    memory_bytes: int = 2048 * MIB
    fence: int = 0
    choice: Choice = Choice()

    @property
    def resources(self) -> Resources:
        """How memory and cores are shared out."""
        return Resources(self.memory_bytes, self.cores)


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """An object that was listed and not taken, and why; unreadable where its owner would have expected it to be."""

    key: str
    reason: str
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What a look into the source found: files to take, and those left aside with the reason."""

    files: tuple[FileRef, ...]
    skipped: tuple[SkippedFile, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Raw files read into typed Parquet.

    Attributes:
        files: the source objects, in the order of the file index in _row_id.
        staged: Parquet files in the work area, with the contract's columns and _row_id (bigint).
        schema: columns of the staged files, without _row_id.
        counts: one per file, in the order of files.
        staged_rows: rows in the footers of the staged files.
        rejects: Parquet files in the quarantine's schema; may be empty.
        rejected_rows: rows in the footers of rejects.
    """

    batch_id: str
    files: tuple[FileRef, ...]
    staged: tuple[WorkPath, ...]
    schema: Schema
    counts: tuple[FileCount, ...]
    staged_rows: int
    rejects: tuple[WorkPath, ...]
    rejected_rows: int


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One data file of a publication."""

    uri: str
    content_length: int
    rows: int
    partition: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publication:
    """A published data set; complete when its manifest is there.

    Attributes:
        schema: columns as in the files, without the lineage column _row_id.
        local_paths: paths of the data files where they are files of this machine, or have copies on it; else empty.
    """

    output: str
    manifest_uri: str
    schema: Schema
    files: tuple[PublishedFile, ...]
    rows: int
    aggregated: bool
    local_paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class LoadTask:
    """One publication and the table it goes into.

    Attributes:
        stored_paths: its data files in the store, where they have no copies on this machine.
        evolved: columns of the publication that its files brought beyond the contract, where the pipeline takes such
            columns; None where it does not. A table's other columns of that sort are NULL in the rows of the batch.
        starts_anew: the batch is all that the table is to hold, whatever the mode.
    """

    publication: Publication
    spec: LoadSpec
    keys_are_unique: bool = False
    stored_paths: tuple[RemotePath, ...] = ()
    evolved: tuple[str, ...] | None = None
    starts_anew: bool = False

    @property
    def paths(self) -> tuple[WorkPath, ...]:
        """From where this machine reads the data files."""
        return self.stored_paths or self.publication.local_paths


def _untold(number: int) -> None:
    """Nobody asks how many tables are done."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Everything that one transaction loads, and what a look at its files may use of this machine.

    Attributes:
        table_done: told how many tables are done, after each.
        reload: its files were loaded before, and their rows take the place of all that is there.
    """

    run_id: str
    pipeline: str
    batch_id: str
    files: tuple[FileRef, ...]
    tasks: tuple[LoadTask, ...]
    run_at: datetime
    resources: Resources
    fence: int = 0
    table_done: Callable[[int], None] = field(default=_untold, compare=False)
    reload: bool = False

    def each(self, counts: Iterable[TableCount]) -> Iterator[TableCount]:
        """The counts of the tables, each as it is done."""
        for number, count in enumerate(counts, start=1):
            yield count
            self.table_done(number)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What the warehouse did; tables is empty when the batch was loaded before."""

    already_loaded: bool
    loaded_by_run: str
    tables: tuple[TableCount, ...]
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """What the warehouse remembers of one batch; tables are the counts of the load that committed it."""

    pipeline: str
    batch_id: str
    files: int
    tables: tuple[TableCount, ...]


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """How long a phase took, by the clock and by the processors of all processes of the run.

    Attributes:
        cpu_seconds: None where other pipelines were under way at the same time.
    """

    phase: Phase
    wall_seconds: float
    cpu_seconds: float | None


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """One pipeline's part of a run."""

    pipeline: str
    outcome: Outcome
    exit_code: int
    batch_id: str | None = None
    error: str | None = None
    ledger: RowLedger | None = None
    quality: QualityReport | None = None
    phases: tuple[PhaseTime, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()
    files: tuple[FileCount, ...] = ()
    publications: tuple[Publication, ...] = ()
    tables: tuple[TableCount, ...] = ()
    quarantine: tuple[str, ...] = ()

    @property
    def unread(self) -> tuple[SkippedFile, ...]:
        """Files that fit the pattern and cannot be read: archives, odd names, links that leave the store."""
        return tuple(file for file in self.skipped if file.unreadable)


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything a run did; written as runs/<run_id>/report.json and drawn as report.html."""

    run_id: str
    project: str
    environment: str
    engine: str
    run_date: date
    started_at: datetime
    ended_at: datetime
    pipelines: tuple[PipelineReport, ...]
    log_file: str | None = None

    @property
    def exit_code(self) -> int:
        """The worst outcome decides: the first failing pipeline's code, else 0."""
        return next((report.exit_code for report in self.pipelines if report.exit_code), 0)

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do: no pipeline took a file or met an error."""
        return all(one.outcome == "no_new_files" and not one.exit_code for one in self.pipelines)

    @property
    def accounts(self) -> RunLedgers:
        """The accounts of the pipelines that took files."""
        return RunLedgers(self.run_id, tuple(one.ledger for one in self.pipelines if one.ledger is not None))

    def ended_with(self, *, strict: bool) -> int:
        """The exit code of the command; strict makes that of refused data out of a rejected row or an unread file."""
        refused = any(ledger.rejected for ledger in self.accounts.ledgers) or any(one.unread for one in self.pipelines)
        return self.exit_code or (DataRefusedError.exit_code if strict and refused else 0)
