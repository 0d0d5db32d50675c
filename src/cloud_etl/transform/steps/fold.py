"""Fold the rows on the way: aggregate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloud_etl.domain.schema import ROW_ID
from cloud_etl.domain.spec import AggregateSpec
from cloud_etl.engines.marked_frame import FATE
from cloud_etl.transform.aggregation import folded, refuse_metric_names
from cloud_etl.transform.columns import Columns, require
from cloud_etl.transform.port import Step
from cloud_etl.transform.rebuilt import rebuilt

if TYPE_CHECKING:
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext


class Aggregate(Step):
    """Go on with one row per group. Rows before and after stand in the ledger; a group has no line of its own.

    To publish an aggregate beside the rows, use `aggregate` of an output instead.
    """

    kind: ClassVar[str] = "aggregate"
    group_by: tuple[str, ...] = Field(description="Columns of the groups.")
    metrics: Mapping[str, str] = Field(min_length=1, description="New column: aggregate expression in Spark SQL.")

    @property
    def barrier(self) -> bool:
        """Always."""
        return True

    @property
    def expressions(self) -> tuple[str, ...]:
        """The metrics."""
        return tuple(self.metrics.values())

    @property
    def _spec(self) -> AggregateSpec:
        return AggregateSpec(group_by=self.group_by, metrics=self.metrics)

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Fold the rows still in."""
        return rebuilt(folded(frame.frame.drop(FATE, ROW_ID), self._spec, self.label), self.label)

    def columns_after(self, columns: Columns) -> Columns:
        """Groups with their types, metrics with types unknown."""
        require(self.group_by, columns, self.label)
        refuse_metric_names(self._spec, self.label)
        return {**{name: columns[name] for name in self.group_by}, **dict.fromkeys(self.metrics)}
