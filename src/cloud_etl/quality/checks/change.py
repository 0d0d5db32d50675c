"""Checks against the last runs of the same pipeline: volume_change, null_share_change."""

from __future__ import annotations

from statistics import fmean, median
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from cloud_etl.quality.port import BatchCheck, BatchFacts, Verdict

_NO_HISTORY = "no earlier run to compare with"


def _share(value: object) -> object:
    if isinstance(value, str):
        try:
            return float(value.strip().removesuffix("%")) / (100 if value.strip().endswith("%") else 1)
        except ValueError:
            raise ValueError("write a share such as 50% or 0.5") from None
    return value


Share = Annotated[
    float,
    BeforeValidator(_share, json_schema_input_type=float | Annotated[str, Field(pattern=r"^\s*[0-9.]+\s*%\s*$")]),
]


class VolumeChange(BatchCheck):
    """The number of accepted rows is near the median of the last runs. The first run passes."""

    kind: ClassVar[str] = "volume_change"
    max_change: Share = Field(gt=0, description="Largest change allowed, as a share of the median: 50% or 0.5.")
    runs: int = Field(5, ge=1, description="How many earlier runs to compare with.")

    def judge(self, facts: BatchFacts) -> Verdict:
        """Compare the rows with the median of earlier runs."""
        earlier = [batch.rows for batch in facts.history[: self.runs]]
        if not earlier:
            return Verdict(True, _NO_HISTORY)
        usual = median(earlier)
        passed = abs(facts.rows - usual) <= round(self.max_change * usual, 6)
        change = f"{(facts.rows - usual) / usual:+.1%}" if usual else f"{facts.rows:+,} rows"
        seen = f"{facts.rows:,} rows, {change} against the median of the last {_runs(len(earlier))} ({usual:,.0f})"
        return Verdict(passed, f"{seen}, wanted within {self.max_change:.1%}")


class NullShareChange(BatchCheck):
    """The share of nulls in a column is near its mean over the last runs. The first run passes."""

    kind: ClassVar[str] = "null_share_change"
    column: str = Field(description="Column whose nulls are counted.")
    max_change: Share = Field(ge=0, le=1, description="Largest difference allowed, in points of the share: 5% or 0.05.")
    runs: int = Field(5, ge=1, description="How many earlier runs to compare with.")

    @property
    def columns_used(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def label(self) -> str:
        """The given name, else kind and column."""
        return self.name or f"{self.kind}.{self.column}"

    def judge(self, facts: BatchFacts) -> Verdict:
        """Compare the share of nulls with the mean share of earlier runs."""
        shares = [batch.null_share(self.column) for batch in facts.history[: self.runs]]
        earlier = [share for share in shares if share is not None]
        nulls = facts.nulls.get(self.column)
        if not earlier or nulls is None or not facts.rows:
            return Verdict(True, _NO_HISTORY if facts.rows else "no row to look at")
        share, usual = nulls / facts.rows, fmean(earlier)
        seen = f"{share:.2%} of {self.column} is null, {usual:.2%} over the last {_runs(len(earlier))}"
        return Verdict(
            round(abs(share - usual), 9) <= self.max_change, f"{seen}, wanted within {self.max_change:.2%} points"
        )


def _runs(number: int) -> str:
    return "run" if number == 1 else f"{number} runs"
