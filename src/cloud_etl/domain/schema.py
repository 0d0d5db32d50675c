"""Column types and table schemas, in the words of the contract, of Spark and of the warehouse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["string", "integer", "bigint", "double", "decimal", "boolean", "date", "timestamp", "json"]
KINDS: tuple[Kind, ...] = (
    "string", "integer", "bigint", "double", "decimal", "boolean", "date", "timestamp", "json",
)  # fmt: skip
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
MAX_PRECISION = 38

# Lineage column of staged and published Parquet: (file index << LINE_BITS) | line.
ROW_ID = "_row_id"
LINE_BITS = 40
# Lineage column of published aggregates: how many rows the group folds.
ROWS_FOLDED = "_rows_folded"
# Column of written frames with a cast: the text that it refused, in the rows that it took out; NULL in all others.
REFUSED = "_refused"
LINEAGE = (ROW_ID, ROWS_FOLDED, REFUSED)

# What people write who come from elsewhere.
_OTHER_NAMES = {
    "int": "integer", "int32": "integer", "smallint": "integer", "long": "bigint", "int64": "bigint",
    "float": "double", "real": "double", "numeric": "decimal(p,s)", "number": "decimal(p,s)", "bool": "boolean",
    "text": "string", "str": "string", "varchar": "string", "datetime": "timestamp", "struct": "json", "array": "json",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type of the contract; only decimals have a precision and a scale."""

    kind: Kind
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        """The type as it is written in a pipeline file."""
        return f"decimal({self.precision},{self.scale})" if self.kind == "decimal" else self.kind

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """Read `string`, `decimal(12,2)` and so on.

        Raises:
            ValueError: the text names no type; the message lists those there are.
        """
        word = text.strip().lower()
        if match := _DECIMAL.fullmatch(word):
            precision, scale = int(match[1]), int(match[2])
            if not 1 <= precision <= MAX_PRECISION or scale > precision:
                raise ValueError(f"{text}: precision is 1 to {MAX_PRECISION}, scale at most the precision")
            return cls("decimal", precision, scale)
        for kind in KINDS:
            if word == kind and kind != "decimal":
                return cls(kind)
        names = ", ".join("decimal(p,s)" if kind == "decimal" else kind for kind in KINDS)
        hint = ""
        if re.fullmatch(r"decimal\(\d+", word):
            hint = '; put it in quotes, "decimal(12,2)": between { and } a comma begins a new key'
        elif word in _OTHER_NAMES:
            hint = f"; did you mean {_OTHER_NAMES[word]!r}?"
        raise ValueError(f"unknown type {text!r}{hint or f'; the types are {names}'}")

    @property
    def spark(self) -> str:
        """The type in Spark SQL; json travels as text."""
        names = {"integer": "int", "json": "string"}
        return str(self) if self.kind == "decimal" else names.get(self.kind, self.kind)

    @property
    def duckdb(self) -> str:
        """The type in DuckDB SQL; timestamps are stored in UTC without a zone."""
        names = {"string": "VARCHAR", "json": "JSON"}
        return names.get(self.kind, str(self).upper())


@dataclass(frozen=True, slots=True)
class TextLimits:
    """What a warehouse takes as a text into one table.

    Attributes:
        most_bytes: of any text in UTF-8; NUL is refused as well.
        fixed: the same by column, in lower case, for those of an existing table that do not become wider.
    """

    most_bytes: int
    fixed: Mapping[str, int] = field(default_factory=dict)

    def of(self, column: str) -> int:
        """Bytes that a text of this column may have."""
        return self.fixed.get(column.lower(), self.most_bytes)


@dataclass(frozen=True, slots=True)
class Column:
    """A named, typed column of a frame, a publication or a table."""

    name: str
    type: ColumnType
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """Columns in order."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def find(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)
