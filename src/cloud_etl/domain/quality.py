"""What the quality gate found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OnFail = Literal["reject", "warn", "fail"]
TooLong = Literal["reject", "cut", "fail"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        name: stable name, `<kind>.<column>` or the name given in the pipeline file.
        rows_checked: rows the check looked at; None for checks on the whole batch.
        rows_failed: rows that failed it; None where the check is not about rows.
        passed: True when no row failed, or the batch held the condition.
        message: what was seen against what was wanted, without row values.
    """

    name: str
    kind: str
    on_fail: OnFail
    columns: tuple[str, ...]
    rows_checked: int | None
    rows_failed: int | None
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class TopValue:
    """A frequent value, as text, and how often it stands in the profiled rows."""

    value: str
    rows: int


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Shape of one published column.

    Attributes:
        nulls: exact, from the Parquet footers.
        minimum, maximum: exact, as text; None where the column is all null or has no order.
        distinct, mean, top_values: over `profiled_rows` rows; exact when these are all rows and exact is True.
    """

    column: str
    type: str
    rows: int
    nulls: int
    minimum: str | None
    maximum: str | None
    distinct: int | None
    mean: float | None
    top_values: tuple[TopValue, ...]
    profiled_rows: int
    exact: bool


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The gate's verdict on one batch.

    Attributes:
        score: DataQualityScore, 0..100; None when the batch held no record.
        refusals: why the batch must not be published; empty when it may.
    """

    score: float | None
    checks: tuple[CheckResult, ...]
    profile: tuple[ColumnProfile, ...]
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]
