"""Parquet files: batches of rows, taken as they are where the type is the contract's, else by way of their text."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.reader.account import FileAccount
from cloud_etl.extract.reader.header import match_header
from cloud_etl.extract.reader.parquet_columns import column_of, row_text
from cloud_etl.extract.reader.pieces import FilePlace, Reject
from cloud_etl.extract.reader.streams import Encoding
from cloud_etl.extract.reader.text_rows import FileRejects, Origins, TextRows

_BATCH_ROWS = 131_072
_ROW_BYTES = 64
_UTF8 = Encoding("utf-8")


@dataclass(frozen=True, slots=True)
class ParquetCut:
    """Rows of one file.

    Attributes:
        columns: the columns that the contract names, in its types or as text; without the rows that are lost.
        rows: the rows as they stand in the file.
        sources: column to its place in the rows.
        kept: which of the rows are in the columns, ascending.
        lost: rows with a value that no type of the contract can hold, and the first such column.
        first: number of the first row in its file, from 1.
        refusal: set where every row is refused: code, message and column.
    """

    file: FilePlace
    columns: Mapping[str, pa.Array]
    rows: pa.RecordBatch
    kept: NDArray[np.int64]
    lost: Mapping[int, str]
    sources: Mapping[str, int]
    first: int
    stored_bytes: int
    refusal: tuple[RejectCode, str, str | None] | None

    @property
    def records(self) -> int:
        """Rows in it."""
        return int(self.rows.num_rows)

    @property
    def text_bytes(self) -> int:
        """Its rows are no text."""
        return 0

    @property
    def weight(self) -> int:
        """Memory it holds, roughly, in bytes."""
        return 2 * int(self.rows.nbytes)

    @property
    def key(self) -> Hashable:
        """Rows with the same columns in the same types can share a task."""
        return self.refusal, tuple((name, str(column.type)) for name, column in self.columns.items())


@dataclass(frozen=True, slots=True)
class ParquetTask:
    """Rows of Parquet files with the same columns."""

    cuts: Sequence[ParquetCut]

    def rows(self) -> tuple[TextRows | None, list[FileRejects]]:
        """Put them together."""
        if self.cuts[0].refusal is not None:
            return None, [_refused(cut) for cut in self.cuts]
        lines = np.concatenate([cut.first + cut.kept for cut in self.cuts])
        files = np.concatenate([np.full(len(cut.kept), cut.file.index, dtype=np.int64) for cut in self.cuts])
        origins = Origins(files, lines, np.zeros(len(lines), dtype=np.int64))
        columns = {name: pa.chunked_array([cut.columns[name] for cut in self.cuts]) for name in self.cuts[0].columns}
        before = np.cumsum([0, *(len(cut.kept) for cut in self.cuts)])

        def raw(row: int) -> bytes:
            place = int(np.searchsorted(before, row, side="right")) - 1
            cut = self.cuts[place]
            return row_text(cut.rows.slice(int(cut.kept[row - int(before[place])]), 1))

        return TextRows(columns, origins, raw, typed_source=True), [_lost(cut) for cut in self.cuts if cut.lost]

    def files(self) -> Mapping[int, tuple[FilePlace, Encoding]]:
        """The files they come from, by index."""
        return {cut.file.index: (cut.file, _UTF8) for cut in self.cuts}


def _refused(cut: ParquetCut) -> FileRejects:
    code, message, column = cut.refusal or (RejectCode.CORRUPT_FILE, "", None)
    rejects = [
        Reject(cut.first + row, 0, row_text(cut.rows.slice(row, 1)), code, message, column)
        for row in range(cut.records)
    ]
    return FileRejects(cut.file, _UTF8, rejects)


def _lost(cut: ParquetCut) -> FileRejects:
    rejects = []
    for row, column in cut.lost.items():
        held = cut.rows.schema.field(cut.sources[column]).type
        text = pa.types.is_string(held) or pa.types.is_large_string(held) or pa.types.is_dictionary(held)
        text = text or pa.types.is_binary(held)
        code = RejectCode.INVALID_ENCODING if text else RejectCode.LOSSY_CAST
        message = f"{column} is not UTF-8" if text else f"{column} holds a value that its type in the contract cannot"
        rejects.append(Reject(cut.first + row, 0, row_text(cut.rows.slice(row, 1)), code, message, column))
    return FileRejects(cut.file, _UTF8, rejects)


def cut_parquet(account: FileAccount, spec: PipelineSpec, window_bytes: int) -> Iterator[ParquetCut]:
    """Read one file in batches of rows.

    Raises:
        SourceError: the file is not on this machine.
    """
    try:
        with pq.ParquetFile(account.file.path) as file:
            yield from _cut(account, file, spec, min(_BATCH_ROWS, max(1, window_bytes // _ROW_BYTES)))
    except FileNotFoundError as exc:
        raise SourceError(f"{account.file.ref.uri}: its local copy is gone; nothing was staged, run again") from exc
    except (pa.ArrowException, OSError, ValueError, OverflowError) as exc:
        message = f"not a Parquet file that can be read, or a column of a type that cannot: {type(exc).__name__}"
        account.damage = (RejectCode.CORRUPT_FILE, message)


def _cut(account: FileAccount, file: pq.ParquetFile, spec: PipelineSpec, batch_rows: int) -> Iterator[ParquetCut]:
    matched = match_header(file.schema_arrow.names, spec)
    account.notes = matched.notes
    total = max(file.metadata.num_rows, 1)
    done = 0
    sources = dict(matched.layout.sources)
    for rows in file.iter_batches(batch_size=batch_rows):
        first, done = done + 1, done + rows.num_rows
        columns, kept, lost = _columns(rows, matched.layout.sources, spec)
        stored = account.file.ref.size_bytes * done // total
        yield ParquetCut(account.place, columns, rows, kept, lost, sources, first, stored, matched.layout.refusal)


def _columns(
    rows: pa.RecordBatch, sources: Sequence[tuple[str, int]], spec: PipelineSpec
) -> tuple[dict[str, pa.Array], NDArray[np.int64], dict[int, str]]:
    """The contract's columns of the rows that are whole, which these are, and the others with their first fault."""
    columns = {}
    lost: dict[int, str] = {}
    for name, place in sources:
        columns[name], mask = column_of(rows.column(place), spec.schema_.get(name))
        for row in np.flatnonzero(mask).tolist() if mask is not None else ():
            lost.setdefault(row, name)
    kept = np.delete(np.arange(rows.num_rows, dtype=np.int64), list(lost))
    if lost:
        columns = {name: column.take(pa.array(kept)) for name, column in columns.items()}
    return columns, kept, lost
