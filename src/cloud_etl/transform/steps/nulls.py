"""Steps on missing values: drop_nulls and fill_nulls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import Fate, column
from cloud_etl.transform.columns import Columns, checked, refuse_reserved, require
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from cloud_etl.domain.schema import ColumnType
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext

Value = str | int | float | bool


class DropNulls(Step):
    """Take out rows without a value in one of the columns.

    Status null_dropped, reason `drop_nulls.<column>`; a row that lacks several is counted for the first of them.
    """

    kind: ClassVar[str] = "drop_nulls"
    wrap: ClassVar[str] = "columns"
    columns: tuple[str, ...] = Field(min_length=1, description="Columns that must have a value.")

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Mark the rows."""
        checked(frame, self.columns, self.label)
        for name in self.columns:
            frame = frame.mark(column(name).isNull(), Fate(self.label, "null_dropped", f"{self.kind}.{name}"))
        return frame

    def columns_after(self, columns: Columns) -> Columns:
        """The same columns."""
        require(self.columns, columns, self.label)
        return columns


class FillNulls(Step):
    """Put a value where there is none. No row is taken out."""

    kind: ClassVar[str] = "fill_nulls"
    wrap: ClassVar[str] = "values"
    values: Mapping[str, Value] = Field(min_length=1, description="Column: the value it gets; it must fit its type.")

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Fill the columns; the value is cast to the column's type once, when the step is analysed."""
        from pyspark.sql import functions as F

        checked(frame, self.values, self.label)
        types = dict(frame.frame.dtypes)
        filled = {name: F.coalesce(column(name), F.lit(value).cast(types[name])) for name, value in self.values.items()}
        with analysis_errors(self.label, frame.columns):
            changed = frame.frame.withColumns(filled)
            _ = changed.schema
        return frame.changed(changed, self.values)

    def columns_after(self, columns: Columns) -> Columns:
        """The same columns."""
        require(self.values, columns, self.label)
        refuse_reserved(self.values, self.label)
        for name, value in self.values.items():
            kind = columns[name]
            if kind is not None and not _fits(value, kind):
                raise ValueError(f"{self.label}: {value!r} does not fit column {name!r} of type {kind}")
        return columns


def _fits(value: Value, kind: ColumnType) -> bool:
    if isinstance(value, bool) or kind.kind == "boolean":
        return isinstance(value, bool) and kind.kind == "boolean"
    if isinstance(value, str):
        return _fits_text(value, kind)
    if not isfinite(value):
        return kind.kind == "double"
    if kind.kind in ("integer", "bigint"):
        limit = 2 ** (31 if kind.kind == "integer" else 63)
        return value == int(value) and -limit <= value < limit
    if kind.kind == "decimal":
        number = Decimal(str(value))
        return abs(number) < 10 ** (kind.precision - kind.scale) and number == round(number, kind.scale)
    return kind.kind == "double"


def _fits_text(value: str, kind: ColumnType) -> bool:
    try:
        if kind.kind == "date":
            date.fromisoformat(value)
        elif kind.kind == "timestamp":
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return kind.kind in ("string", "json", "date", "timestamp")
