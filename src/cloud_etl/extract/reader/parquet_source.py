"""Parquet files: batches of rows, taken as they are where the type is the contract's, else by way of their text."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import ColumnSpec, PipelineSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.reader.account import FileAccount
from cloud_etl.extract.reader.header import match_header
from cloud_etl.extract.reader.pieces import FilePlace, Reject
from cloud_etl.extract.reader.streams import Encoding
from cloud_etl.extract.reader.text_rows import FileRejects, Origins, TextRows
from cloud_etl.extract.reader.typed import arrow_type

_BATCH_ROWS = 131_072
_ROW_BYTES = 64
# Up to here every whole double is exact.
_EXACT_BELOW = float(1 << 53)
_UTF8 = Encoding("utf-8")


@dataclass(frozen=True, slots=True)
class ParquetCut:
    """Rows of one file.

    Attributes:
        columns: the columns that the contract names, in its types or as text.
        rows: the rows as they stand in the file.
        first: number of the first row in its file, from 1.
        refusal: set where every row is refused: code, message and column.
    """

    file: FilePlace
    columns: Mapping[str, pa.Array]
    rows: pa.RecordBatch
    first: int
    stored_bytes: int
    refusal: tuple[RejectCode, str, str | None] | None

    @property
    def records(self) -> int:
        """Rows in it."""
        return int(self.rows.num_rows)

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
        lines = np.concatenate([np.arange(cut.first, cut.first + cut.records) for cut in self.cuts])
        files = np.concatenate([np.full(cut.records, cut.file.index, dtype=np.int64) for cut in self.cuts])
        origins = Origins(files, lines, np.zeros(len(lines), dtype=np.int64))
        columns = {name: pa.chunked_array([cut.columns[name] for cut in self.cuts]) for name in self.cuts[0].columns}
        before = np.cumsum([0, *(cut.records for cut in self.cuts)])

        def raw(row: int) -> bytes:
            place = int(np.searchsorted(before, row, side="right")) - 1
            return _as_json(self.cuts[place].rows.slice(row - int(before[place]), 1))

        return TextRows(columns, origins, raw, typed_source=True), []

    def files(self) -> Mapping[int, tuple[FilePlace, Encoding]]:
        """The files they come from, by index."""
        return {cut.file.index: (cut.file, _UTF8) for cut in self.cuts}


def _refused(cut: ParquetCut) -> FileRejects:
    code, message, column = cut.refusal or (RejectCode.CORRUPT_FILE, "", None)
    rejects = [
        Reject(cut.first + row, 0, _as_json(cut.rows.slice(row, 1)), code, message, column)
        for row in range(cut.records)
    ]
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
    except (pa.ArrowException, OSError) as exc:
        message = f"not a Parquet file that can be read, or a column of a type that cannot: {type(exc).__name__}"
        account.damage = (RejectCode.CORRUPT_FILE, message)


def _cut(account: FileAccount, file: pq.ParquetFile, spec: PipelineSpec, batch_rows: int) -> Iterator[ParquetCut]:
    matched = match_header(file.schema_arrow.names, spec)
    account.notes = matched.notes
    total = max(file.metadata.num_rows, 1)
    done = 0
    for rows in file.iter_batches(batch_size=batch_rows):
        first, done = done + 1, done + rows.num_rows
        columns = {name: _column(rows.column(place), spec.schema_.get(name)) for name, place in matched.layout.sources}
        stored = account.file.ref.size_bytes * done // total
        yield ParquetCut(account.place, columns, rows, first, stored, matched.layout.refusal)


def _column(column: pa.Array, spec: ColumnSpec | None) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    wanted = pa.string() if spec is None else arrow_type(spec.type)
    if column.type == wanted:
        return column
    if _widens(column.type, wanted):
        return column.cast(wanted)
    return _text(column, wanted)


def _widens(held: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value arrives unchanged."""
    if pa.types.is_integer(held) and pa.types.is_integer(wanted):
        return bool(held.bit_width < wanted.bit_width)
    if pa.types.is_float32(held) and pa.types.is_float64(wanted):
        return True
    if pa.types.is_decimal(held) and pa.types.is_decimal(wanted):
        return bool(held.scale <= wanted.scale and held.precision - held.scale <= wanted.precision - wanted.scale)
    if pa.types.is_timestamp(held) and pa.types.is_timestamp(wanted):
        return held.unit in ("s", "ms", "us") and held.tz is not None
    return bool(pa.types.is_large_string(held) and pa.types.is_string(wanted))


def _text(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The values as they print, for the strict casts to judge."""
    if pa.types.is_nested(column.type):
        return pa.array([_json(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    if pa.types.is_floating(column.type) and not pa.types.is_string(wanted):
        # A whole number prints without a fraction, so that 3.0 fits an integer.
        whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _EXACT_BELOW))
        numbers = pc.if_else(whole, column, pa.scalar(0, column.type)).cast(pa.int64()).cast(pa.string())
        return pc.if_else(whole, numbers, column.cast(pa.string()))
    return column.cast(pa.string())


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _as_json(row: pa.RecordBatch) -> bytes:
    return json.dumps(row.to_pylist()[0], ensure_ascii=False, default=str).encode("utf-8", "replace")
