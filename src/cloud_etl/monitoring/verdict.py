"""What a run came to, in one honest line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cloud_etl.monitoring.figures import number, percent, plural

if TYPE_CHECKING:
    from cloud_etl.domain.ledger import RowLedger
    from cloud_etl.domain.run import PipelineReport, RunReport

Tone = Literal["good", "warn", "bad", "idle"]
_NOTHING = "Nothing to do"
# More of the records than this in quarantine is nothing to pass by, though each of them is accounted for.
_MANY_REJECTED = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line and its reason.

    Attributes:
        word: what happened to a pipeline, as in `2 loaded, 1 refused`.
        severity: the highest among the pipelines speaks for the run.
    """

    tone: Tone
    word: str
    headline: str
    detail: str
    severity: int


def pipeline_verdict(report: PipelineReport) -> Verdict:
    """What one pipeline came to; an equation that does not hold outweighs everything else."""
    ledger, error = report.ledger, report.error or ""
    if report.exit_code == 5 or (ledger is not None and not ledger.reconciles):
        return Verdict("bad", "not reconciled", "The ledger does not reconcile", error or _broken(ledger), 9)
    if report.outcome == "failed" or report.exit_code:
        return _failure(report)
    if report.outcome != "loaded":
        return _idle(report)
    if ledger is None:
        return Verdict("warn", "loaded", "Loaded, but not accounted for", "The run left no row ledger.", 4)
    return _loaded(report, ledger)


def run_verdict(report: RunReport) -> Verdict:
    """What the run came to: the headline of its worst pipeline, and how many ended in which way."""
    verdicts = [pipeline_verdict(one) for one in report.pipelines]
    if not verdicts:
        return Verdict("idle", "nothing", _NOTHING, "The run had no pipelines.", 0)
    worst = max(verdicts, key=lambda verdict: verdict.severity)
    if len(verdicts) == 1:
        return worst
    words = Counter(verdict.word for verdict in sorted(verdicts, key=lambda one: -one.severity))
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    return Verdict(
        worst.tone, worst.word, worst.headline, f"{plural(len(verdicts), 'pipeline')}: {counts}.", worst.severity
    )


def accounted(ledger: RowLedger) -> str:
    """The account in one sentence: `1,000 records read: 990 came through, 10 were taken out, each with its reason`."""
    lost = ledger.taken_out
    added = f", {plural(ledger.added, 'row')} added by steps" if ledger.added else ""
    taken = "none was taken out"
    if lost:
        were = "was taken out, with its reason" if lost == 1 else "were taken out, each with its reason"
        taken = f"{number(lost)} {were}"
    return f"{plural(ledger.records_read, 'record')} read{added}: {number(ledger.output)} came through, {taken}."


def _idle(report: PipelineReport) -> Verdict:
    if report.outcome == "skipped":
        return Verdict("idle", "skipped", "Skipped", report.error or "it was not started", 1)
    if report.outcome == "already_loaded":
        return Verdict("idle", "loaded before", _NOTHING, "These files were loaded by an earlier run.", 0)
    if report.unread:
        return Verdict("warn", "files left aside", "Nothing to do, but files were left aside", _not_read(report), 3)
    return Verdict("idle", "without new files", _NOTHING, _left_aside(report), 0)


def _not_read(report: PipelineReport) -> str:
    """Which files could not be read, and why; the first of many."""
    first = report.unread[0]
    more = f", and {number(len(report.unread) - 1)} more" if len(report.unread) > 1 else ""
    return f"{plural(len(report.unread), 'file')} left aside unread: {first.key} ({first.reason}){more}."


def _loaded(report: PipelineReport, ledger: RowLedger) -> Verdict:
    if ledger.rejected > _MANY_REJECTED * ledger.records_read:
        share = f"{percent(ledger.rejected, ledger.records_read)} of the records read are in quarantine."
        aside = f" {_not_read(report)}" if report.unread else ""
        detail = f"{accounted(ledger)} {share}{aside}"
        return Verdict("warn", "loaded with many rejects", "Every row is accounted for", detail, 3)
    if report.unread:
        detail = f"{accounted(ledger)} {_not_read(report)}"
        return Verdict("warn", "loaded, files left aside", "Every row that was read is accounted for", detail, 3)
    return Verdict("good", "loaded", "Every row is accounted for", accounted(ledger), 2)


def _failure(report: PipelineReport) -> Verdict:
    exit_code, error = report.exit_code, report.error or ""
    if report.outcome != "failed":
        return Verdict("bad", "loaded, then stopped", "The batch is loaded, and what came after it failed", error, 8)
    if exit_code == 3:
        return Verdict("warn", "refused", "The data was refused", error, 6)
    if exit_code == 6:
        return Verdict("warn", "locked out", "Another run is under way", error, 5)
    if exit_code == 75:
        return Verdict("warn", "stopped for now", "A passing fault stopped the run; try again", error, 7)
    if exit_code > 128:
        return Verdict("warn", "interrupted", "The run was interrupted", error, 7)
    return Verdict("bad", "failed", "The run failed", error, 8)


def _left_aside(report: PipelineReport) -> str:
    if not report.skipped:
        return "No new files: no file matches the source's path and pattern."
    return f"No new files: {plural(len(report.skipped), 'file')} looked at and left aside."


def _broken(ledger: RowLedger | None) -> str:
    broken = [equation for equation in ledger.equations() if not equation.holds] if ledger else []
    return "; ".join(
        f"{equation.terms}: {number(equation.left)} against {number(equation.right)} ({equation.subject})"
        for equation in broken[:5]
    )
