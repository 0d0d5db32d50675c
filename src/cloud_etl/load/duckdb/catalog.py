"""DuckDB's words for types, tables as its catalog describes them, and columns on their way from and to Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import Column, ColumnType
from cloud_etl.load.ddl import Table, TableColumn
from cloud_etl.load.dialect import Dialect, quote
from cloud_etl.storage.parquet_queries import read_parquet

if TYPE_CHECKING:
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.load.duckdb.session import Session

_TYPES = {
    "VARCHAR": "string", "JSON": "json", "INTEGER": "integer", "BIGINT": "bigint", "DOUBLE": "double",
    "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp",
}  # fmt: skip
# Types that only files have; each value fits the contract's type.
_FILE_TYPES = {
    "TIMESTAMP WITH TIME ZONE": "timestamp", "TINYINT": "integer", "SMALLINT": "integer", "UTINYINT": "integer",
    "USMALLINT": "integer", "UINTEGER": "bigint", "FLOAT": "double", "JSON": "string",
}  # fmt: skip


# Numbers that a double may not hold exactly: DuckDB reads those of JSON as doubles, and two of them could become one.
_ROUNDED = "[0-9.]{16}|[0-9][eE]"


class DuckDbDialect(Dialect):
    """DuckDB's words."""

    text_type = "VARCHAR"
    json_type = "JSON"

    def type_name(self, column: Column) -> str:
        """DuckDB's word for a type of the contract."""
        return column.type.duckdb

    def change_type(self, table: str, column: str, native: str, type_name: str) -> str:
        """One ALTER, which runs in the load's transaction."""
        return f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {type_name}"

    def differs(self, column: Column, left: str, right: str) -> str:
        """One operator does it; JSON texts that differ are compared by their values, but for numbers it would round."""
        a, b = f"{left}.{quote(column.name)}", f"{right}.{quote(column.name)}"
        if column.type.kind != "json":
            return f"{a} IS DISTINCT FROM {b}"
        return (
            f"CASE WHEN {a} = {b} THEN FALSE WHEN {a} IS NULL OR {b} IS NULL THEN {a} IS DISTINCT FROM {b} "
            f"WHEN regexp_matches(concat({a}, ' ', {b}), '{_ROUNDED}') THEN TRUE "
            f"ELSE {_values(a, f'{a} <> {b}')} IS DISTINCT FROM {_values(b, f'{a} <> {b}')} END"
        )


def _values(json: str, asked: str) -> str:
    """Every value inside a JSON text with its path, numbers as doubles; nothing where it is not asked for.

    VARIANT tells 1 from 1.0. Keys stand in the path as they are, so an object's own text is not needed.
    """
    number = "type IN ('UBIGINT', 'BIGINT', 'DOUBLE')"
    value = f"CASE WHEN {number} THEN CAST(CAST(atom AS DOUBLE) + 0.0 AS VARCHAR) ELSE CAST(atom AS VARCHAR) END"
    kind = f"CASE WHEN {number} THEN 'NUMBER' ELSE type END"
    return (
        f"(SELECT list({{'path': fullkey, 'type': {kind}, 'value': {value}}} ORDER BY fullkey) "
        f"FROM json_tree(CASE WHEN {asked} THEN {json} END))"
    )


DIALECT = DuckDbDialect()


def column_type(native: str) -> ColumnType | None:
    """The contract's type for DuckDB's word, or None where there is none."""
    if native.startswith("DECIMAL("):
        return ColumnType.parse(native)
    return ColumnType.parse(_TYPES[native]) if native in _TYPES else None


def describe(session: Session, table: str) -> Table | None:
    """The table of that `schema.table`, or None; a name without a schema is no table."""
    schema, dot, name = table.partition(".")
    if not dot:
        return None
    found = session.rows(
        "SELECT column_name, data_type, is_nullable, column_default, is_generated FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal "
        "AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) ORDER BY column_index",
        (schema, name),
    )
    if not found:
        return None
    columns = (
        TableColumn(
            str(column), str(native), column_type(str(native)), bool(nullable), _default(default), bool(generated)
        )
        for column, native, nullable, default, generated in found
    )
    return Table(table, tuple(columns))


def _default(expression: object) -> str | None:
    return None if expression is None else str(expression)


def file_columns(session: Session, paths: Sequence[WorkPath]) -> dict[str, str]:
    """DuckDB's types by column, read from the first of the Parquet files; all files of a publication are alike."""
    if not paths:
        return {}
    found = session.rows(f"DESCRIBE SELECT * FROM {read_parquet(paths[:1])}")
    return {str(row[0]): str(row[1]) for row in found}


def file_type(native: str) -> ColumnType | None:
    """The contract's type for a type of a file."""
    return ColumnType.parse(_FILE_TYPES[native]) if native in _FILE_TYPES else column_type(native)


def converted(name: str, native: str | None, type_: ColumnType) -> str:
    """The column of a file in a table's type; a column that the files lack is NULL."""
    value = "NULL" if native is None else quote(name)
    if native == "TIMESTAMP WITH TIME ZONE":
        # The same microseconds; a cast goes through the calendar and costs 5% of a load.
        value = f"make_timestamp(epoch_us({value}))"
    return f"CAST({value} AS {type_.duckdb}) AS {quote(name)}"


def staged(column: Column) -> str:
    """The column as staged files hold it: timestamps in UTC with a zone, json as text."""
    name = quote(column.name)
    cast = {"timestamp": "TIMESTAMPTZ", "json": "VARCHAR"}.get(column.type.kind)
    return f"CAST({name} AS {cast}) AS {name}" if cast else name
