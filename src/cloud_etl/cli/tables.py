"""What commands print for people: aligned columns without boxes, good in a terminal and in a pipe."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from cloud_etl.domain.printable import printable
from cloud_etl.monitoring import figures
from cloud_etl.monitoring.equations import grouped
from cloud_etl.monitoring.figures import number, percent, plural
from cloud_etl.monitoring.funnel import funnel, step_lines
from cloud_etl.monitoring.reasons import checks_passed, file_notes, reject_reasons, replaced_groups
from cloud_etl.monitoring.verdict import pipeline_verdict, run_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table

    from cloud_etl.domain.ledger import RowLedger, RunLedgers
    from cloud_etl.domain.quality import QualityReport
    from cloud_etl.domain.run import PipelineReport, RunReport
    from cloud_etl.monitoring.verdict import Verdict
    from cloud_etl.pipeline.plan import Plan
    from cloud_etl.quality.quarantine import Reject, RejectGroup

MOST_DETAILED = 6
MOST_REASONS = 10
RAW_CHARACTERS = 400
_MOST_FILES = 20
# Wider than any line: what reads a pipe wants names whole, and tables take no more than they need.
_PIPE_COLUMNS = 100_000
_STYLES = {"good": "green", "warn": "yellow", "bad": "red", "idle": "dim"}


def stdout_console() -> Console:
    """The console of results; as wide as the lines where neither a terminal nor COLUMNS says how wide it is."""
    from cloud_etl.monitoring.console import PlainConsole

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPE_COLUMNS
    return PlainConsole(width=width)


def stderr_console() -> Console:
    """The console of progress and log."""
    from cloud_etl.monitoring.console import PlainConsole

    return PlainConsole(stderr=True)


def show_run(report: RunReport, report_path: str) -> None:
    """Print what a run did: per pipeline where the rows went and what is in the tables, then the verdict."""
    _print(run_summary(report, report_path))


def show_runs(
    found: Sequence[RunReport],
    unreported: Sequence[str] = (),
    unreadable: Sequence[str] = (),
    archived: Sequence[str] = (),
) -> None:
    """Print the list of runs, and in words those without a report: killed or under way, damaged, pruned."""
    _print_or_say(runs_table(found) if found else None, "No run has left a report yet.")
    if unreported:
        _print(_styled(f"Without a report, so killed or still under way: {', '.join(unreported)}", "dim"))
    if unreadable:
        said = "With a report that is damaged, or of another version"
        _print(_styled(f"{said}: {', '.join(unreadable)}; cloud-etl ledger RUN says what is wrong", "dim"))
    if archived:
        runs = f"{plural(len(archived), 'older run')}, {archived[-1]} to {archived[0]}"
        _print(
            _styled(f"With a ledger alone, as their reports are pruned: {runs}; cloud-etl ledger RUN shows it", "dim")
        )


def show_ledgers(run: RunLedgers) -> None:
    """Print the row ledger of each pipeline of a run."""
    parts = [part for ledger in run.ledgers for part in (ledger_table(ledger), "")]
    _print_or_say(_group(parts) if parts else None, f"Run {run.run_id} has no ledger: it took no files.")


def show_reject_groups(groups: Sequence[RejectGroup], *, as_json: bool = False) -> None:
    """Print how many records were rejected, by run, pipeline, file and code."""
    if as_json:
        _print_json(groups)
    else:
        _print_or_say(reject_groups_table(groups) if groups else None, "The quarantine is empty.")


def show_rejects(rejects: Sequence[Reject], *, as_json: bool = False) -> None:
    """Print rejected records with their place, reason and raw text."""
    if as_json:
        _print_json(rejects)
    else:
        _print_or_say(rejects_text(rejects) if rejects else None, "No rejected record matches.")


def show_plan(plan: Plan) -> None:
    """Print what a run would do."""
    from cloud_etl.cli.plan_text import plan_text

    _print(plan_text(plan))


def run_summary(report: RunReport, report_path: str = "") -> RenderableType:
    """The end of `run`: pipelines, verdict, and where to look next."""
    many = len(report.pipelines) > 1
    parts: list[RenderableType] = []
    told = report.pipelines
    if len(told) > MOST_DETAILED:
        # Of many pipelines those are told that are not as they should be.
        told = tuple(one for one in told if pipeline_verdict(one).tone not in ("good", "idle"))
    parts += [part for one in told[:MOST_DETAILED] for part in _pipeline_parts(one, many)]
    if (more := len(told) - MOST_DETAILED) > 0:
        parts += [f"{plural(more, 'more pipeline')} with something to look at; the report tells all of them", ""]
    if many:
        parts += [overview_table(report.pipelines), ""]
    parts += [*_verdict_lines(run_verdict(report), f"Run {report.run_id}"), *_next_steps(report, report_path)]
    return _group(parts)


def ledger_table(ledger: RowLedger) -> RenderableType:
    """One pipeline's account: the way of the rows, what each step took out, the equations."""
    parts: list[RenderableType] = [
        _styled(f"{printable(ledger.pipeline)}  run {ledger.run_id}", "bold"), "", flow_table(ledger), "",
    ]  # fmt: skip
    if lines := step_lines(ledger):
        steps = _table("Step or check", "Fate", "Reason", ">Rows")
        for line in lines:
            steps.add_row(printable(line.step), line.fate.replace("_", " "), printable(line.reason), number(line.rows))
        parts += [steps, ""]
    if any(file.text is not None and file.text.beside for file in ledger.files):
        parts += [beside_table(ledger), ""]
    return _group([*parts, equations_table(ledger), "", _reconciled(ledger)])


