"""What a check must offer, and what it is given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from cloud_etl.domain.spec import CheckSpec
from cloud_etl.engines.marked_frame import Fate

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from cloud_etl.domain.ledger import Status
    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.schema import ColumnType
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.quality.history import BatchHistory


@dataclass(frozen=True, slots=True)
class GateContext:
    """What the gate may use beside its frame.

    Attributes:
        references: frames that `references` checks name: a pipeline's output, or a table.
        work: where the engine writes, and reads again, what lies between its jobs; the run removes it.
    """

    session: SparkSession
    run: RunContext
    references: Mapping[str, DataFrame]
    work: WorkPath


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a check demands of each row.

    Attributes:
        label: stable name in ledger, quarantine and report.
        demand: what is wanted of a row, for people, without row values: `customer_id is not null`.
    """

    label: str
    columns: tuple[str, ...]
    demand: str

    def fate(self, status: Status) -> Fate:
        """What becomes of a row that fails it."""
        return Fate(self.label, status, self.label, self.columns[0] if len(self.columns) == 1 else None, self.demand)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame on which the rules of a check can be evaluated.

    Attributes:
        frame: the rows as they came, none more and none less; may hold further columns.
        failing: one condition per rule, true for rows that fail it; null counts as passed.
        added: columns of the frame that the check brought along and that must go again.
    """

    frame: DataFrame
    failing: tuple[Column, ...]
    added: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What a check on the whole batch is judged by.

    Attributes:
        rows: accepted rows.
        nulls: nulls of each column among them.
        measured: value of the check's own `measure`, None without one.
        history: earlier batches, the newest first.
    """

    run: RunContext
    rows: int
    nulls: Mapping[str, int]
    measured: object
    history: Sequence[BatchHistory]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a batch holds a condition; the message gives what was seen against what was wanted."""

    passed: bool
    message: str


class Check(CheckSpec):
    """A check of either sort; subclasses with a `kind` can be named in pipeline files."""

    @property
    def columns_used(self) -> tuple[str, ...]:
        """Columns that must be in the frame, those inside `expressions` left out."""
        return ()

    @property
    def expressions(self) -> tuple[str, ...]:
        """Boolean expressions in Spark SQL that name columns of the frame."""
        return ()

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the pipelines, outputs or tables this check reads."""
        return ()

    def type_problems(self, types: Mapping[str, ColumnType | None]) -> tuple[str, ...]:
        """What does not fit the types of the columns; types that are not known pass."""
        return ()


class RowCheck(Check):
    """A check that each row passes or fails."""

    @property
    @abstractmethod
    def rules(self) -> tuple[Rule, ...]:
        """What is demanded of each row, in the order of `Prepared.failing`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the rules."""
        return tuple(rule.label for rule in self.rules)

    @abstractmethod
    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """Give conditions that are true for the rows that fail; only rows still in are asked about.

        Raises:
            ConfigError: the check does not fit the frame.
        """

    def proven_by(self, marked: MarkedFrame) -> bool:
        """Whether the steps before have proven that no row can fail."""
        return False


class ComparingCheck(RowCheck):
    """A row check that compares rows with one another, so that one condition on the row cannot tell who fails."""

    @abstractmethod
    def count_failed(self, accepted: MarkedFrame) -> int:
        """Count the failing rows of a written frame."""


def _no_row_to_reject(value: object) -> object:
    if value == "reject":
        raise ValueError("this check is about the whole batch and has no row to reject: write fail or warn")
    return value


class BatchCheck(Check):
    """A check that the batch as a whole passes or fails."""

    on_fail: Annotated[Literal["warn", "fail"], BeforeValidator(_no_row_to_reject)] = Field(
        "fail", description="warn, or fail the run; there is no row to reject."
    )

    def measure(self) -> Column | None:
        """Aggregate over the accepted rows that `judge` needs, if any."""
        return None

    @abstractmethod
    def judge(self, facts: BatchFacts) -> Verdict:
        """Compare the batch with what is wanted."""
