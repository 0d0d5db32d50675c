"""Aggregates over a sample of Parquet rows: means, distinct counts and frequent values of all columns at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from cloud_etl.domain.quality import TopValue
from cloud_etl.storage.parquet_queries import ParquetQueries, quoted, text

if TYPE_CHECKING:
    from cloud_etl.engines.marked_frame import WrittenFile

TOP = 5
# With more files than this, evenly chosen ones stand for all.
FILES_READ = 32
# GROUPING numbers its sets with the bits of a bigint, and the time to plan a query grows with the square of its sets.
COLUMNS_AT_ONCE = 30
# The time to plan a query grows with the square of its terms.
TERMS_AT_ONCE = 200
# A frequent value fills at least one row in a thousand of the rows in which candidates are looked for.
CANDIDATE_SHARE = 0.001
# Columns that DuckDB has for each Parquet file: the place of a row in it, and of the file in the list.
_PLACE, _FILE = "file_row_number", "file_index"
_NUMBERS = ("integer", "bigint", "double", "decimal")


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of written files, as a table in SQL."""

    sql: str
    rows: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """A column by name and type (in the contract's words), to be counted."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Values:
    """How many values a column has, and the most frequent ones."""

    distinct: int
    top: tuple[TopValue, ...]


def open_source(
    queries: ParquetQueries, files: Sequence[WrittenFile], columns: Sequence[Sampled], most_rows: int
) -> Source:
    """Take the first rows of each file, in proportion to its size: the same rows each time; 0 takes all.

    Part of the rows is copied into the connection, since skipping in Parquet costs more than reading a table; all rows
    stay where they are.
    """
    names = ", ".join(quoted(name) for name in dict.fromkeys([*(column.name for column in columns), _PLACE]))
    rows = sum(file.rows for file in files)
    hidden = {column.name.lower() for column in columns} & {_PLACE, _FILE}
    if not most_rows or rows <= most_rows or hidden:
        return Source(f"(SELECT {names} FROM {queries.files([file.path for file in files])})", rows)
    chosen = [files[place * len(files) // FILES_READ] for place in range(FILES_READ)]
    chosen = chosen if len(files) > FILES_READ else list(files)
    total = sum(file.rows for file in chosen)
    limits = [max(1, min(file.rows, most_rows * file.rows // total)) for file in chosen]
    # One scan with a filter on the row's number: a LIMIT per file reads more, and cannot skip row groups.
    first = " OR ".join(f"({_FILE} = {place} AND {_PLACE} < {limit})" for place, limit in enumerate(limits))
    table = f"SELECT {names} FROM {queries.files([file.path for file in chosen])} WHERE {first}"
    queries.rows(f"CREATE TEMP TABLE sample AS {table}")
    return Source("sample", sum(limits))


def few_of(queries: ParquetQueries, rows: Source, few: int) -> Source:
    """About that many of the rows, spread over all of them; copied, for each query on a wide file reads its footer."""
    step = max(1, rows.rows // few)
    if step == 1:
        return rows
    queries.rows(f"CREATE TEMP TABLE few AS SELECT * FROM {rows.sql} WHERE {_PLACE} % {step} = 0")
    return Source("few", -(-rows.rows // step))


def counted(queries: ParquetQueries, rows: Source, columns: Sequence[Sampled]) -> dict[str, Values]:
    """Count every value of each column, in one pass over the rows; meant for columns with few values."""
    found: dict[str, Values] = {}
    for start in range(0, len(columns), COLUMNS_AT_ONCE):
        found |= _counted(queries, rows, columns[start : start + COLUMNS_AT_ONCE])
    return found


def means(columns: Sequence[Sampled]) -> dict[str, str]:
    """Terms for the mean of each number column; NaN and infinities left out."""
    terms = {}
    for column in columns:
        if column.type.partition("(")[0] in _NUMBERS:
            name = quoted(column.name)
            # A sum of decimals may need more than the 38 digits that DuckDB has.
            number = f"{name}::DOUBLE" if column.type.startswith("decimal") else name
            terms[column.name] = f"avg({number})" + (f" FILTER (isfinite({name}))" if column.type == "double" else "")
    return terms


def about_distinct(columns: Sequence[Sampled]) -> dict[str, str]:
    """Terms for the number of values of each column, give or take a few percent."""
    return {column.name: f"approx_count_distinct({quoted(column.name)})" for column in columns}


def frequent(columns: Sequence[Sampled], few_rows: Source, values: Mapping[str, Values]) -> dict[tuple[str, str], str]:
    """Terms that count, for columns with many values, those that are frequent in a few rows.

    Identifiers, amounts and times have none: no value stands out, and nothing is counted.

    Args:
        columns: those with many values.
        few_rows: the rows in which values were counted one by one.
        values: what was counted there.
    """
    least = max(1, few_rows.rows * CANDIDATE_SHARE)
    return {
        (column.name, top.value): f"count(*) FILTER ({_as_text(column)} = {text(top.value)})"
        for column in columns
        for top in values[column.name].top
        if top.rows > least
    }


def aggregate(queries: ParquetQueries, rows: Source, terms: Sequence[str]) -> list[float | None]:
    """Values of aggregates over the rows, by as few queries as are planned in good time."""
    values: list[object] = []
    for first in range(0, len(terms), TERMS_AT_ONCE):
        values += queries.rows(f"SELECT {', '.join(terms[first : first + TERMS_AT_ONCE])} FROM {rows.sql}")[0]
    numbers = (None if value is None else float(str(value)) for value in values)
    # A sum of doubles may be beyond them all; JSON, in which reports are, has no infinity.
    return [None if number is None or not isfinite(number) else number for number in numbers]


def _counted(queries: ParquetQueries, rows: Source, columns: Sequence[Sampled]) -> dict[str, Values]:
    names = [quoted(column.name) for column in columns]
    # In each set all columns but one are null, so the first that is not null is the value of the group.
    value = ", ".join(_as_text(column) for column in columns)
    sets = ", ".join(f"({name})" for name in names)
    sql = f"""
        WITH groups AS (
            SELECT GROUPING({", ".join(names)}) AS place, coalesce({value}, NULL) AS value, count(*) AS n
            FROM {rows.sql} GROUP BY GROUPING SETS ({sets})
        )
        SELECT place, count(value), max({{'n': n, 'value': value}}, {TOP}) FILTER (value IS NOT NULL)
        FROM groups GROUP BY place"""
    found = {column.name: Values(0, ()) for column in columns}
    every = (1 << len(columns)) - 1
    for place, distinct, top in queries.rows(sql):
        # The bit of the grouped column is the one that is not set; the first column has the highest.
        column = columns[len(columns) - (every ^ int(str(place))).bit_length()]
        found[column.name] = Values(int(str(distinct)), _top(top))
    return found


def _top(values: object) -> tuple[TopValue, ...]:
    pairs = values if isinstance(values, list) else []
    return tuple(TopValue(str(pair["value"]), int(pair["n"])) for pair in pairs)


def _as_text(column: Sampled) -> str:
    return f"{quoted(column.name)}::VARCHAR"
