"""`cloud-etl submit`: a run on somebody else's machines, as if it were here."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloud_etl import interrupts
from cloud_etl.cli.options import HERE, EnvOption, Output, OutputOption, PipelinesArgument, ProjectOption
from cloud_etl.cli.output import echo
from cloud_etl.cli.run_commands import AllOption, DateOption, ExcludeOption, SelectOption, chosen_pipelines
from cloud_etl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud_etl.domain.run import RunReport
    from cloud_etl.pipeline.project import Project
    from cloud_etl.submit.record import SubmittedRun
    from cloud_etl.submit.submission import Submission, Tell, Wanted


def submit(
    pipelines: PipelinesArgument = None,
    all_: AllOption = False,
    selected: SelectOption = None,
    excluded: ExcludeOption = None,
    project: ProjectOption = HERE,
    env: EnvOption = None,
    run_date: DateOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 when a row was rejected.")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Start it and leave.")] = False,
    follow: Annotated[
        str | None, typer.Option("--follow", metavar="RUN", help="Follow a run that was submitted before.")
    ] = None,
    pack: Annotated[
        Path | None, typer.Option("--pack", metavar="FOLDER", help="Only write what spark-submit needs there.")
    ] = None,
    output: OutputOption = Output.text,
) -> int:
    """Run pipelines on EMR Serverless: pack, start, follow, show the report.

    The environment's `submit` says where. Ends as `cloud-etl run` would: with the exit code of the run. Ctrl-C cancels
    the job, except with --detach.
    """
    from cloud_etl.pipeline.project import Project

    opened = Project.open(project, env)
    as_json = output is Output.json
    if follow and (pipelines or selected or all_ or detach or pack):
        raise UsageError("--follow takes the id of a run alone: no pipelines, no --all, no --detach, no --pack")
    names = () if follow else chosen_pipelines(opened, pipelines, all_, selected, excluded)
    if pack is not None:
        _pack(opened, names, pack, as_json=as_json)
        return 0
    with interrupts.ended_in_order(_last_words), _shown(opened) as shown:
        submission = _submission(opened, shown)
        run = submission.find(follow) if follow else submission.send(_wanted(opened, names, run_date, strict))
        report = None if detach else _followed(submission, run, shown)
    if report is None:
        _show_started(submission, run, opened, as_json=as_json)
        return 0
    _show_report(submission, report, as_json=as_json)
    return report.ended_with(strict=strict or "--strict" in run.request.arguments)


def _last_words() -> str:
    return (
        "interrupted while the place did not answer: a job that was started goes on. "
        "Look for it with: cloud-etl submit --follow RUN"
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is being done, on stderr; lasting lines only on a terminal, since elsewhere the log has them."""

    tell: Tell
    lasting: Tell


@contextmanager
def _shown(project: Project) -> Iterator[_Shown]:
    from cloud_etl.cli import tables
    from cloud_etl.config.secrets import known_secrets
    from cloud_etl.monitoring.logger import LogTargets, get_logger, start_logging

    console = tables.stderr_console()
    drawn = console.is_terminal and not console.is_dumb_terminal
    spec, root = project.loaded.environment.log, project.loaded.root
    targets = LogTargets(console=console, console_level="warning" if drawn else None, file=False)
    with start_logging(spec, root, "submit", targets, known_secrets):
        if not drawn:
            yield _Shown(lambda text: get_logger().debug("submit.progress", doing=text), lambda text: None)
            return
        with console.status("") as status:
            yield _Shown(status.update, console.print)


def _submission(project: Project, shown: _Shown) -> Submission:
    from cloud_etl.submit.submission import Submission

    return Submission(project.loaded, shown.tell)


def _wanted(project: Project, names: tuple[str, ...], run_date: datetime | None, strict: bool) -> Wanted:
    from cloud_etl.pipeline.order import in_order
    from cloud_etl.submit.submission import Wanted

    return Wanted(in_order(names, project.loaded.pipelines), (run_date or datetime.now(UTC)).date(), strict)


def _followed(submission: Submission, run: SubmittedRun, shown: _Shown) -> RunReport:
    from cloud_etl.submit.follow import Follower

    shown.lasting(f"Run {run.run_id} is job run {run.job_id} in {submission.submitter.place}")
    return Follower(submission.submitter, submission.store, run, shown.tell).report()


def _show_started(submission: Submission, run: SubmittedRun, project: Project, *, as_json: bool) -> None:
    follow = f"cloud-etl submit --follow {run.run_id} --env {project.loaded.environment_name}"
    if as_json:
        facts = {"run_id": run.run_id, "job_id": run.job_id, "place": submission.submitter.place, "follow": follow}
        echo(json.dumps(facts, indent=2))
    else:
        echo(f"Run {run.run_id} was started as job run {run.job_id} in {submission.submitter.place}.")
        echo(f"Follow it with: {follow}")


def _show_report(submission: Submission, report: RunReport, *, as_json: bool) -> None:
    from cloud_etl.cli import tables
    from cloud_etl.monitoring import report as reports
    from cloud_etl.pipeline.records import Records

    if as_json:
        echo(reports.to_json(report))
    else:
        tables.show_run(report, Records(submission.store).report_path(report))


def _pack(project: Project, names: tuple[str, ...], folder: Path, *, as_json: bool) -> None:
    from cloud_etl.submit.by_hand import write_packs

    packs = write_packs(project.loaded, names, folder)
    if as_json:
        echo(json.dumps({"files": [str(path) for path in packs.files], "arguments": packs.arguments}, indent=2))
    else:
        for path in packs.files:
            echo(str(path))
        echo(f"Arguments of {packs.files[0].name}: {' '.join(packs.arguments)}")
