"""Steps that make columns: derive and date_parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from cloud_etl.domain.schema import ColumnType
from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import column
from cloud_etl.engines.sql.integers import checked_arithmetic
from cloud_etl.engines.sql.readable import readable
from cloud_etl.transform.columns import Columns, checked, config_error, refuse_reserved, refuse_twins, require
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from pyspark.sql import Column

    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext

Part = Literal["date", "year", "quarter", "month", "week", "day", "weekday", "day_of_year", "hour", "minute", "second"]
_INTEGER = ColumnType("integer")


class Derive(Step):
    """Make columns from expressions, or replace columns; each sees those before it.

    Rows that are out already are not computed: they get NULL, or keep the value of a column that is replaced
    by one of the same type.
    """

    kind: ClassVar[str] = "derive"
    wrap: ClassVar[str] = "values"
    values: Mapping[str, str] = Field(min_length=1, description="Column: expression in Spark SQL.")

    @property
    def expressions(self) -> tuple[str, ...]:
        """The expressions."""
        return tuple(self.values.values())

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Add the columns."""
        for name, expression in self.values.items():
            frame = _derived(frame, name, expression, f"{self.label}.{name}")
        return frame

    def columns_after(self, columns: Columns) -> Columns:
        """The columns and the new ones; a new one's type is known where the expression is one cast or one column."""
        refuse_reserved(self.values, self.label)
        after = dict(columns)
        for name, expression in self.values.items():
            after[name] = _type_of(expression, after)
        refuse_twins(after, self.label)
        return after


class DateParts(Step):
    """Take a date or timestamp apart into columns named `<of>_<part>`.

    Weeks and weekdays are those of ISO 8601: Monday is 1, week 1 holds the year's first Thursday.
    """

    kind: ClassVar[str] = "date_parts"
    of: str = Field(description="The date or timestamp column.")
    parts: tuple[Part, ...] = Field(min_length=1, description="What to take from it; all in UTC.")

    @field_validator("parts")
    @classmethod
    def _once(cls, value: tuple[Part, ...]) -> tuple[Part, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a part is named twice")
        return value

    @property
    def _names(self) -> dict[Part, str]:
        return {part: f"{self.of}_{part}" for part in self.parts}

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Add the columns."""
        checked(frame, [self.of], self.label)
        kind = dict(frame.frame.dtypes)[self.of]
        if kind not in ("date", "timestamp", "timestamp_ntz"):
            raise config_error(f"{self.label}: column {self.of!r} is of type {kind}, not date or timestamp")
        parts = {name: _part(part, column(self.of)) for part, name in self._names.items()}
        return frame.changed(frame.frame.withColumns(parts), parts)

    def columns_after(self, columns: Columns) -> Columns:
        """The columns and one per part."""
        require([self.of], columns, self.label)
        kind = columns[self.of]
        if kind is not None and kind.kind not in ("date", "timestamp"):
            raise ValueError(f"{self.label}: column {self.of!r} is of type {kind}, not date or timestamp")
        refuse_reserved(self._names.values(), self.label)
        for name in self._names.values():
            if name in columns:
                raise ValueError(f"{self.label}: there is a column {name!r} already; rename or drop it before")
        types = {name: ColumnType("date") if part == "date" else _INTEGER for part, name in self._names.items()}
        return {**columns, **types}


def _derived(frame: MarkedFrame, name: str, expression: str, label: str) -> MarkedFrame:
    from pyspark.sql import functions as F

    types = dict(frame.frame.dtypes)
    with analysis_errors(label, frame.columns):
        expression = readable(frame.frame.sparkSession, expression, label)
        kind = frame.frame.select(F.expr(expression)).dtypes[0][1]
    if kind == "void":
        raise config_error(f"{label}: {expression!r} has no type; write cast(null as ...)")
    value = checked_arithmetic(frame.frame, expression, label)
    kind = frame.frame.select(value).dtypes[0][1]
    frame = frame.probing(label, value)
    old = column(name) if types.get(name) == kind else F.lit(None).cast(kind)
    changed = frame.frame.withColumn(name, F.when(frame.alive, value).otherwise(old))
    return frame.changed(changed, [name])


def _part(part: Part, moment: Column) -> Column:
    from pyspark.sql import functions as F

    if part == "date":
        return moment.cast("date")
    functions = {
        "year": F.year, "quarter": F.quarter, "month": F.month, "week": F.weekofyear, "day": F.dayofmonth,
        "day_of_year": F.dayofyear, "hour": F.hour, "minute": F.minute, "second": F.second,
    }  # fmt: skip
    # Not by `weekday`, which is -1 for Sunday on Sail.
    value = (F.dayofweek(moment) + 5) % 7 + 1 if part == "weekday" else functions[part](moment)
    return value.cast("int")


def _type_of(expression: str, columns: Columns) -> ColumnType | None:
    """Type of an expression that is one cast or one column; None for others."""
    import sqlglot
    from sqlglot import errors, exp

    try:
        tree = sqlglot.parse_one(expression, read="spark", into=exp.Condition)
    except (errors.SqlglotError, RecursionError):
        # What is wrong with it is said where expressions are checked.
        return None
    if isinstance(tree, exp.Column) and not tree.table:
        return columns.get(tree.name)
    if not isinstance(tree, exp.Cast):
        return None
    words = {"int": "integer", "long": "bigint", "text": "string", "bool": "boolean", "numeric": "decimal"}
    text = tree.to.sql("spark").lower().replace(" ", "")
    try:
        return ColumnType.parse(words.get(text, text))
    except ValueError:
        return None
