"""Named business rules: filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import Fate
from cloud_etl.engines.sql.integers import checked_arithmetic
from cloud_etl.engines.sql.readable import readable
from cloud_etl.transform.columns import Columns, config_error
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext


class Filter(Step):
    """Keep the rows for which every rule is true; false and unknown (null) take a row out.

    Status filtered, reason: the rule's name. A row that breaks several is counted for the first of them.
    """

    kind: ClassVar[str] = "filter"
    wrap: ClassVar[str] = "rules"
    rules: Mapping[str, str] = Field(min_length=1, description="Name of the rule: predicate in Spark SQL.")

    @property
    def expressions(self) -> tuple[str, ...]:
        """The predicates."""
        return tuple(self.rules.values())

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Mark the rows; a predicate is not evaluated for rows that are out already."""
        from pyspark.sql import functions as F

        for name, predicate in self.rules.items():
            label = f"{self.label}.{name}"
            with analysis_errors(label, frame.columns):
                predicate = readable(frame.frame.sparkSession, predicate, label)
                kind = frame.frame.select(F.expr(predicate)).dtypes[0][1]
            if kind != "boolean":
                raise config_error(f"{label}: {predicate!r} is of type {kind}, not true or false")
            value = checked_arithmetic(frame.frame, predicate, label)
            frame = frame.probing(label, value)
            kept = F.coalesce(value, F.lit(False))
            frame = frame.mark(~kept, Fate(self.label, "filtered", name))
        return frame

    def columns_after(self, columns: Columns) -> Columns:
        """The same columns."""
        return columns
