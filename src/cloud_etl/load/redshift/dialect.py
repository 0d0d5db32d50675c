"""Redshift's words: types with widths in bytes, table layout, comments, and what cannot be changed in place."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.errors import TargetError
from cloud_etl.load.dialect import Dialect, qualified, quote

if TYPE_CHECKING:
    from cloud_etl.domain.spec import LoadSpec

MAX_VARCHAR_BYTES = 65_535
MAX_SCALE = 37
# Redshift does not alter the width of a column that is compressed in one of these ways.
FIXED_ENCODINGS = frozenset({"bytedict", "runlength", "text255", "text32k"})
_MAX_NAME_BYTES = 127
_UNMEASURED_BYTES = 256
_SMALLEST_BYTES = 16
_NAMES = {
    "integer": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE PRECISION", "boolean": "BOOLEAN", "date": "DATE",
    "timestamp": "TIMESTAMP", "json": "SUPER",
}  # fmt: skip
_NATIVE = {
    "character varying": "string", "integer": "integer", "bigint": "bigint", "double precision": "double",
    "boolean": "boolean", "date": "date", "timestamp without time zone": "timestamp", "super": "json",
}  # fmt: skip


_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(name: str) -> str:
    """A name as Redshift stores it: A to Z in lower case, also in quotes."""
    return name.translate(_LOWER)


def folded(schema: Schema) -> Schema:
    """A schema with its names as Redshift stores them."""
    return Schema(tuple(Column(fold(column.name), column.type, column.nullable) for column in schema.columns))


def varchar_bytes(longest: int, headroom: float) -> int:
    """Width of a new VARCHAR: the next power of two that holds the longest value with headroom.

    Steps keep the width from changing with every batch.
    """
    wanted = max(_SMALLEST_BYTES, int(longest * headroom))
    return min(MAX_VARCHAR_BYTES, 1 << (wanted - 1).bit_length())


def column_type(native: str, precision: int | None, scale: int | None) -> ColumnType | None:
    """The contract's type for a type as SVV_COLUMNS writes it, or None where there is none."""
    if native == "numeric":
        return ColumnType("decimal", precision or 18, scale or 0)
    return ColumnType.parse(_NATIVE[native]) if native in _NATIVE else None


