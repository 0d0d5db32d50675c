"""Parquet files: batches of rows, taken as they are where the type is the contract's, else by way of their text."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.reader.account import FileAccount
from cloud_etl.extract.reader.bounds import ReaderLimits
from cloud_etl.extract.reader.header import match_header
from cloud_etl.extract.reader.parquet.batches import ExceedsMemoryError, batches_of, evenly, rows_at_once
from cloud_etl.extract.reader.parquet.columns import Loss, column_of
from cloud_etl.extract.reader.parquet.damage import damage_of
from cloud_etl.extract.reader.parquet.int96 import Int96Columns
from cloud_etl.extract.reader.parquet.kinds import refusal_of
from cloud_etl.extract.reader.parquet.raw import row_text
from cloud_etl.extract.reader.pieces import FilePlace, Reject
from cloud_etl.extract.reader.streams import Encoding, ExpandsTooFarError
from cloud_etl.extract.reader.text_rows import FileRejects, Origins, TextRows

_BATCH_ROWS = 131_072
_ROW_BYTES = 64
# Windows of bytes that a batch of rows may be as large as; read of a chunk at a time; and counted for a row of nulls.
_BATCH_WINDOWS, _BUFFER_BYTES, _LEAST_ROW_BYTES = 4, 1 << 18, 8
_UTF8 = Encoding("utf-8")


@dataclass(frozen=True, slots=True)
class ParquetCut:
    """Rows of one file.

    Attributes:
        columns: the columns that the contract names, in its types or as text; without the rows that are lost.
        rows: the rows as they stand in the file.
        held: column to its type in the file, in words.
        kept: which of the rows are in the columns, ascending.
        lost: rows with a value that nothing in the contract can hold: the first such column, and why.
        first: number of the first row in its file, from 1.
        refusal: set where every row is refused: code, message and column.
    """

    file: FilePlace
    columns: Mapping[str, pa.Array]
    rows: pa.RecordBatch
    kept: NDArray[np.int64]
    lost: Mapping[int, tuple[str, Loss]]
    held: Mapping[str, str]
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
        types = tuple((name, str(column.type)) for name, column in self.columns.items())
        return self.refusal, types, tuple(self.held.items())


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

        return TextRows(columns, origins, raw, held=self.cuts[0].held), [_lost(cut) for cut in self.cuts if cut.lost]

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
    rejects = [
        Reject(cut.first + row, 0, row_text(cut.rows.slice(row, 1)), code, f"{column} {saying}", column)
        for row, (column, (code, saying)) in cut.lost.items()
    ]
    return FileRejects(cut.file, _UTF8, rejects)


def cut_parquet(account: FileAccount, spec: PipelineSpec, limits: ReaderLimits) -> Iterator[ParquetCut]:
    """Read one file in batches of rows.

    Raises:
        SourceError: the file is not on this machine.
    """
    path = account.file.path
    try:
        # Times of the old kind are completed by a second look, see there.
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="s", buffer_size=_BUFFER_BYTES) as file:
            yield from _cut(account, file, spec, limits)
    except FileNotFoundError as exc:
        raise SourceError(f"{account.file.ref.uri}: its local copy is gone; nothing was staged, run again") from exc
    except ExceedsMemoryError as exc:
        account.damage = (RejectCode.EXCEEDS_MEMORY, str(exc))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as exc:
        account.damage = damage_of(path, exc, limits.decode_bytes)


def _cut(account: FileAccount, file: pq.ParquetFile, spec: PipelineSpec, limits: ReaderLimits) -> Iterator[ParquetCut]:
    batch_rows = min(_BATCH_ROWS, max(1, limits.window_bytes // _ROW_BYTES))
    sizes = rows_at_once(file, account.file.path, batch_rows, limits.decode_bytes)
    matched = match_header(file.schema_arrow.names, spec)
    account.notes = matched.notes
    sources = matched.layout.sources
    refusal = matched.layout.refusal or _column_refusal(file, sources, spec)
    int96 = Int96Columns(file, account.file.path)
    held = {name: int96.shown(file.schema_arrow.field(place)) for name, place in sources}
    total = max(file.metadata.num_rows, 1)
    bound = spec.source.limits.for_values(account.file.ref.size_bytes)
    done = size_bytes = 0
    parts = evenly(batches_of(file, sizes), batch_rows, _BATCH_WINDOWS * limits.window_bytes)
    for rows in int96.complete(parts, sizes):
        first, done = done + 1, done + rows.num_rows
        size_bytes += rows.nbytes + _LEAST_ROW_BYTES * rows.num_rows
        if bound is not None and size_bytes > bound.size_bytes:
            raise ExpandsTooFarError(f"the values come to more than {bound.size_bytes:,} bytes; {bound.saying}")
        columns, kept, lost = _columns(rows, sources if refusal is None else (), spec, held)
        stored = account.file.ref.size_bytes * done // total
        yield ParquetCut(account.place, columns, rows, kept, lost, held, first, stored, refusal)


def _column_refusal(
    file: pq.ParquetFile, sources: Sequence[tuple[str, int]], spec: PipelineSpec
) -> tuple[RejectCode, str, str | None] | None:
    """The first column that the contract names and nothing in it can take."""
    leaves = {leaf.path: str(leaf.logical_type) for leaf in map(file.schema.column, range(len(file.schema)))}
    for name, place in sources:
        field = file.schema_arrow.field(place)
        wanted = spec.schema_[name].type if name in spec.schema_ else ColumnType("string")
        saying = refusal_of(field, leaves.get(field.name, "None"), wanted)
        if saying is not None:
            return RejectCode.UNREADABLE_COLUMN, f"column {name} {saying}", name
    return None


def _columns(
    rows: pa.RecordBatch, sources: Sequence[tuple[str, int]], spec: PipelineSpec, held: Mapping[str, str]
) -> tuple[dict[str, pa.Array], NDArray[np.int64], dict[int, tuple[str, Loss]]]:
    """The contract's columns of the rows that are whole, which these are, and the others with their first fault."""
    columns = {}
    lost: dict[int, tuple[str, Loss]] = {}
    for name, place in sources:
        columns[name], losses = column_of(rows.column(place), spec.schema_.get(name), held[name])
        for row, loss in losses.items():
            lost.setdefault(row, (name, loss))
    kept = np.delete(np.arange(rows.num_rows, dtype=np.int64), list(lost))
    if lost:
        columns = {name: column.take(pa.array(kept)) for name, column in columns.items()}
    return columns, kept, lost