def beside_table(ledger: RowLedger) -> Table:
    """Files with skipped lines, comments or blank lines; of many the first."""
    found = [file for file in ledger.files if file.text is not None and file.text.beside]
    table = _table("File", ">Records", "Beside the records")
    for file in found[:_MOST_FILES]:
        beside = file.text.beside if file.text is not None else ""
        table.add_row(_last_part(file.uri), number(file.records_read), beside)
    if (more := len(found) - _MOST_FILES) > 0:
        table.add_row(f"and {plural(more, 'file')} more", "", "in ledger.json")
    return table


def flow_table(ledger: RowLedger, *, zeros: bool = True) -> Table:
    """Rows from the records read to the output, one line per fate; without `zeros` only fates that rows met."""
    table = _table(">Rows", ">Share", "")
    for row in funnel(ledger):
        main = row.kind in ("read", "output")
        if not (main or row.rows or zeros):
            continue
        style = "bold" if main else "red" if row.kind == "missing" else "" if row.rows else "dim"
        label = row.label if main else f"  {printable(row.label[0].lower() + row.label[1:])}"
        if row.kind == "output" and row.rows > ledger.records_read:
            label += ", more than were read: steps added rows"
        table.add_row(row.signed, percent(row.rows, ledger.records_read), label, style=style)
    return table


def equations_table(ledger: RowLedger) -> Table:
    """The equations with both sides; of many files those that do not hold, and the sums."""
    table = _table("Equation", "Of", ">Left", ">Right", "Holds")
    for group in grouped(ledger.equations()):
        for equation in group.shown:
            sides = (number(equation.left), number(equation.right))
            table.add_row(equation.terms, _last_part(equation.subject), *sides, _yes_no(equation.holds))
        if group.folded:
            hold = f"{number(group.total - group.failing)} of {number(group.total)} hold"
            table.add_row(group.terms, hold, number(group.left), number(group.right), _yes_no(not group.failing))
    return table


def overview_table(pipelines: Iterable[PipelineReport]) -> Table:
    """One line per pipeline."""
    pipelines = list(pipelines)
    any_added = any(one.ledger is not None and one.ledger.added for one in pipelines)
    added = [">Added"] if any_added else []
    table = _table("Pipeline", "Result", ">Read", *added, ">Through", ">Taken out", ">Score", ">Took")
    for one in pipelines:
        verdict = pipeline_verdict(one)
        counts = ["-"] * (4 if any_added else 3)
        if (ledger := one.ledger) is not None:
            more = [ledger.added] if any_added else []
            counts = [number(rows) for rows in (ledger.records_read, *more, ledger.output, ledger.taken_out)]
        took = figures.seconds(sum(phase.wall_seconds for phase in one.phases))
        table.add_row(
            printable(one.pipeline), _styled(verdict.word, _STYLES[verdict.tone]), *counts, _score(one.quality), took
        )
    return table


def runs_table(found: Iterable[RunReport]) -> Table:
    """One line per run."""
    table = _table("Run", "Result", ">Read", ">Through", ">Rejected", ">Took")
    for (word, _), members in groupby(found, key=_alike):
        report, *older = members
        if older:
            # Runs that had nothing to do come by the hundred; a line for all between two that had.
            first = f"{older[-1].run_id} to {report.run_id}"
            table.add_row(first, _styled(f"{len(older) + 1} {word}", "dim"), *["-"] * 4)
            continue
        verdict = run_verdict(report)
        ledgers = report.accounts.ledgers
        rejected = sum(ledger.rejected for ledger in ledgers)
        table.add_row(
            report.run_id,
            _styled(verdict.word, _STYLES[verdict.tone]),
            number(sum(ledger.records_read for ledger in ledgers)),
            number(sum(ledger.output for ledger in ledgers)),
            number(rejected),
            figures.seconds((report.ended_at - report.started_at).total_seconds()),
        )
    return table


