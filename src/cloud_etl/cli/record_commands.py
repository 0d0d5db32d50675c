"""`cloud-etl runs`, `cloud-etl ledger` and `cloud-etl quarantine`: what earlier runs left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloud_etl.cli.options import HERE, EnvOption, Output, OutputOption, ProjectOption
from cloud_etl.cli.output import echo

if TYPE_CHECKING:
    from cloud_etl.pipeline.records import Records

LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="Run id, or its beginning.", show_default="the last run that took files"),
]
PipelineOption = Annotated[str | None, typer.Option("--pipeline", "-p", help="Only this pipeline.")]


def runs(
    project: ProjectOption = HERE,
    env: EnvOption = None,
    limit: LimitOption = 20,
    output: OutputOption = Output.text,
) -> None:
    """List the last runs, the newest first."""
    from cloud_etl.cli import tables
    from cloud_etl.monitoring import report as reports

    records = _records(project, env)
    found = records.runs(limit)
    if output is Output.json:
        echo(reports.runs_json(found))
    else:
        tables.show_runs(found, records.unreported(limit), records.unreadable(limit), records.archived())


def ledger(
    run: RunArgument = None,
    project: ProjectOption = HERE,
    env: EnvOption = None,
    output: OutputOption = Output.text,
) -> None:
    """Show where each row of a run went, and the equations that must hold."""
    from cloud_etl.cli import tables
    from cloud_etl.monitoring import report as reports

    records = _records(project, env)
    found = records.ledgers(run)
    if output is Output.json:
        echo(reports.ledger_json(found))
    else:
        tables.show_ledgers(found)


def quarantine_list(
    project: ProjectOption = HERE,
    env: EnvOption = None,
    pipeline: PipelineOption = None,
    output: OutputOption = Output.text,
) -> None:
    """Count the rejected records by run, pipeline, file and code."""
    from cloud_etl.cli import tables

    groups = _records(project, env).rejects_by_code(pipeline)
    tables.show_reject_groups(groups, as_json=output is Output.json)


def quarantine_show(
    run: RunArgument = None,
    project: ProjectOption = HERE,
    env: EnvOption = None,
    pipeline: PipelineOption = None,
    code: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    limit: LimitOption = 20,
    output: OutputOption = Output.text,
) -> None:
    """Show rejected records of a run: file, line, code, message and raw text."""
    from cloud_etl.cli import tables

    rejects = _records(project, env).rejects(run, pipeline=pipeline, code=code, limit=limit)
    tables.show_rejects(rejects, as_json=output is Output.json)


def _records(project: Path, env: str | None) -> Records:
    from cloud_etl.pipeline.project import Project

    return Project.open(project, env).records()
