"""The columns of the table that COPY loads into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_etl.local_aws.redshift.copy.statement import CopyStatement
from cloud_etl.local_aws.redshift.port import Backend, RedshiftError

# Base types of PostgreSQL -> how Redshift's catalogs spell them.
_SPELLED = {
    "int2": "int2", "int4": "int4", "int8": "int8", "float4": "float4", "float8": "float8", "numeric": "numeric",
    "bool": "bool", "varchar": "varchar", "text": "varchar", "bpchar": "char", "date": "date", "time": "time",
    "timestamp": "timestamp", "timestamptz": "timestamptz", "jsonb": "super", "json": "super", "bytea": "varbyte",
}  # fmt: skip
_WIDEST = 65_535
_QUERY = """
select a.attname, coalesce(b.typname, t.typname), case when t.typbasetype <> 0 then t.typtypmod else a.atttypmod end,
       a.attnotnull, a.atthasdef, a.attidentity, a.attrelid
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_type b on b.oid = nullif(t.typbasetype, 0)
where a.attrelid = pg_catalog.to_regclass({name}) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column.

    Attributes:
        type: as Redshift's catalogs spell it: int4, varchar, numeric, super ...
        width: most bytes of varchar, char and varbyte; 0 for other types.
        fills_itself: has a default or is an identity column.
    """

    name: str
    type: str
    width: int = 0
    precision: int = 0
    scale: int = 0
    not_null: bool = False
    fills_itself: bool = False
    identity: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it is CHAR or VARCHAR."""
        return self.type in ("varchar", "char")

    @property
    def shown_length(self) -> str:
        """The length as the tables of load errors show it."""
        return f"{self.precision},{self.scale}" if self.type == "numeric" else str(self.width)

    @property
    def ddl(self) -> str:
        """The type as the messages about Parquet files spell it."""
        if self.type == "numeric":
            return f"DECIMAL({self.precision}, {self.scale})"
        if self.is_text:
            return f"{self.type.upper()}({self.width})"
        return _DDL.get(self.type, self.type.upper())


_DDL = {
    "int2": "SMALLINT", "int4": "INT", "int8": "BIGINT", "float4": "FLOAT", "float8": "DOUBLE", "bool": "BOOLEAN",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """The table of a COPY and, in order, the columns the files hold."""

    schema: str | None
    table: str
    oid: int
    columns: tuple[TableColumn, ...]

    @property
    def sql(self) -> str:
        """Table and columns, quoted, as COPY wants them."""
        columns = ", ".join(quoted(column.name) for column in self.columns)
        return f"{_qualified(self.schema, self.table)} ({columns})"


def find_target(statement: CopyStatement, backend: Backend) -> Target:
    """Look up the table and match the column list.

    Raises:
        RedshiftError: there is no such table or column, an identity column is named without EXPLICIT_IDS, or a
            column left out can neither be null nor fill itself.
    """
    schema, table = statement.schema, statement.table
    rows = backend.rows(_QUERY.format(name=literal(_qualified(schema, table))))
    if not rows:
        # Quoted or not, names are kept in lower case unless the session asks for the case to count.
        schema, table = schema.lower() if schema else None, table.lower()
        rows = backend.rows(_QUERY.format(name=literal(_qualified(schema, table))))
    if not rows:
        raise RedshiftError(f"Cannot COPY into nonexistent table {statement.table}", sqlstate="42P01")
    every = [_column(row) for row in rows]
    columns = _chosen(statement, every)
    left_out = [column for column in every if column not in columns]
    for column in left_out:
        if column.not_null and not column.fills_itself:
            raise RedshiftError(f"Cannot insert a NULL value into column {column.name}")
    return Target(schema, table, int(rows[0][6] or 0), columns)


def quoted(name: str) -> str:
    """A name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a string literal, whatever it holds."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"


def _qualified(schema: str | None, table: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}" if schema else quoted(table)


def _chosen(statement: CopyStatement, every: Sequence[TableColumn]) -> tuple[TableColumn, ...]:
    if not statement.columns:
        return tuple(column for column in every if statement.explicit_ids or not column.identity)
    by_name = {column.name: column for column in every}
    names = [name if name in by_name else name.lower() for name in statement.columns]
    for name in names:
        if name not in by_name:
            raise RedshiftError(
                f'column "{name}" of relation "{statement.table}" does not exist', sqlstate="42703"
            )  # fmt: skip
        if by_name[name].identity and not statement.explicit_ids:
            raise RedshiftError("cannot set an identity column to a value", sqlstate="0A000")
    if len(set(names)) < len(names):
        raise RedshiftError("a column is named more than once in the column list of COPY", sqlstate="42701")
    return tuple(by_name[name] for name in names)


def _column(row: tuple[str | None, ...]) -> TableColumn:
    name, base, modifier, not_null, has_default, identity, _ = (value or "" for value in row)
    type_ = _SPELLED.get(base)
    if type_ is None:
        raise RedshiftError(f"COPY into a column of type {base} is not supported on this server.", sqlstate="0A000")
    number = int(modifier or -1)
    known = number >= 4
    width = (number - 4 if known else _WIDEST) if type_ in ("varchar", "char", "varbyte") else 0
    precision, scale = ((number - 4) >> 16, (number - 4) & 0x7FF) if known else (18, 0)
    return TableColumn(
        name, type_, width,
        precision if type_ == "numeric" else 0, scale if type_ == "numeric" else 0,
        not_null == "t", has_default == "t" or bool(identity), bool(identity),
    )  # fmt: skip