def _alike(report: RunReport) -> tuple[str, str]:
    """Runs of one key that follow one another are one line: those that had nothing to do, with the same words."""
    return run_verdict(report).word, "" if report.is_idle else str(id(report))


def reject_groups_table(groups: Sequence[RejectGroup]) -> RenderableType:
    """Per run and pipeline, file by file: records and code."""
    parts: list[RenderableType] = []
    for (run_id, pipeline, loaded), members in groupby(groups, key=lambda one: (one.run_id, one.pipeline, one.loaded)):
        mark = "  (never loaded: a later run takes the same files)" if loaded is False else ""
        parts.append(_styled(f"{printable(pipeline)}  run {run_id}{mark}", "bold"))
        for uri, of_file in groupby(members, key=lambda group: group.source_uri):
            parts.append(_styled(f"  {printable(uri or 'of no file')}", "dim"))
            for group in of_file:
                parts.append(f"  {number(group.records):>9}  {printable(group.code)}")
        parts.append("")
    return _group(parts)


def rejects_text(rejects: Iterable[Reject]) -> RenderableType:
    """A paragraph per record; the raw text is cut, and its control characters are spelled out."""
    from rich.text import Text

    parts: list[RenderableType] = []
    for reject in rejects:
        place = [printable(reject.source_uri or "unknown file")]
        place += [f"line {number(reject.line)}"] if reject.line is not None else []
        place += [f"column {printable(reject.column)}"] if reject.column else []
        parts.append(Text.assemble((printable(reject.code), "bold yellow"), f"  {', '.join(place)}"))
        parts.append(Text(f"  {printable(reject.message)}"))
        if reject.raw_text is not None:
            raw = reject.raw_text
            more = f"  … {number(len(raw) - RAW_CHARACTERS)} characters more" if len(raw) > RAW_CHARACTERS else ""
            parts.append(Text(f"  | {printable(raw[:RAW_CHARACTERS])}{more}", style="dim"))
        parts.append("")
    return _group(parts)


def _pipeline_parts(one: PipelineReport, many: bool) -> Iterator[RenderableType]:
    from rich.padding import Padding

    verdict = pipeline_verdict(one)
    if many or one.ledger is not None:
        yield _styled(printable(one.pipeline), "bold")
    # With one pipeline the verdict of the run says the same at the end.
    if many and verdict.tone != "good":
        yield from _verdict_lines(verdict, indent="  ")
    if one.ledger is not None:
        yield Padding(flow_table(one.ledger, zeros=False), (0, 0, 0, 2), expand=False)
        yield from _after_the_flow(one)
    if many or one.ledger is not None:
        yield ""


def _after_the_flow(one: PipelineReport) -> Iterator[RenderableType]:
    from rich.padding import Padding

    if one.tables:
        table = _table("<Table", "<Mode", ">Before", ">Inserted", ">Deleted", ">After")
        for count in one.tables:
            changes = [number(rows) for rows in (count.rows_before, count.inserted, count.deleted, count.rows_after)]
            table.add_row(printable(count.table), count.mode, *changes)
        yield ""
        yield Padding(table, (0, 0, 0, 2), expand=False)
    yield from _reasons(one)
    if one.quality is not None:
        score = "-" if one.quality.score is None else f"{one.quality.score:.1f}"
        yield f"\n  Quality score {score}: {checks_passed(one.quality)}"
        for check in one.quality.checks:
            # What a check rejected stands among the reasons.
            if not check.passed and check.on_fail != "reject":
                yield f"    {printable(check.name)} ({check.on_fail}): {printable(check.message)}"
    for note, files in file_notes(one):
        yield f"  Note: {printable(note)} ({plural(files, 'file')})"
    for name, groups in replaced_groups(one):
        were = "group of earlier batches was" if groups == 1 else "groups of earlier batches were"
        yield f"  Note: in {printable(name)} {number(groups)} {were} replaced by those of this batch"


