"""Tables as Redshift's catalog describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.load.ddl import Table, TableColumn
from cloud_etl.load.redshift.dialect import column_type

if TYPE_CHECKING:
    from cloud_etl.load.redshift.session import Session


def describe(session: Session, table: str) -> Table | None:
    """The table of that `schema.table`, or None; a name without a schema is no table."""
    schema, dot, name = table.partition(".")
    if not dot:
        return None
    found = session.rows(
        "SELECT column_name, data_type, is_nullable, column_default, character_maximum_length, numeric_precision, "
        "numeric_scale FROM svv_columns WHERE lower(table_schema) = lower(CAST(? AS VARCHAR(256))) "
        "AND lower(table_name) = lower(CAST(? AS VARCHAR(256))) ORDER BY ordinal_position",
        (schema, name),
    )
    columns = tuple(_column(row) for row in found)
    return Table(table, columns) if columns else None


def schema_exists(session: Session, schema: str) -> bool:
    """Whether there is a schema of that name."""
    sql = "SELECT count(*) FROM pg_namespace WHERE lower(nspname) = lower(CAST(? AS VARCHAR(256)))"
    return int(str(session.rows(sql, (schema,))[0][0])) > 0


def _column(row: tuple[object, ...]) -> TableColumn:
    name, native, nullable, default, length, precision, scale = row
    width, digits, places = (None if value is None else int(str(value)) for value in (length, precision, scale))
    type_ = column_type(str(native).lower(), digits, places)
    is_text = type_ is not None and type_.kind == "string"
    shown = f"{native}({width})" if is_text and width else f"{native}({digits},{places})" if digits else str(native)
    is_nullable = str(nullable).upper() in ("YES", "TRUE", "1")
    return TableColumn(
        str(name), shown if type_ and type_.kind in ("string", "decimal") else str(native), type_, is_nullable,
        None if default is None else str(default), str(default).startswith('"identity"'), width if is_text else None,
    )  # fmt: skip
