"""The plan of a run as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloud_etl.domain.printable import printable
from cloud_etl.monitoring.figures import UNKNOWN, number, plural, size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cloud_etl.pipeline.plan import PipelinePlan, Plan, PlannedTable

MOST_FILES = 20
MOST_SKIPPED = 3


def plan_text(plan: Plan) -> RenderableType:
    """Per pipeline: files to take, files left aside and why, steps, checks, folders, tables with their statements."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble("Plan for ", (plan.project, "bold"), f" in {plan.environment}, run date {plan.run_date}")
    parts: list[RenderableType] = [head, ""]
    for one in plan.pipelines:
        parts += [Text(one.pipeline, style="bold"), *_pipeline(one), ""]
    return Group(*parts, "Nothing was changed.")


def _pipeline(plan: PipelinePlan) -> Iterator[RenderableType]:
    from rich.text import Text

    if plan.files:
        total = sum(file.size_bytes for file in plan.files)
        yield f"  takes {plural(len(plan.files), 'file')}, {size(total)}, {_rows(plan.rows_estimated)}"
        yield _files(plan)
    elif not plan.problem:
        yield Text("  takes no files: there are no new ones", style="dim")
    if (hidden := len(plan.files) - MOST_FILES) > 0:
        yield f"    and {plural(hidden, 'file')} more"
    yield from _left_aside(plan)
    for word, names in (("steps", plan.steps), ("checks", plan.checks), ("writes", plan.folders)):
        if names:
            yield f"  {word} {printable(', '.join(names))}"
    for table in plan.tables:
        yield from _table(table)
    if plan.problem:
        yield Text(f"  the rest cannot be told: {printable(plan.problem)}", style="yellow")


def _left_aside(plan: PipelinePlan) -> Iterator[RenderableType]:
    by_reason: dict[str, list[str]] = {}
    for file in plan.skipped:
        by_reason.setdefault(file.reason, []).append(file.key)
    for reason, keys in by_reason.items():
        yield f"  leaves {plural(len(keys), 'file')} aside: {printable(reason)}"
        more = ["..."] if len(keys) > MOST_SKIPPED else []
        yield f"    {', '.join([*map(printable, keys[:MOST_SKIPPED]), *more])}"


def _files(plan: PipelinePlan) -> RenderableType:
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("File", overflow="fold")
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Rows, about", justify="right", no_wrap=True)
    for file in plan.files[:MOST_FILES]:
        rows = UNKNOWN if file.rows_estimated is None else number(file.rows_estimated)
        table.add_row(printable(file.key), size(file.size_bytes), rows)
    return Padding(table, (0, 0, 0, 4), expand=False)


def _rows(rows: int | None) -> str:
    return "rows unknown" if rows is None else f"about {plural(rows, 'row')}"


def _table(table: PlannedTable) -> Iterator[RenderableType]:
    from rich.text import Text

    yield f"  loads {table.output} into {table.table} ({table.mode})"
    if not table.statements:
        yield Text("    the table fits as it is", style="dim")
    for statement in table.statements:
        yield Text("\n".join(f"    {printable(line)}" for line in statement.splitlines()), style="dim")
