"""The run report as a page: chooses what is shown and how much of it; the templates say how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

from cloud_etl.domain.ledger import FileCount
from cloud_etl.domain.printable import printable
from cloud_etl.domain.quality import ColumnProfile
from cloud_etl.domain.run import PipelineReport, RunReport, SkippedFile
from cloud_etl.monitoring import figures
from cloud_etl.monitoring.equations import EquationGroup, grouped
from cloud_etl.monitoring.funnel import FunnelRow, StepLine, funnel, step_lines
from cloud_etl.monitoring.reasons import RejectReason, checks_passed, file_notes, reject_reasons, replaced_groups
from cloud_etl.monitoring.verdict import Verdict, pipeline_verdict, run_verdict

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_FILES = 100
MOST_SKIPPED = 10
MOST_COLUMNS = 500
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Cut(Generic[Item]):
    """The first of many, and how many were left out."""

    shown: tuple[Item, ...]
    left_out: int

    @classmethod
    def of(cls, items: Sequence[Item], most: int) -> Cut[Item]:
        """Cut a list."""
        return cls(tuple(items[:most]), max(0, len(items) - most))


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """Files left aside for one reason."""

    reason: str
    count: int
    keys: Cut[SkippedFile]


@dataclass(frozen=True, slots=True)
class Section:
    """One pipeline's part of the page."""

    anchor: str
    report: PipelineReport
    verdict: Verdict
    funnel: tuple[FunnelRow, ...]
    equations: tuple[EquationGroup, ...]
    files: Cut[FileCount]
    file_total: int
    reasons: tuple[RejectReason, ...]
    steps: tuple[StepLine, ...]
    notes: tuple[tuple[str, int], ...]
    replaced_groups: tuple[tuple[str, int], ...]
    columns: Cut[ColumnProfile]
    skipped: tuple[SkippedGroup, ...]

    @property
    def read(self) -> int | None:
        """Records read, or None where no ledger says."""
        return self.report.ledger.records_read if self.report.ledger else None

    @property
    def output(self) -> int | None:
        """Rows that came through, or None where no ledger says."""
        return self.report.ledger.output if self.report.ledger else None

    @property
    def taken_out(self) -> int | None:
        """Rows that a named reason took out, or None where no ledger says."""
        return self.report.ledger.taken_out if self.report.ledger else None

    @property
    def added(self) -> int:
        """Rows that steps added."""
        return self.report.ledger.added if self.report.ledger else 0

    @property
    def rejected(self) -> int:
        """Rows in the quarantine."""
        return self.report.ledger.rejected if self.report.ledger else 0

    @property
    def checks_passed(self) -> str:
        """How many checks passed, in words."""
        return checks_passed(self.report.quality) if self.report.quality else ""

    @property
    def wall_seconds(self) -> float:
        """Duration of all phases."""
        return sum(phase.wall_seconds for phase in self.report.phases)


def render(report: RunReport) -> str:
    """The whole page as text."""
    sections = [_section(number, one) for number, one in enumerate(report.pipelines, start=1)]
    # What went wrong stands first: thirty pipelines are more than a screen.
    sections.sort(key=lambda section: -section.verdict.severity)
    template = _environment().get_template("report.html.j2")
    return template.render(run=report, verdict=run_verdict(report), sections=sections)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cloud_etl.monitoring", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "number": figures.number,
        "percent": figures.percent,
        "size": figures.size,
        "seconds": figures.seconds,
        "plural": figures.plural,
        "shortened": figures.shortened,
    }
    return environment


def _shown(value: object) -> object:
    """Texts of the data with their control characters spelled out; what the templates made stays as it is."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def _section(number: int, report: PipelineReport) -> Section:
    ledger = report.ledger
    counts = ledger.files if ledger else report.files
    # Files with rejects first: they are what a reader of the page looks for when the list is cut.
    files = sorted(counts, key=lambda file: -file.rejected)
    return Section(
        anchor=f"pipeline-{number}",
        report=report,
        verdict=pipeline_verdict(report),
        funnel=funnel(ledger) if ledger else (),
        equations=grouped(ledger.equations()) if ledger else (),
        files=Cut.of(files, MOST_FILES),
        file_total=len(counts),
        reasons=reject_reasons(report),
        steps=step_lines(ledger) if ledger else (),
        notes=file_notes(report),
        replaced_groups=tuple(replaced_groups(report)),
        columns=Cut.of(report.quality.profile if report.quality else (), MOST_COLUMNS),
        skipped=_skipped(report.skipped),
    )


def _skipped(skipped: Iterable[SkippedFile]) -> tuple[SkippedGroup, ...]:
    by_reason: dict[str, list[SkippedFile]] = {}
    for file in skipped:
        by_reason.setdefault(file.reason, []).append(file)
    return tuple(SkippedGroup(reason, len(files), Cut.of(files, MOST_SKIPPED)) for reason, files in by_reason.items())
