"""Values of each type that engines tend to read differently, and rows made of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

# As DuckDB reads them.
VALUES: Mapping[str, tuple[str, ...]] = {
    "integer": ("0", "1", "-1", "2147483647", "-2147483648", "7", "42", "1000"),
    "bigint": ("0", "1", "-1", "9223372036854775807", "-9223372036854775808", "10000000000", "3"),
    "double": ("0.0", "'-0.0'", "1.0", "1.5", "2.5", "0.1", "1e300", "-1e-300", "1e10", "'nan'", "'inf'", "'-inf'",
               "123.456"),
    "decimal(12,2)": ("0", "1.00", "1.50", "-0.01", "9999999999.99", "-9999999999.99", "2.50", "0.10", "12.00"),
    "decimal(38,10)": ("0", "1", "0.0000000001", "-1.5", "1234567890123456789.0123456789", "12.5"),
    "string": ("''", "'a'", "'A'", "' a '", "'1'", "'12.50'", "' 7'", "'x=y'", "'ü…😀'", "'null'",
               "'2024-02-30'", "'2024-02-29'", "'true'", "E'two\\nlines'", "'+3'", "'0x1'", "'-0'",
               "'9999999999999'", "'1e2'", "'1.5d'"),
    "boolean": ("true", "false"),
    "date": ("'1970-01-01'", "'2024-02-29'", "'1582-10-04'", "'0001-01-01'", "'9999-12-31'", "'2023-12-31'",
             "'2024-05-12'"),
    "timestamp": ("'1970-01-01 00:00:00'", "'2024-02-29 23:59:59.999999'", "'1969-12-31 23:59:59.5'",
                  "'2024-03-31 02:30:00'", "'1900-01-01 00:00:00'", "'2024-05-12 12:00:00'"),
    "json": ("'{\"b\": 1}'", "'{\"b\": \"x\"}'", "'{\"a\": {\"b\": 2}}'", "'[1, 2]'", "'{\"b\": null}'",
             "'{\"b\": true}'", "'{}'"),
}  # fmt: skip
NUMBERS = ("integer", "bigint", "double", "decimal(12,2)", "decimal(38,10)")
_SQL = {"integer": "INTEGER", "string": "VARCHAR", "json": "VARCHAR"}


class Columns(dict[str, str]):
    """Names and types of columns; "" is a type that the generator does not follow.

    Attributes:
        row_ids_unique: whether `_row_id` still orders all rows.
    """

    row_ids_unique: bool = True


def table(names: Sequence[str], lines: Sequence[str]) -> str:
    """A query in DuckDB's SQL that gives these lines."""
    shown = ", ".join(f'"{name}"' for name in names)
    return f"SELECT * FROM (VALUES {', '.join(lines)}) t({shown})"


def cell(kind: str, value: str) -> str:
    """A value with its type."""
    quoted = value if value == "NULL" or value.endswith("'") else f"'{value}'"
    return f"{quoted}::{_SQL.get(kind, kind.upper())}"


def rows(rng: random.Random, columns: Columns) -> str:
    """Up to 30 rows, some of them twice."""

    def made(kind: str) -> str:
        return cell(kind, "NULL" if rng.random() < 0.2 else rng.choice(VALUES[kind]))

    lines = [f"({', '.join(made(kind) for kind in columns.values())})" for _ in range(rng.randint(1, 25))]
    return table(list(columns), lines + rng.choices(lines, k=rng.randint(0, 5)))


REFERENCE = Columns({f"r_{place}": kind for place, kind in enumerate(VALUES)})


def reference_rows(rng: random.Random) -> str:
    """A table with a column of each type, in most cases without a repeated value in those that have enough of them."""
    count = rng.choice((0, 2, 2, 3, 5))
    picked = {
        kind: rng.sample(values, count) if count <= len(values) and rng.random() < 0.8 else rng.choices(values, k=count)
        for kind, values in VALUES.items()
    }
    lines = [f"({', '.join(cell(kind, picked[kind][place]) for kind in REFERENCE.values())})" for place in range(count)]
    empty = f"({', '.join(cell(kind, 'NULL') for kind in REFERENCE.values())})"
    return table(list(REFERENCE), [*lines, empty])


def pick(rng: random.Random, columns: Columns, *kinds: str) -> str | None:
    """A column of one of these types, of any that is followed without; None where there is none."""
    names = [name for name, kind in columns.items() if kind in kinds or (kind and not kinds)]
    return rng.choice(names) if names else None


def quoted(name: str) -> str:
    """A name for Spark SQL."""
    return f"`{name}`"