def _reasons(one: PipelineReport) -> Iterator[RenderableType]:
    """Why records were rejected, the most frequent cause first, with what helps."""
    reasons = reject_reasons(one)
    if not reasons:
        return
    rejected = sum(reason.rows for reason in reasons)
    yield f"\n  Why {plural(rejected, 'record')} {'was' if rejected == 1 else 'were'} rejected"
    width = len(number(reasons[0].rows))
    for reason in reasons[:MOST_REASONS]:
        column = f" in {printable(reason.column)}" if reason.column and not reason.code.startswith("quality.") else ""
        says = printable(reason.remedy or reason.meaning)
        yield f"    {number(reason.rows):>{width}}  {printable(reason.code)}{column}{': ' if says else ''}{says}"
    if rest := reasons[MOST_REASONS:]:
        rows = sum(reason.rows for reason in rest)
        causes = plural(len(rest), "other cause")
        yield f"    {number(rows):>{width}}  for {causes}; `cloud-etl quarantine list` has all"


def _next_steps(report: RunReport, report_path: str) -> Iterator[RenderableType]:
    if any(ledger.rejected for ledger in report.accounts.ledgers):
        yield _styled(f"  rejects  cloud-etl quarantine show {report.run_id}", "")
    if report_path:
        yield _styled(f"  report   {printable(report_path)}", "")
    if report.log_file:
        yield _styled(f"  log      {printable(report.log_file)}", "")


def _verdict_lines(verdict: Verdict, subject: str = "", indent: str = "") -> Iterator[RenderableType]:
    head = f"{subject}: {verdict.headline}." if subject else f"{indent}{verdict.headline}."
    yield _styled(head, f"bold {_STYLES[verdict.tone]}")
    yield from (indent + printable(line) for line in verdict.detail.splitlines())


def _last_part(subject: str) -> str:
    """The file's own name where the subject is a uri: the folder is the same for all."""
    return printable(subject.rsplit("/", 1)[-1] if "://" in subject else subject)


def _reconciled(ledger: RowLedger) -> RenderableType:
    if ledger.reconciles:
        return _styled("Every row is accounted for.", "bold green")
    broken = sum(not equation.holds for equation in ledger.equations())
    return _styled(f"The ledger does not reconcile: {plural(broken, 'equation')} of it fails.", "bold red")


def _score(quality: QualityReport | None) -> str:
    """The score; without checks only the reader has judged, which is no 100 to be glad of."""
    if quality is None or quality.score is None:
        return "-"
    return f"{quality.score:.1f}" if quality.checks else "no checks"


def _yes_no(holds: bool) -> RenderableType:
    return _styled("yes", "green") if holds else _styled("NO", "bold red")


def _table(*columns: str) -> Table:
    """A table without boxes; `>` before a heading makes a column of numbers, `<` of names, which are not wrapped."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(columns))
    for column in columns:
        if column.startswith(">"):
            table.add_column(column[1:], justify="right", no_wrap=True)
        elif column.startswith("<"):
            table.add_column(column[1:], no_wrap=True)
        else:
            table.add_column(column, overflow="fold")
    return table


def _styled(text: str, style: str) -> RenderableType:
    """A line that is printed unbroken: a heading, or a command or path that is there to be copied."""
    from rich.text import Text

    return Text(text, style=style)


def _group(parts: Iterable[RenderableType]) -> RenderableType:
    from rich.console import Group

    return Group(*parts)


def _print(renderable: RenderableType) -> None:
    """Print on stdout; in a pipe without the blanks that fill the lines, and whatever the encoding."""
    console = stdout_console()
    if console.is_terminal:
        _print_parts(console, renderable)
        return
    with console.capture() as capture:
        _print_parts(console, renderable)
    text = "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _print_parts(console: Console, renderable: RenderableType) -> None:
    """Print tables and prose within the width; a word is never broken, nor a line that is there to be copied."""
    from rich.console import Group
    from rich.text import Text

    if isinstance(renderable, Group):
        for part in renderable.renderables:
            _print_parts(console, part)
    elif isinstance(renderable, str):
        console.print(_within(renderable, console.width), soft_wrap=True)
    elif isinstance(renderable, Text):
        console.print(renderable, soft_wrap=True)
    else:
        console.print(renderable)


def _within(prose: str, width: int) -> str:
    """Prose broken between words; what goes on below a line stands two further in than the line."""
    lines = []
    for line in prose.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        wrapped = textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
            drop_whitespace=True,
        )  # fmt: skip
        lines.append("\n".join(wrapped))
    return "\n".join(lines)


def _print_or_say(renderable: RenderableType | None, otherwise: str) -> None:
    _print(otherwise if renderable is None else renderable)


def _print_json(items: Iterable[object]) -> None:
    from cloud_etl.domain.dataclass_json import encode

    sys.stdout.write(json.dumps([encode(item) for item in items], indent=2) + "\n")
