"""Read a batch of raw files into typed Parquet and rejects: every record goes into exactly one of the two."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field

from cloud_etl.domain.files import LocalFile, batch_id
from cloud_etl.domain.progress import Progress
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.spec import ColumnSpec, PipelineSpec
from cloud_etl.extract.reader.account import FileAccount, settle
from cloud_etl.extract.reader.bounds import ReaderLimits
from cloud_etl.extract.reader.header import SeenHeader
from cloud_etl.extract.reader.sources import Assembler, cut_file
from cloud_etl.extract.reader.stage import Part, Stager, Task


@dataclass
class _Pool:
    """Workers with a stager each, and at most one task more than workers in flight."""

    spec: PipelineSpec
    run: RunContext
    workers: int
    accounts: Sequence[FileAccount]
    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._executor = ThreadPoolExecutor(self.workers, thread_name_prefix="reader")
        self._local = threading.local()
        self._stagers, self._opening = ExitStack(), threading.Lock()
        self._flying: set[Future[Part]] = set()
        self._number = 0
        self._by_index = {account.index: account for account in self.accounts}

    def submit(self, task: Task) -> None:
        if len(self._flying) > self.workers:
            self._collect(wait(self._flying, return_when=FIRST_COMPLETED).done)
        self._flying.add(self._executor.submit(self._stage, self._number, task))
        self._number += 1

    def finish(self) -> list[Part]:
        self._collect(wait(self._flying).done)
        return self.parts

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._stagers.close()

    def _collect(self, done: set[Future[Part]]) -> None:
        self._flying -= done
        for part in (future.result() for future in done):
            self.parts.append(part)
            for (index, code), count in part.refused.items():
                self._by_index[index].refused[code] += count

    def _stage(self, number: int, task: Task) -> Part:
        stager = getattr(self._local, "stager", None)
        if stager is None:
            opened = Stager.opened(_contract(self.spec), self.run, self.run.scratch)
            with self._opening:
                stager = self._local.stager = self._stagers.enter_context(opened)
        return stager.stage(number, task)


def _contract(spec: PipelineSpec) -> Mapping[str, ColumnSpec]:
    """The columns as they are cast; values of typed files are printed in ISO 8601, whatever the column's format is."""
    if spec.source.format != "parquet":
        return spec.schema_
    return {name: column.model_copy(update={"format": None}) for name, column in spec.schema_.items()}


def read_batch(
    files: Sequence[LocalFile],
    spec: PipelineSpec,
    run: RunContext,
    progress: Progress,
    limits: ReaderLimits | None = None,
    indexes: Sequence[int] | None = None,
) -> Batch:
    """Read files into `staged/` and `rejects/` below the run's scratch folder.

    Args:
        files: downloaded source objects; their order is the file index in `_row_id`.
        spec: the pipeline.
        run: where to write, and how many threads to use.
        progress: told about each file as it is cut.
        limits: sizes that bound the memory; the result does not depend on them.
        indexes: places of the files in a larger batch, for `_row_id`.

    Returns:
        The batch. Per file, records_read is counted from the text, staged from the Parquet that was written, rejected
        from the rejects that were written. A file that cannot be read is rejected, and the others are read.

    Raises:
        SourceError: a file vanished from this machine.
        ConfigError: a default does not fit its column's type.
        QuarantineError: the rejects cannot be written.
        NeedsWholeFileError: a file is a slice, and cannot be read as one.
    """
    limits = limits or ReaderLimits.within(run.resources)
    for folder in ("staged", "rejects"):
        (run.scratch / folder).mkdir(parents=True, exist_ok=True)
    seen = SeenHeader()
    places = range(len(files)) if indexes is None else indexes
    accounts = [FileAccount(index, file, seen=seen) for index, file in zip(places, files, strict=True)]
    pool = _Pool(spec, run, limits.threads or run.cores, accounts)
    try:
        for task in _tasks(accounts, spec, progress, limits):
            pool.submit(task)
        parts = pool.finish()
        for account in accounts:
            account.stop_beyond(spec.source.limits.rejects)
    finally:
        pool.close()
    outcome = settle(accounts, parts, spec, run)
    refs = tuple(file.ref for file in files)
    return Batch(
        batch_id(refs), refs, outcome.staged, outcome.schema, outcome.counts, outcome.staged_rows, outcome.rejects,
        outcome.rejected_rows,
    )  # fmt: skip


def _tasks(
    accounts: Sequence[FileAccount], spec: PipelineSpec, progress: Progress, limits: ReaderLimits
) -> Iterator[Task]:
    """Cut all files; records of one layout share a task, whatever file they come from."""
    assembler = Assembler(spec, limits.segment_bytes)
    for account in accounts:
        key, size = account.file.ref.key, account.file.ref.size_bytes
        for cut in cut_file(account, spec, limits):
            account.records += cut.records
            progress.file(key, cut.stored_bytes, size, account.records)
            yield from assembler.add(cut)
        progress.file(key, size, size, account.records)
    yield from assembler.rest()
