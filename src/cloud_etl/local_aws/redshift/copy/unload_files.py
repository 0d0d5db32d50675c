"""One file of an UNLOAD: delimited, fixed width, CSV, JSON or Parquet."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

if TYPE_CHECKING:
    import pyarrow as pa

    from cloud_etl.local_aws.redshift.copy.statement import UnloadStatement
    from cloud_etl.local_aws.redshift.copy.unload_query import QueryColumn

Row = list[str | None]
_NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")
_GROUP_ROWS = 50_000


class Writer(Protocol):
    """A file that takes rows until it is closed."""

    @property
    def size_bytes(self) -> int:
        """Bytes written so far, before compression."""
        ...

    def write(self, row: Row) -> None:
        """Take one row."""
        ...

    def close(self) -> None:
        """End the file."""
        ...


def open_writer(statement: UnloadStatement, columns: Sequence[QueryColumn], path: Path) -> Writer:
    """A new file in the statement's format."""
    if statement.format == "PARQUET":
        return ParquetFile(columns, path, statement.row_group_bytes)
    return TextFile(statement, columns, path)


class TextFile:
    """A text file, compressed if the statement asks for it."""

    def __init__(self, statement: UnloadStatement, columns: Sequence[QueryColumn], path: Path) -> None:
        """Open the file and write the header."""
        self._file = _opened(statement, path)
        self._line = _formatter(statement, columns)
        self.size_bytes = 0
        if statement.header and statement.format != "JSON":
            self.write([column.name for column in columns])

    def write(self, row: Row) -> None:
        """Write one line."""
        data = (self._line(row) + "\n").encode()
        self._file.write(data)
        self.size_bytes += len(data)

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


class ParquetFile:
    """A Parquet file; rows are kept until a row group is full."""

    def __init__(self, columns: Sequence[QueryColumn], path: Path, group_bytes: int) -> None:
        """Open the file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._columns = columns
        self._schema = pa.schema([pa.field(column.name, _arrow_type(column)) for column in columns])
        # Spectrum and COPY read decimals and times so.
        self._writer = pq.ParquetWriter(path, self._schema, compression="snappy", version="2.6")
        self._group_bytes = group_bytes
        self._rows: list[Row] = []
        self._pending = 0
        self.size_bytes = 0

    def write(self, row: Row) -> None:
        """Take one row."""
        self._rows.append(row)
        self._pending += sum(len(value or "") for value in row)
        if len(self._rows) >= _GROUP_ROWS or self._pending >= self._group_bytes:
            self._flush()

    def close(self) -> None:
        """Write what is left and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        arrays = [
            _values(column, [row[place] for row in self._rows], self._schema.field(place).type)
            for place, column in enumerate(self._columns)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self.size_bytes += self._pending
        self._rows, self._pending = [], 0


def _arrow_type(column: QueryColumn) -> pa.DataType:
    import pyarrow as pa

    if column.type == "numeric":
        return pa.decimal128(column.precision, column.scale)
    return {
        "int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "float4": pa.float32(), "float8": pa.float64(),
        "bool": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"), "bytea": pa.binary(),
    }.get(column.type, pa.string())  # fmt: skip


def _values(column: QueryColumn, texts: list[str | None], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if column.type == "bool":
        return pa.array([None if text is None else text == "t" for text in texts], kind)
    if column.type == "bytea":
        return pa.array([None if text is None else bytes.fromhex(text.removeprefix("\\x")) for text in texts], kind)
    array = pa.array(texts, pa.string())
    if column.type == "timestamptz":
        # The session's zone is UTC; Arrow wants no offset for a time that it is told to be in UTC.
        naive = pa.array([None if text is None else text.rpartition("+")[0] or text for text in texts], pa.string())
        return naive.cast(pa.timestamp("us")).cast(kind)
    return array if kind == pa.string() else array.cast(kind)


def _opened(statement: UnloadStatement, path: Path) -> BinaryIO:
    if statement.compression == "GZIP":
        return cast(BinaryIO, gzip.open(path, "wb"))
    if statement.compression == "BZIP2":
        return cast(BinaryIO, bz2.open(path, "wb"))
    if statement.compression == "ZSTD":
        import pyarrow as pa

        return cast(BinaryIO, pa.CompressedOutputStream(path, "zstd"))
    return io.BufferedWriter(io.FileIO(path, "wb"), 1 << 20)


def _formatter(statement: UnloadStatement, columns: Sequence[QueryColumn]) -> Callable[[Row], str]:
    if statement.format == "JSON":
        return lambda row: _json_line(columns, row)
    if statement.format == "CSV":
        return lambda row: statement.delimiter.join(_csv(value, statement) for value in row)
    if statement.format == "FIXEDWIDTH":
        widths = [width for _, width in statement.widths]
        return lambda row: "".join(
            (value or statement.null_as)[:width].ljust(width) for value, width in zip(row, widths, strict=False)
        )
    return lambda row: statement.delimiter.join(_delimited(value, statement) for value in row)


def _csv(value: str | None, statement: UnloadStatement) -> str:
    if value is None:
        return statement.null_as
    if any(letter in value for letter in (statement.delimiter, '"', "\n", "\r")):
        return '"' + value.replace('"', '""') + '"'
    return value


def _delimited(value: str | None, statement: UnloadStatement) -> str:
    if value is None:
        return statement.null_as
    if statement.escape:
        for letter in ("\\", statement.delimiter, "\n", "\r", '"', "'"):
            if letter in value and (letter not in ("'", '"') or statement.add_quotes):
                value = value.replace(letter, "\\" + letter)
    return f'"{value}"' if statement.add_quotes else value


def _json_line(columns: Sequence[QueryColumn], row: Row) -> str:
    fields = []
    for column, value in zip(columns, row, strict=True):
        if value is None:
            text = "null"
        elif column.type == "bool":
            text = "true" if value == "t" else "false"
        elif column.type in ("json", "jsonb") or (column.type in _NUMBERS and value[-1:].isdigit()):
            text = value
        else:
            text = json.dumps(value, ensure_ascii=False)
        fields.append(f"{json.dumps(column.name, ensure_ascii=False)}:{text}")
    return "{" + ",".join(fields) + "}"