class RedshiftDialect(Dialect):
    """Redshift's words for the tables of one output.

    Source: docs/adr/0011-redshift-loader.md
    """

    merges = True
    batch_is_table = True
    text_type = "VARCHAR(4096)"
    json_type = f"VARCHAR({MAX_VARCHAR_BYTES})"

    def __init__(self, longest: Mapping[str, int] | None = None, headroom: float = 1.0) -> None:
        """Store what was measured.

        Args:
            longest: bytes of the longest value by text column; columns that are not there were not measured.
            headroom: how many times that a new column holds.
        """
        self._longest = longest or {}
        self._headroom = headroom

    def type_name(self, column: Column) -> str:
        """Redshift's word for a type of the contract; VARCHAR as wide as the values need, with headroom."""
        kind = column.type.kind
        if kind == "string":
            longest = self._longest.get(column.name)
            width = _UNMEASURED_BYTES if longest is None else varchar_bytes(longest, self._headroom)
            return f"VARCHAR({width})"
        if kind == "decimal":
            return f"DECIMAL({column.type.precision},{column.type.scale})"
        return _NAMES[kind]

    def widened(self, found: Column, width: int | None, wanted: Column) -> str | None:
        """VARCHAR with headroom where a value is longer than the column."""
        longest = self._longest.get(wanted.name, 0)
        if found.type.kind != "string" or width is None or longest <= width:
            return None
        return f"VARCHAR({varchar_bytes(longest, self._headroom)})"

    def can_widen(self, found: Column, wanted: Column) -> bool:
        """Only VARCHAR becomes longer in place; no other type changes."""
        return False

    def change_type(self, table: str, column: str, native: str, type_name: str) -> str:
        """One ALTER from VARCHAR to VARCHAR; all else, CHAR to VARCHAR as well, takes a new column."""
        if native.startswith("character varying") and type_name.startswith("VARCHAR"):
            return f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {type_name}"
        if type_name.startswith("VARCHAR"):
            # The width is the batch's; a cast to it would cut what the table holds, without an error.
            type_name = f"VARCHAR({MAX_VARCHAR_BYTES})"
        new = column[:-1] + '_new"'
        return (
            f"ALTER TABLE {table} ADD COLUMN {new} {type_name}; "
            f"UPDATE {table} SET {new} = CAST({column} AS {type_name}); "
            f"ALTER TABLE {table} DROP COLUMN {column}; ALTER TABLE {table} RENAME COLUMN {new} TO {column}"
        )

    def differs(self, column: Column, left: str, right: str) -> str:
        """Redshift has no IS DISTINCT FROM, does not compare SUPER, and ignores blanks at the end of a text."""
        a, b = f"{left}.{quote(column.name)}", f"{right}.{quote(column.name)}"
        values = f"{a} <> {b}"
        if column.type.kind == "json":
            values = f"JSON_SERIALIZE({a}) <> JSON_SERIALIZE({b})"
        elif column.type.kind == "string":
            values = f"{a} <> {b} OR LENGTH({a}) <> LENGTH({b})"
        return f"({values} OR ({a} IS NULL AND {b} IS NOT NULL) OR ({a} IS NOT NULL AND {b} IS NULL))"

    @staticmethod
    def can_become_longer(spec: LoadSpec, column: str) -> bool:
        """Whether a load may make a VARCHAR of the table longer."""
        encoding = next((code for name, code in spec.encode.items() if name.lower() == column.lower()), "auto")
        return spec.on_schema_change == "evolve" and encoding not in FIXED_ENCODINGS

    def column_options(self, spec: LoadSpec, column: str) -> str:
        """The encoding that the output asks for; Redshift chooses without."""
        encoding = next((code for name, code in spec.encode.items() if name.lower() == column.lower()), "auto")
        return "" if encoding == "auto" else f" ENCODE {encoding.upper()}"

    def table_options(self, spec: LoadSpec) -> str:
        """Distribution and sort keys; Redshift chooses what is not given."""
        style = spec.diststyle or ("key" if spec.distkey else "auto")
        options = f" DISTSTYLE {style.upper()}"
        if spec.distkey:
            options += f" DISTKEY ({quote(fold(spec.distkey))})"
        if spec.sortkey:
            options += f" {spec.sortstyle.upper()} SORTKEY ({', '.join(quote(fold(name)) for name in spec.sortkey)})"
        return options

    def comments(self, spec: LoadSpec, columns: tuple[str, ...]) -> tuple[str, ...]:
        """COMMENT ON for the table and its columns; the texts hold no backslash (see LoadSpec)."""
        target = qualified(spec.table)
        made = [f"COMMENT ON TABLE {target} IS {literal(spec.comment)}"] if spec.comment else []
        known = {name.lower() for name in columns}
        made += [
            f"COMMENT ON COLUMN {target}.{quote(fold(name))} IS {literal(comment)}"
            for name, comment in spec.comments.items()
            if name.lower() in known
        ]
        return tuple(made)


def literal(text: str) -> str:
    """A text constant, for the statements that take no bound values.

    Raises:
        TargetError: it holds a backslash or NUL, which not every server reads alike.
    """
    if "\\" in text or "\0" in text:
        raise TargetError(f"{text!r} holds a backslash or NUL, which cannot be passed on safely. Nothing was loaded.")
    return "'" + text.replace("'", "''") + "'"


def name_problem(name: str) -> str | None:
    """Why Redshift does not take a name, or None."""
    if len(name.encode()) > _MAX_NAME_BYTES:
        return f"the name is longer than {_MAX_NAME_BYTES} bytes: rename it in transform"
    if not name.isprintable():
        return "the name holds characters that cannot be printed: rename it in transform"
    return None
