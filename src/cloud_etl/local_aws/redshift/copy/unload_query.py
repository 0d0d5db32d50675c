"""Columns and rows of the query of an UNLOAD, in PostgreSQL's text format."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud_etl.local_aws.redshift.copy.unload_files import Row
    from cloud_etl.local_aws.redshift.port import Backend

_PROBE = "cloud_etl_unload_columns"
_QUERY = f"""
select a.attname, coalesce(b.typname, t.typname), a.atttypmod
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_type b on b.oid = nullif(t.typbasetype, 0)
where a.attrelid = 'pg_temp.{_PROBE}'::regclass and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class QueryColumn:
    """One column of a query; type is PostgreSQL's base type."""

    name: str
    type: str
    precision: int = 0
    scale: int = 0
    width: int = 0

    @property
    def described(self) -> dict[str, object]:
        """The type as a verbose manifest shows it."""
        names = {
            "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
            "bool": "boolean", "varchar": "character varying", "bpchar": "character", "text": "character varying",
            "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone", "jsonb": "super",
        }  # fmt: skip
        shown: dict[str, object] = {"base": names.get(self.type, self.type)}
        if self.type == "numeric":
            shown |= {"precision": self.precision, "scale": self.scale}
        elif self.width:
            shown["max_length"] = self.width
        return shown


class Query:
    """The query of an UNLOAD; two of its columns may have one name."""

    def __init__(self, sql: str, backend: Backend) -> None:
        """Look up names and types of the columns.

        Raises:
            RedshiftError: PostgreSQL refuses the query.
        """
        self._backend = backend
        header = b"".join(
            backend.copy_out(f"COPY (select * from (\n{sql}\n) as unloaded limit 0) TO STDOUT (FORMAT csv, HEADER)")
        )
        names = next(csv.reader(io.StringIO(header.decode())), [])
        self._aliases = [f"_{number}" for number in range(len(names))]
        self._source = f"(\n{sql}\n) as unloaded ({', '.join(self._aliases)})"
        self.columns = [replace(column, name=name) for column, name in zip(self._types(), names, strict=True)]

    def rows(self) -> Iterator[Row]:
        """Every row, its values in text format, None for null."""
        # SUPER leaves Redshift as JSON without blanks.
        wanted = ", ".join(
            f"redshift_catalog.compact({alias})" if column.type == "jsonb" else alias
            for alias, column in zip(self._aliases, self.columns, strict=True)
        )
        rest = b""
        for chunk in self._backend.copy_out(f"COPY (select {wanted} from {self._source}) TO STDOUT"):
            # In this format a newline is always the end of a row.
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield [_value(text) for text in line.decode().split("\t")]

    def _types(self) -> list[QueryColumn]:
        # A table without rows: COPY TO says nothing about types, and the port gives texts alone.
        self._backend.execute(f"create temporary table {_PROBE} as select * from {self._source} limit 0")
        try:
            rows = self._backend.rows(_QUERY)
        finally:
            self._backend.execute(f"drop table pg_temp.{_PROBE}")
        return [_column(name or "", base or "", int(modifier or -1)) for name, base, modifier in rows]


def _value(text: str) -> str | None:
    if "\\" not in text:
        return text
    if text == "\\N":
        return None
    return _ESCAPED.sub(lambda match: _PLAIN.get(match[1], match[1]), text)


def _column(name: str, base: str, modifier: int) -> QueryColumn:
    known = modifier >= 4
    if base == "numeric":
        precision, scale = ((modifier - 4) >> 16, (modifier - 4) & 0x7FF) if known else (38, 10)
        return QueryColumn(name, base, min(precision, 38), scale)
    width = modifier - 4 if known and base in ("varchar", "bpchar") else 0
    return QueryColumn(name, base, width=width)
