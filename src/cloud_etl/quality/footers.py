"""Column statistics from the footers of Parquet files: exact, and free of any scan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import LINEAGE, REFUSED
from cloud_etl.storage.parquet_footers import footer, footers

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cloud_etl.domain.work_path import WorkPath

# Writers cut texts in statistics to 64 bytes, at a whole character; the highest one is then no value of the column.
CUT_BYTES = 61
Bound = bool | int | float | Decimal | date | datetime | str


@dataclass(slots=True)
class ColumnFooter:
    """What the footers of all files say of one column.

    Attributes:
        type: in the words of the contract where it has one.
        nulls: None where a footer does not tell.
        minimum, maximum: over all files; NaN left out; None where the column has no value or no order.
        bounds_known: False where a footer does not tell the bounds, or only cut ones.
    """

    name: str
    type: str
    ordered: bool
    nulls: int | None = 0
    minimum: Bound | None = None
    maximum: Bound | None = None
    bounds_known: bool = True

    def add(self, rows: int, statistics: pq.Statistics | None) -> None:
        """Take in one row group."""
        nulls = statistics.null_count if statistics is not None and statistics.has_null_count else None
        self.nulls = None if self.nulls is None or nulls is None else self.nulls + nulls
        if not self.ordered or nulls == rows:
            return
        low, high = _bounds(statistics)
        if low is None or high is None:
            self.bounds_known = False
            return
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)


def read_footers(paths: Sequence[WorkPath]) -> tuple[ColumnFooter, ...]:
    """Sum up the footers of files with one schema; lineage columns are left out."""
    columns: dict[str, ColumnFooter] = {}
    for metadata in footers(paths):
        for field in metadata.schema.to_arrow_schema():
            if field.name not in LINEAGE:
                columns.setdefault(field.name, _column(field))
        for name, rows, statistics in _row_groups(metadata):
            if name in columns:
                columns[name].add(rows, statistics)
    return tuple(columns.values())


def columns_of(path: WorkPath) -> tuple[tuple[str, str], ...]:
    """Name and type (in the contract's words) of each column of a file; of lineage, what a cast refused alone."""
    fields = footer(path).schema.to_arrow_schema()
    left_out = set(LINEAGE) - {REFUSED}
    return tuple((field.name, contract_type(field.type)) for field in fields if field.name not in left_out)


def contract_type(arrow_type: pa.DataType) -> str:
    """An Arrow type in the words of the contract, or its own name where the contract has none."""
    import pyarrow as pa

    if pa.types.is_decimal(arrow_type):
        return f"decimal({arrow_type.precision},{arrow_type.scale})"
    if pa.types.is_timestamp(arrow_type):
        return "timestamp"
    words = {
        "string": "string", "large_string": "string", "string_view": "string", "int8": "integer", "int16": "integer",
        "int32": "integer", "int64": "bigint", "float": "double", "double": "double", "bool": "boolean",
        "date32[day]": "date",
    }  # fmt: skip
    return words.get(str(arrow_type), str(arrow_type))


def _column(field: pa.Field) -> ColumnFooter:
    import pyarrow as pa

    if pa.types.is_nested(field.type):
        # The footer counts the leaves of a list or struct, not the column itself.
        return ColumnFooter(field.name, contract_type(field.type), ordered=False, nulls=None)
    return ColumnFooter(field.name, contract_type(field.type), ordered=not pa.types.is_binary(field.type))


def _row_groups(metadata: pq.FileMetaData) -> Iterator[tuple[str, int, pq.Statistics | None]]:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            yield column.path_in_schema, group.num_rows, column.statistics


def _bounds(statistics: pq.Statistics | None) -> tuple[Bound | None, Bound | None]:
    """Both ends of a row group; None where they are not told, may be cut, are NaN, or no date that Python has."""
    if statistics is None or not statistics.has_min_max:
        return None, None
    try:
        low, high = _bound(statistics.min), _bound(statistics.max)
    except (OverflowError, ValueError, NotImplementedError):
        # Days beyond Python's, and types whose statistics pyarrow does not read.
        return None, None
    unfit = any(isinstance(end, str) and len(end.encode()) >= CUT_BYTES for end in (low, high)) or high != high
    return (None, None) if unfit else (low, high)


def _bound(value: Bound) -> Bound:
    if isinstance(value, float):
        return value + 0.0  # writers give -0.0 as the lowest zero
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return value
