"""A table of Redshift as Parquet on this machine, in bounded memory.

By SELECT through a cursor, not by UNLOAD: a reference table is small beside a fact table, SELECT needs no right to
write to S3 and leaves no objects behind when a run dies, and its types are the driver's, not those that UNLOAD chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.errors import TargetError
from cloud_etl.load.ddl import IS_CURRENT
from cloud_etl.load.dialect import qualified, quote
from cloud_etl.load.redshift import catalog

if TYPE_CHECKING:
    import pyarrow as pa

    from cloud_etl.domain.schema import ColumnType
    from cloud_etl.load.redshift.session import Session

_FETCHED_ROWS = 20_000
_CURSOR = "cloud_etl_export"


def export_table(session: Session, table: str, folder: Path, *, current_only: bool) -> tuple[Path, ...]:
    """Write a table as one Parquet file.

    Raises:
        TargetError: there is no such table, or it has no column that can be exported.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = catalog.describe(session, table)
    columns = [] if found is None else [(one.name, one.type) for one in found.columns if one.type is not None]
    if found is None or not columns:
        raise TargetError(f"table {table} cannot be exported: it does not exist, or has no column of a known type.")
    names = ", ".join(_selected(name, type_) for name, type_ in columns)
    only = f" WHERE {IS_CURRENT}" if current_only and found.find(IS_CURRENT) else ""
    schema = pa.schema([(name, _arrow(type_)) for name, type_ in columns])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "part-00000.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in _pages(session, f"SELECT {names} FROM {qualified(table)}{only}"):
            cells = zip(*rows, strict=True)
            arrays = [
                pa.array([_converted(cell, _READERS.get(type_.kind)) for cell in column], _arrow(type_))
                for column, (_, type_) in zip(cells, columns, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return (path,)


def _pages(session: Session, query: str) -> Iterator[list[tuple[object, ...]]]:
    """Rows of a query, some thousands at a time; a cursor lives in a transaction."""
    with session.transaction():
        session.rows(f"DECLARE {_CURSOR} CURSOR FOR {query}")
        while rows := session.rows(f"FETCH FORWARD {_FETCHED_ROWS} FROM {_CURSOR}"):
            yield rows
        session.rows(f"CLOSE {_CURSOR}")


def _selected(name: str, type_: ColumnType) -> str:
    return f"JSON_SERIALIZE({quote(name)}) AS {quote(name)}" if type_.kind == "json" else quote(name)


def _arrow(type_: ColumnType) -> pa.DataType:
    """The type of staged files: timestamps in UTC with a zone, json as text."""
    import pyarrow as pa

    if type_.kind == "decimal":
        return pa.decimal128(type_.precision, type_.scale)
    return {
        "string": pa.string(), "json": pa.string(), "integer": pa.int32(), "bigint": pa.int64(),
        "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us", tz="UTC"),
    }[type_.kind]  # fmt: skip


def _timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text)


# The Data API gives these as text; the driver gives Python's own types.
_READERS: dict[str, Callable[[str], object]] = {
    "decimal": Decimal,
    "date": date.fromisoformat,
    "timestamp": _timestamp,
}


def _converted(cell: object, read: Callable[[str], object] | None) -> object:
    value = read(cell) if read is not None and isinstance(cell, str) else cell
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
