"""Why records of a pipeline were rejected, and what helps: for the terminal and the report alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.rejects import REJECT_HELP, RejectCode
from cloud_etl.monitoring.figures import plural

if TYPE_CHECKING:
    from cloud_etl.domain.ledger import FileCount
    from cloud_etl.domain.quality import QualityReport
    from cloud_etl.domain.run import PipelineReport


@dataclass(frozen=True, slots=True)
class RejectReason:
    """Rejected records with one cause.

    Attributes:
        code: as in the quarantine; that of a check is `quality.<name>`.
        column: what it is about; empty where that is the record or the file.
        meaning: what the code says, or what the check saw and wanted.
        remedy: what a person can do about it; empty for checks, whose owner knows.
    """

    code: str
    column: str
    rows: int
    meaning: str
    remedy: str


def reject_reasons(report: PipelineReport) -> tuple[RejectReason, ...]:
    """Every cause for which records of the pipeline were rejected, the most frequent first."""
    files = report.ledger.files if report.ledger else report.files
    return tuple(sorted((*_of_reader(files), *_of_checks(report)), key=lambda reason: -reason.rows))


def replaced_groups(report: PipelineReport) -> Iterator[tuple[str, int]]:
    """(table, groups) where groups of a batch took the place of groups that earlier batches had made."""
    aggregated = {publication.output for publication in report.publications if publication.aggregated}
    for table in report.tables:
        if table.output in aggregated and table.mode == "upsert" and table.deleted:
            yield table.table, table.deleted


def checks_passed(quality: QualityReport) -> str:
    """How many checks passed; one that looked at no row has not."""
    tried = [check for check in quality.checks if check.rows_checked != 0]
    if not quality.checks:
        return "the pipeline has no checks, so only the reader's rejects count"
    if not tried:
        return f"no row reached the {plural(len(quality.checks), 'check')}"
    passed = sum(check.passed for check in tried)
    idle = len(quality.checks) - len(tried)
    return f"{passed} of {plural(len(tried), 'check')} passed" + (f", {idle} looked at no row" if idle else "")


def file_notes(report: PipelineReport) -> tuple[tuple[str, int], ...]:
    """What a person should know of how files were read, each with the number of files it is true of."""
    files = report.ledger.files if report.ledger else report.files
    return tuple(Counter(note for file in files for note in file.notes).most_common())


def _of_reader(files: Iterable[FileCount]) -> Iterator[RejectReason]:
    rows: Counter[tuple[str, str]] = Counter()
    for file in files:
        for code, count in file.codes.items():
            of_columns = file.columns.get(code, {})
            rows.update({(code, column): named for column, named in of_columns.items()})
            rows[code, ""] += count - sum(of_columns.values())
    for (code, column), count in rows.items():
        if count:
            # A report of another version may hold a code that this one does not know.
            known = REJECT_HELP.get(RejectCode(code)) if code in set(RejectCode) else None
            yield RejectReason(code, column, count, known.description if known else "", known.remedy if known else "")


def _of_checks(report: PipelineReport) -> Iterator[RejectReason]:
    checks = {check.name: check for check in report.quality.checks} if report.quality else {}
    for step in report.ledger.steps if report.ledger else ():
        if step.status == "rejected" and step.rows:
            check = checks.get(step.step)
            # A step names its reasons after itself and the column.
            columns = check.columns if check else (step.reason.partition(".")[2],)
            meaning = check.message if check else f"Refused by the step {step.step}."
            yield RejectReason(f"quality.{step.reason}", ", ".join(columns), step.rows, meaning, "")
