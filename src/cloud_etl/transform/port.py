"""What a step must offer, and what it is given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.spec import StepSpec

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.schema import ColumnType
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import MarkedFrame


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step may use beside its frame.

    Attributes:
        references: frames that joins and references may name: a pipeline's output, or a table.
        work: where the engine writes, and reads again, what lies between its jobs; the run removes it.
        project: root of the project, from which python steps are imported.
    """

    session: SparkSession
    run: RunContext
    references: Mapping[str, DataFrame]
    work: WorkPath
    project: Path


class Step(StepSpec):
    """A step on a marked frame. Subclasses set `kind`; they mark rows, never drop them.

    `barrier` is True for steps that may change the number of rows (sql, python, aggregate, a join that may fan out):
    the transformer then writes the frame, counts it, and gives the step the accepted rows only.
    """

    @property
    def barrier(self) -> bool:
        """Whether rows must be counted before and after."""
        return False

    @abstractmethod
    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Give the frame after this step; lazy unless the step needs an action of its own."""

    @abstractmethod
    def columns_after(self, columns: Mapping[str, ColumnType | None]) -> Mapping[str, ColumnType | None] | None:
        """Columns after this step (type None where it cannot be told); None where they cannot be told at all.

        Raises:
            ValueError: the step names a column that is not there; the message has a "did you mean".
        """

    @property
    def expressions(self) -> tuple[str, ...]:
        """Expressions in Spark SQL over the columns before this step and those it makes; for the static check."""
        return ()

    @property
    def queries(self) -> tuple[str, ...]:
        """Queries in Spark SQL over the rows before this step."""
        return ()

    @property
    def runs_code(self) -> bool:
        """Whether applying it runs code of the project, which `validate` does only when it is told to."""
        return False

    def code_problems(self, project: Path) -> tuple[str, ...]:
        """What the text of the project's code tells against this step; none of it is run."""
        return ()

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the pipelines, outputs or tables this step reads."""
        return ()
