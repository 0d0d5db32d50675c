"""`cloud-etl run` and `cloud-etl plan`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloud_etl.cli.options import (
    HERE,
    EnvOption,
    LogFormat,
    LogLevel,
    Output,
    OutputOption,
    PipelinesArgument,
    ProjectOption,
)
from cloud_etl.cli.output import echo
from cloud_etl.errors import UsageError

if TYPE_CHECKING:
    from cloud_etl.pipeline.project import Project

AllOption = Annotated[bool, typer.Option("--all", "-a", help="All pipelines, each after those it reads.")]
DateOption = Annotated[
    datetime | None,
    typer.Option(
        "--date",
        formats=["%Y-%m-%d", "%Y%m%d"],
        metavar="YYYY-MM-DD",
        help="Date of the run.",
        show_default="today, UTC",
    ),
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        "-s",
        metavar="WORD",
        help="NAME or tag:TAG; +WORD with all that these read, WORD+ with all that read them. May be repeated.",
    ),
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="WORD", help="Leave these out, as in --select.")
]
EngineOption = Annotated[str | None, typer.Option("--engine", help="Engine instead of the environment's.")]


def run(
    pipelines: PipelinesArgument = None,
    all_: AllOption = False,
    selected: SelectOption = None,
    excluded: ExcludeOption = None,
    project: ProjectOption = HERE,
    env: EnvOption = None,
    run_date: DateOption = None,
    engine: EngineOption = None,
    verify: Annotated[
        str | None,
        typer.Option("--verify", metavar="ENGINE", help="Do it on this engine too; end with 5 if its tables differ."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Most pipelines under way at the same time.", show_default="the environment's"
        ),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--files", metavar="KEY", help="Take these waiting files of one pipeline: a key or a glob. May be repeated."
        ),
    ] = None,
    reload: Annotated[
        bool,
        typer.Option(
            "--reload",
            help="Read the files of one pipeline again, loaded or not, in the place of what is in its tables.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 3 when a row was rejected or a file not read.")
    ] = False,
    output: OutputOption = Output.text,
    log_level: Annotated[
        LogLevel | None, typer.Option(help="Lowest level logged.", show_default="the project's")
    ] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="text, or json for NDJSON.", show_default="the project's")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Neither progress nor log on the terminal.")] = False,
) -> int:
    """Take new files from the source to the warehouse, in the order of references.

    Ends with 0 when all is loaded or there is nothing to do, 3 when data crossed a threshold, 5 when the row ledger
    does not reconcile. A run that stopped is repeated with the same command; nothing is loaded twice.
    """
    from cloud_etl.cli.session import Session

    opened = _open(project, env, engine)
    if verify:
        opened = opened.verified_with(verify)
    names = chosen_pipelines(opened, pipelines, all_, selected, excluded)
    opened = opened.with_files(*(files or ()), reload=reload)
    session = Session(opened, level=log_level, log_format=log_format, quiet=quiet, as_json=output is Output.json)
    report = session.run(names, run_date.date() if run_date else None, jobs)
    return report.ended_with(strict=strict)


def plan(
    pipelines: PipelinesArgument = None,
    all_: AllOption = False,
    selected: SelectOption = None,
    excluded: ExcludeOption = None,
    project: ProjectOption = HERE,
    env: EnvOption = None,
    run_date: DateOption = None,
    engine: EngineOption = None,
    output: OutputOption = Output.text,
) -> int:
    """Show what a run would take, do and change; changes nothing.

    Functions of python steps are called on frames without rows. Ends with the code that the run would end with where a
    pipeline cannot be planned whole.
    """
    from cloud_etl.cli import tables
    from cloud_etl.pipeline.plan import plan_json

    opened = _open(project, env, engine)
    opened.validate(imports=True)
    made = opened.plan(
        chosen_pipelines(opened, pipelines, all_, selected, excluded), run_date=run_date.date() if run_date else None
    )
    if output is Output.json:
        echo(plan_json(made))
    else:
        tables.show_plan(made)
    return made.exit_code


def _open(project: Path, env: str | None, engine: str | None) -> Project:
    from cloud_etl.pipeline.project import Project

    opened = Project.open(project, env)
    return opened.with_engine(engine) if engine else opened


def chosen_pipelines(
    project: Project, names: list[str] | None, all_: bool, selected: list[str] | None = None,
    excluded: list[str] | None = None,
) -> tuple[str, ...]:  # fmt: skip
    """The pipelines that a command line means.

    Raises:
        UsageError: it means none, or both some and all.
    """
    words = [*(selected or ()), *(names or ())]
    if all_ and words:
        raise UsageError("select pipelines or give --all, not both")
    if not all_ and not words:
        raise UsageError(f"name the pipelines to run, or give --all; this project has {', '.join(project.pipelines)}")
    return project.select(project.pipelines if all_ else words, excluded or ())
