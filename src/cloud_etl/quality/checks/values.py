"""Checks on the values of a column: not_null, range, in_set, pattern."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from cloud_etl.engines.marked_frame import column, compared
from cloud_etl.errors import ConfigError, Problem
from cloud_etl.quality.columns import require
from cloud_etl.quality.literals import Value, constant, kind_of, literal
from cloud_etl.quality.port import GateContext, Prepared, RowCheck, Rule
from cloud_etl.quality.regex.portable import portable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from cloud_etl.domain.schema import ColumnType, Kind
    from cloud_etl.engines.marked_frame import MarkedFrame


class NotNull(RowCheck):
    """Each row has a value in these columns. Without a name, each column is a check of its own."""

    kind: ClassVar[str] = "not_null"
    columns: tuple[str, ...] = Field(min_length=1, description="Columns that must have a value.")

    @property
    def columns_used(self) -> tuple[str, ...]:
        """The columns that must have a value."""
        return self.columns

    @property
    def rules(self) -> tuple[Rule, ...]:
        """One rule per column, or one for all of them under the given name."""
        if self.name:
            return (Rule(self.name, self.columns, f"{', '.join(self.columns)} not null"),)
        return tuple(Rule(f"{self.kind}.{name}", (name,), f"{name} not null") for name in self.columns)

    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """Conditions that are true for nulls."""
        require(marked.frame, self.columns, self.rules[0].label)
        failing = (reduce(or_, (column(name).isNull() for name in rule.columns)) for rule in self.rules)
        return Prepared(marked.frame, tuple(failing))


class _ColumnCheck(RowCheck):
    """A check on the values of one column; nulls pass."""

    column: str = Field(description="Column to look at; a row without a value passes, not_null is for those.")

    @property
    def columns_used(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def label(self) -> str:
        """The given name, else kind and column."""
        return self.name or f"{self.kind}.{self.column}"

    def _kind(self, frame: DataFrame) -> Kind | None:
        require(frame, self.columns_used, self.label)
        return kind_of(frame.schema[self.column].dataType)

    def _constants(self, frame: DataFrame, values: tuple[Value, ...]) -> list[Column]:
        require(frame, self.columns_used, self.label)
        data_type = frame.schema[self.column].dataType
        try:
            return [literal(value, data_type) for value in values]
        except ValueError as error:
            raise ConfigError([Problem(f"check {self.label}: {error}")]) from error

    def _value_problems(self, types: Mapping[str, ColumnType | None], values: tuple[Value, ...]) -> Iterator[str]:
        found = types.get(self.column)
        if found is None:
            return
        for value in values:
            try:
                constant(value, found.kind)
            except ValueError as error:
                yield f"check {self.label}: {error}"


class Range(_ColumnCheck):
    """The value lies between two bounds. NaN lies nowhere and fails; text is compared by its bytes."""

    kind: ClassVar[str] = "range"
    min: Value | None = Field(None, description="Lowest value allowed.")
    max: Value | None = Field(None, description="Highest value allowed.")
    exclusive: bool | Literal["min", "max"] = Field(
        False, description="Whether the bounds themselves fail too: true, or only min or max."
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not self._bounds:
            raise ValueError("range needs min or max")
        if isinstance(self.min, int | float) and isinstance(self.max, int | float) and self.min > self.max:
            raise ValueError(f"range: min {self.min} is above max {self.max}")
        return self

    @property
    def _bounds(self) -> tuple[Value, ...]:
        return tuple(bound for bound in (self.min, self.max) if bound is not None)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """One rule."""
        above, below = (">" if self.exclusive in (True, end) else ">=" for end in ("min", "max"))
        wanted = [f"{sign} {bound}" for sign, bound in ((above, self.min), (below.replace(">", "<"), self.max))
                  if bound is not None]  # fmt: skip
        return (Rule(self.label, (self.column,), f"{self.column} {' and '.join(wanted)}"),)

    def type_problems(self, types: Mapping[str, ColumnType | None]) -> tuple[str, ...]:
        """Bounds that are not of the column's type."""
        return tuple(self._value_problems(types, self._bounds))

    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """A condition that is true outside the bounds."""
        from pyspark.sql import functions as F

        value, failing = column(self.column), F.lit(False)
        for bound in self._constants(marked.frame, () if self.min is None else (self.min,)):
            failing |= (value <= bound) if self.exclusive in (True, "min") else (value < bound)
        for bound in self._constants(marked.frame, () if self.max is None else (self.max,)):
            failing |= (value >= bound) if self.exclusive in (True, "max") else (value > bound)
        if self._kind(marked.frame) == "double":
            failing |= F.isnan(value)
        return Prepared(marked.frame, (failing,))


class InSet(_ColumnCheck):
    """The value is one of a list."""

    kind: ClassVar[str] = "in_set"
    values: tuple[Value, ...] = Field(min_length=1, description="All values allowed.")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """One rule."""
        shown = ", ".join(map(str, self.values[:10])) + (", ..." if len(self.values) > 10 else "")
        return (Rule(self.label, (self.column,), f"{self.column} one of {shown}"),)

    def type_problems(self, types: Mapping[str, ColumnType | None]) -> tuple[str, ...]:
        """Values that are not of the column's type."""
        return tuple(self._value_problems(types, self.values))

    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """A condition that is true for other values."""
        allowed = self._constants(marked.frame, self.values)
        return Prepared(marked.frame, (~compared(marked.frame, self.column).isin(allowed),))


class Pattern(_ColumnCheck):
    r"""The whole text matches a regular expression, from its first to its last character.

    It has the meaning of Python's `re.fullmatch(regex, text, re.ASCII)` on every engine: `\d` is 0-9, `$` is the end
    and not the place before a last line feed. Look-around, back references and \b are refused, and so is a pattern that
    Spark could match without end: a repeat in a repeat that reads the same text, five such repeats in a row, or one
    that is very large when its repeats are written out.
    """

    kind: ClassVar[str] = "pattern"
    regex: str = Field(description="Regular expression for the whole text.")

    @field_validator("regex")
    @classmethod
    def _readable(cls, value: str) -> str:
        portable(value)
        return value

    @property
    def rules(self) -> tuple[Rule, ...]:
        """One rule."""
        return (Rule(self.label, (self.column,), f"{self.column} like {self.regex}"),)

    def type_problems(self, types: Mapping[str, ColumnType | None]) -> tuple[str, ...]:
        """A column that holds no text."""
        found = types.get(self.column)
        return () if found is None or found.kind in ("string", "json") else (self._not_text(str(found)),)

    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """A condition that is true for texts that do not match."""
        kind = self._kind(marked.frame)
        if kind != "string":
            raise ConfigError([Problem(self._not_text(str(kind)))])
        return Prepared(marked.frame, (~column(self.column).rlike(portable(self.regex)),))

    def _not_text(self, found: str) -> str:
        return f"check {self.label}: {self.column} is of type {found}, a pattern needs text; cast it in transform"
