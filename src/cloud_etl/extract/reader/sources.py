"""Cut files of any format, and put cuts together that can share a task."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cloud_etl.domain.ledger import TextCount
from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.account import FileAccount
from cloud_etl.extract.reader.bounds import ReaderLimits
from cloud_etl.extract.reader.csv_source import CsvTask, cut_csv
from cloud_etl.extract.reader.json_source import JsonTask, cut_json
from cloud_etl.extract.reader.parquet.source import ParquetTask, cut_parquet
from cloud_etl.extract.reader.stage import Task
from cloud_etl.extract.reader.streams import ExpandsTooFarError, UndecodableError, WrongCompressionError


class Cut(Protocol):
    """Some records of one file."""

    @property
    def records(self) -> int:
        """Records in it, counted from the file's side."""

    @property
    def text_bytes(self) -> int:
        """Of the text of its records; 0 where they are no text."""

    @property
    def stored_bytes(self) -> int:
        """How far the stored file had been read."""

    @property
    def weight(self) -> int:
        """Memory it holds, roughly, in bytes."""

    @property
    def key(self) -> Hashable:
        """Cuts with the same key may share a task."""


# A task takes the cuts of its own format only; the pair is what keeps them together.
_Cutter = Callable[[FileAccount, PipelineSpec, ReaderLimits], Iterator[Any]]
_FORMATS: dict[str, tuple[_Cutter, Callable[[Sequence[Any]], Task]]] = {
    "csv": (cut_csv, CsvTask),
    "json": (cut_json, JsonTask),
    "parquet": (cut_parquet, ParquetTask),
}


def cut_file(account: FileAccount, spec: PipelineSpec, limits: ReaderLimits) -> Iterator[Cut]:
    """Cut a file in its order; damage is noted in the account.

    Raises:
        SourceError: the file is not on this machine.
        NeedsWholeFileError: the file is a slice, and cannot be read as one.
    """
    records = text_bytes = 0
    try:
        for cut in _FORMATS[spec.source.format][0](account, spec, limits):
            records, text_bytes = records + cut.records, text_bytes + cut.text_bytes
            yield cut
            if account.stop_beyond(spec.source.limits.rejects):
                return
    except UndecodableError as exc:
        declared = spec.source.json_.encoding if spec.source.format == "json" else spec.source.csv.encoding
        message = f"the file cannot be read as {declared}, the declared encoding: {exc}"
        account.damage = (RejectCode.WRONG_ENCODING, message)
    except WrongCompressionError as exc:
        account.damage = (RejectCode.WRONG_COMPRESSION, str(exc))
    except ExpandsTooFarError as exc:
        account.damage = (RejectCode.EXPANDS_TOO_FAR, f"{exc}. Reading stopped after {records:,} records")
    if account.text is not None:
        account.text = replace(account.text, record_bytes=account.text.record_bytes + text_bytes)
        # A slice is cut from a file with a header or records.
        told = records or account.text.header_bytes or account.file.slice is not None
        if not told and account.file.ref.size_bytes:
            account.damage = (RejectCode.NO_RECORD, _nothing_in(account.text, spec))


def _nothing_in(text: TextCount, spec: PipelineSpec) -> str:
    """Why a file without header and record is refused."""
    message = f"the file holds neither a header nor a record: {text.beside or 'no text'}"
    skip = spec.source.csv.skip_lines
    if spec.source.format != "csv" or not skip or text.skipped_lines > skip or text.comment_lines or text.blank_lines:
        return message
    return f"{message}; csv.skip_lines is {skip:,}"


@dataclass
class Assembler:
    """Holds cuts until they are worth a task: many small files with one header share one."""

    spec: PipelineSpec
    segment_bytes: int
    _held: dict[Hashable, list[Cut]] = field(default_factory=dict)
    _weight: int = 0

    def add(self, cut: Cut) -> Iterator[Task]:
        """Take a cut; gives the tasks that became due."""
        self._held.setdefault(cut.key, []).append(cut)
        self._weight += cut.weight
        if self._weight >= self.segment_bytes:
            yield from self.rest()

    def rest(self) -> Iterator[Task]:
        """Give everything that is held."""
        held, self._held, self._weight = self._held, {}, 0
        task = _FORMATS[self.spec.source.format][1]
        for cuts in held.values():
            yield task(cuts)
