"""The shape of each accepted column: nulls and bounds from the footers, the rest from a few aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from cloud_etl.domain.quality import ColumnProfile, TopValue
from cloud_etl.quality.footers import Bound, ColumnFooter, read_footers
from cloud_etl.quality.value_counts import (
    Sampled,
    Source,
    about_distinct,
    aggregate,
    counted,
    few_of,
    frequent,
    means,
    open_source,
)
from cloud_etl.storage.parquet_queries import ParquetQueries, parquet_queries, quoted

if TYPE_CHECKING:
    from cloud_etl.domain.run import RunContext
    from cloud_etl.engines.marked_frame import WrittenFile

# Values of every column are counted one by one in these rows, fewer of them where there are many columns, and in all
# rows for columns that show only a few values there.
FEW_ROWS = 20_000
FEW_CELLS = 2_000_000
FEW_VALUES_SHARE = 0.1
SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the rows that were looked at tell of one column."""

    mean: float | None
    distinct: int | None
    top: tuple[TopValue, ...]
    counted: bool


_UNKNOWN = _Shape(None, None, (), counted=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """The shape of every column, and of which columns only the footers could be told, with the kinds of errors met."""

    columns: tuple[ColumnProfile, ...] = ()
    failed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know; rows and load are not touched by it."""
        if not self.failed:
            return ()
        return (
            f"the profile has no statistics of {', '.join(self.failed)}: they could not be computed "
            f"({', '.join(self.errors)}). No row is touched by that, and the batch goes on",
        )


def profile(files: Sequence[WrittenFile], most_rows: int, run: RunContext) -> Profile:
    """Describe every column of written files, lineage left out; statistics that fail are left out of it.

    Texts longer than 100 characters are cut in the profile.

    Args:
        files: Parquet files of one schema.
        most_rows: how many rows to look at for distinct, mean and top values, the first of each file in proportion to
            its size; 0 is all. Nulls and bounds are those of all rows in any case.
        run: gives the threads, and the folder for spilling.
    """
    filled = [file for file in files if file.rows]
    footers = read_footers([file.path for file in filled])
    if not footers:
        return Profile()
    try:
        return Profile(_described(filled, footers, most_rows, run))
    except Exception:  # noqa: BLE001 - no statistic stops a load, whatever it fails by
        return _one_by_one(filled, footers, most_rows, run)


def _one_by_one(
    files: Sequence[WrittenFile], footers: Sequence[ColumnFooter], most_rows: int, run: RunContext
) -> Profile:
    """Each column by itself, so that one costs no other its statistics."""
    columns: list[ColumnProfile] = []
    failed: dict[str, str] = {}
    for footer in footers:
        try:
            columns += _described(files, [footer], most_rows, run)
        except Exception as exc:  # noqa: BLE001 - as above
            failed[footer.name] = type(exc).__name__
            if footer.nulls is not None:
                columns.append(_column_profile(footer, sum(file.rows for file in files), 0, _UNKNOWN))
    return Profile(tuple(columns), tuple(failed), tuple(sorted(set(failed.values()))))


def _described(
    filled: Sequence[WrittenFile], footers: Sequence[ColumnFooter], most_rows: int, run: RunContext
) -> tuple[ColumnProfile, ...]:
    rows = sum(file.rows for file in filled)
    columns = [Sampled(footer.name, footer.type) for footer in footers]
    with parquet_queries(run.resources, run.scratch) as queries:
        whole = _completed(queries, filled, footers)
        source = open_source(queries, filled, columns, most_rows)
        shapes = _shapes(queries, source, columns)
    return tuple(_column_profile(footer, rows, source.rows, shapes[footer.name]) for footer in whole)


def _shapes(queries: ParquetQueries, rows: Source, columns: Sequence[Sampled]) -> dict[str, _Shape]:
    """Two passes over the rows: one aggregate, and one that counts the values of columns with few."""
    few_rows = few_of(queries, rows, min(FEW_ROWS, FEW_CELLS // len(columns)))
    values = counted(queries, few_rows, columns)
    whole = rows.rows > few_rows.rows
    few_values = few_rows.rows * FEW_VALUES_SHARE
    many = [column for column in columns if whole and values[column.name].distinct > few_values]
    few = [column for column in columns if column not in many]
    mean_terms, about_terms, often_terms = means(columns), about_distinct(many), frequent(many, few_rows, values)
    terms = [*mean_terms.values(), *about_terms.values(), *often_terms.values()]
    results = iter(aggregate(queries, rows, terms))
    mean = {name: next(results) for name in mean_terms}
    about = {name: min(int(next(results) or 0), rows.rows) for name in about_terms}
    often = [(name, TopValue(value, int(next(results) or 0))) for name, value in often_terms]
    values = counted(queries, rows, few) if whole else values
    shapes = {name: _Shape(mean.get(name), found.distinct, found.top, True) for name, found in values.items()}
    for name, distinct in about.items():
        top = sorted((value for owner, value in often if owner == name), key=lambda value: -value.rows)
        shapes[name] = _Shape(mean.get(name), distinct, tuple(top), False)
    return shapes


def _completed(
    queries: ParquetQueries, files: Sequence[WrittenFile], footers: Sequence[ColumnFooter]
) -> tuple[ColumnFooter, ...]:
    """Read the columns whose footers do not tell all: nested ones, and bounds of long texts."""
    open_footers = [footer for footer in footers if footer.nulls is None or not footer.bounds_known]
    if not open_footers:
        return tuple(footers)
    terms = []
    for footer in open_footers:
        name = quoted(footer.name)
        valid = f" FILTER (NOT isnan({name}))" if footer.type == "double" else ""
        low, high = (f"{end}({name}){valid}" if footer.ordered else "NULL" for end in ("min", "max"))
        terms.append(f"count(*) - count({name}), {low}, {high}")
    row = iter(queries.rows(f"SELECT {', '.join(terms)} FROM {queries.files([file.path for file in files])}")[0])
    found = {}
    for footer in open_footers:
        nulls, smallest, largest = next(row), cast("Bound | None", next(row)), cast("Bound | None", next(row))
        found[footer.name] = replace(footer, nulls=int(str(nulls)), minimum=smallest, maximum=largest)
    return tuple(found.get(footer.name, footer) for footer in footers)


def _column_profile(footer: ColumnFooter, rows: int, looked_at: int, shape: _Shape) -> ColumnProfile:
    return ColumnProfile(
        column=footer.name,
        type=footer.type,
        rows=rows,
        nulls=footer.nulls or 0,
        minimum=_shown(footer.minimum),
        maximum=_shown(footer.maximum),
        distinct=shape.distinct,
        mean=shape.mean,
        top_values=tuple(TopValue(_cut(top.value), top.rows) for top in shape.top),
        profiled_rows=looked_at,
        exact=shape.counted and looked_at == rows,
    )


def _shown(value: Bound | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
