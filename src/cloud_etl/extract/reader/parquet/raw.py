"""Rows of Parquet files as the quarantine shows them."""

from __future__ import annotations

import json

import pyarrow as pa

from cloud_etl.extract.reader.parquet.columns import is_out_of_years
from cloud_etl.extract.reader.parquet.kinds import UUID_BYTES, plain
from cloud_etl.extract.reader.parquet.nested import json_of
from cloud_etl.extract.reader.parquet.texts import text_of


def row_text(row: pa.RecordBatch) -> bytes:
    """One row as JSON; a value that cannot be shown is named by its type."""
    shown = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            shown[name] = _shown(plain(column))
        except (ValueError, OverflowError, pa.ArrowException):
            shown[name] = f"({column.type})"
    return json.dumps(shown, ensure_ascii=False, default=str).encode("utf-8", "replace")


def _shown(column: pa.Array) -> object:
    type_ = column.type
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        raw: bytes | None = column.cast(pa.large_binary())[0].as_py()
        return None if raw is None else raw.decode("utf-8", "replace")
    if pa.types.is_nested(type_):
        return _shown_nested(column)
    if pa.types.is_temporal(type_) and is_out_of_years(column):
        number = column.cast(pa.int32() if pa.types.is_date32(type_) else pa.int64())
        return f"{number[0].as_py()} ({type_})"
    uuid = pa.types.is_fixed_size_binary(type_) and type_.byte_width == UUID_BYTES
    if uuid or pa.types.is_temporal(type_) or pa.types.is_decimal(type_):
        return text_of(column, pa.string())[0].as_py()
    value = column[0].as_py()
    return _shown_bytes(value) if isinstance(value, bytes) else value


def _shown_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"


def _shown_nested(column: pa.Array) -> object:
    try:
        text = json_of(column)[0].as_py()
    except ValueError:
        return column[0].as_py()
    return None if text is None else json.loads(text)
