"""Checks on the batch as a whole: row_count, freshness."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from cloud_etl.engines.marked_frame import column
from cloud_etl.quality.port import BatchCheck, BatchFacts, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column

    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.schema import ColumnType

_SPAN = re.compile(r"(\d+)\s*(minute|hour|day|week)s?")


class RowCount(BatchCheck):
    """The number of accepted rows lies between two bounds, both allowed.

    Where an output has `load.mode: replace` and no row_count names a `min`, at least 1 is wanted: a header without
    records, or a batch of which nothing came through, would empty the table. `row_count: {min: 0}` allows that.
    """

    kind: ClassVar[str] = "row_count"
    min: int | None = Field(None, ge=0, description="Fewest rows allowed.")
    max: int | None = Field(None, ge=0, description="Most rows allowed.")
    _hint: str = PrivateAttr("")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("row_count needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"row_count: min {self.min} is above max {self.max}")
        return self

    @classmethod
    def keeping(cls, replaced: Sequence[str]) -> RowCount:
        """At least one row: the check of pipelines whose batches take the place of all rows of tables."""
        check = cls(min=1, name="row_count.replace")
        check._hint = (
            f"mode replace would leave {' and '.join(replaced)} without a row. Where that is meant, write "
            "`row_count: {min: 0}` in quality.checks"
        )
        return check

    def judge(self, facts: BatchFacts) -> Verdict:
        """Compare the rows in the footers with the bounds."""
        wanted = [
            f"{word} {bound:,}" for word, bound in (("at least", self.min), ("at most", self.max)) if bound is not None
        ]
        low = self.min is not None and facts.rows < self.min
        high = self.max is not None and facts.rows > self.max
        why = f": {self._hint}" if low and self._hint else ""
        return Verdict(not (low or high), f"{facts.rows:,} rows, wanted {' and '.join(wanted)}{why}")


def _span(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    found = _SPAN.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if not found:
        raise ValueError("write a time span such as 30 minutes, 12 hours, 2 days or 1 week")
    return timedelta(**{f"{found[2]}s": int(found[1])})


Span = Annotated[
    timedelta,
    BeforeValidator(
        _span, json_schema_input_type=Annotated[str, Field(pattern=r"^\s*\d+\s*(minute|hour|day|week)s?\s*$")]
    ),
]


class Freshness(BatchCheck):
    """The newest value of a date or timestamp is not older than a time span before the run.

    The age is counted back from the start of the run, or from the end of the run's date when that lies in the past
    (`--date`). A date counts as its last moment. A batch without any value is not fresh.
    """

    kind: ClassVar[str] = "freshness"
    column: str = Field(description="Date or timestamp (UTC) that tells a row's age.")
    within: Span = Field(description="Oldest age allowed: 30 minutes, 12 hours, 2 days, 1 week.")

    @property
    def columns_used(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def label(self) -> str:
        """The given name, else kind and column."""
        return self.name or f"{self.kind}.{self.column}"

    def type_problems(self, types: Mapping[str, ColumnType | None]) -> tuple[str, ...]:
        """A column that is neither a date nor a timestamp."""
        found = types.get(self.column)
        if found is None or found.kind in ("date", "timestamp"):
            return ()
        return (f"check {self.label}: {self.column} is of type {found}, freshness needs a date or a timestamp",)

    def measure(self) -> Column:
        """The newest value; the cast gives one meaning to timestamps with and without a zone."""
        from pyspark.sql import functions as F

        return F.max(column(self.column)).cast("string")

    def judge(self, facts: BatchFacts) -> Verdict:
        """Compare the age of the newest value with the span."""
        wanted = f"wanted within {_words(self.within)}"
        if not isinstance(facts.measured, str):
            return Verdict(False, f"no row has a value in {self.column}, {wanted}")
        try:
            age = max(_now(facts.run) - _moment(facts.measured), timedelta())
        except (ValueError, OverflowError):
            return Verdict(False, f"the newest {self.column} lies beyond the year 9999, {wanted}")
        return Verdict(age <= self.within, f"newest {self.column} is {_words(age)} old, {wanted}")


def _now(run: RunContext) -> datetime:
    started = run.started_at.astimezone(UTC)
    end_of_date = datetime.combine(run.run_date + timedelta(days=1), time(), UTC)
    return min(started, end_of_date)


def _moment(text: str) -> datetime:
    if len(text) == len("2024-12-31"):
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    parts = ((minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute"))
    words = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(words[:2]) or "0 minutes"
