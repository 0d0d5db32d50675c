"""What change checks remember of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud_etl.domain.quality import QualityReport


@dataclass(frozen=True, slots=True)
class BatchHistory:
    """Shape of a batch that an earlier run accepted: its rows, and the nulls of each column."""

    rows: int
    nulls: Mapping[str, int]

    def null_share(self, column: str) -> float | None:
        """Share of nulls in that column, 0..1; None where the batch was empty or lacked the column."""
        nulls = self.nulls.get(column)
        return None if nulls is None or self.rows == 0 else nulls / self.rows


def history_of(report: QualityReport) -> BatchHistory:
    """Take from a finished run's quality report what later runs are compared with."""
    rows = report.profile[0].rows if report.profile else 0
    return BatchHistory(rows, {profile.column: profile.nulls for profile in report.profile})
