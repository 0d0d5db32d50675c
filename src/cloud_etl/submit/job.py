"""The run inside a job: the ordinary run of a project, with the run id that was given to it."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import cloud_etl
from cloud_etl import interrupts
from cloud_etl.domain.printable import laid_out
from cloud_etl.errors import CloudEtlError, RunInterruptedError, UsageError, exit_code_of
from cloud_etl.submit.failure import described, write_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_etl.pipeline.project import Project


def arguments(run_id: str, env: str, names: Sequence[str], run_date: date, *, strict: bool) -> tuple[str, ...]:
    """The command line of the entry script for a run."""
    flags = ["--strict"] if strict else []
    version = cloud_etl.__version__
    return ("--run-id", run_id, "--env", env, "--date", f"{run_date}", "--version", version, *flags, *names)


def run_job(argv: Sequence[str]) -> int:
    """Run what the command line says and give the exit code, which is that of `cloud-etl run`.

    The report lies in the store as after any run; where a run does not get that far, its error is left there instead.
    """
    with interrupts.handled():
        return _run_job(argv)


def _run_job(argv: Sequence[str]) -> int:
    chosen = _parser().parse_args(argv)
    project: Project | None = None
    try:
        project = _open(chosen)
        _check_version(chosen.version)
        return _run(project, chosen)
    except (CloudEtlError, RunInterruptedError) as exc:
        _leave(project, chosen.run_id, exc)
        return exit_code_of(exc)
    except Exception as exc:
        _leave(project, chosen.run_id, exc)
        raise


def _run(project: Project, chosen: argparse.Namespace) -> int:
    from cloud_etl.monitoring.console import PlainConsole
    from cloud_etl.monitoring.logger import LogTargets

    # The service keeps what goes to stderr; a file in the job's folder would be lost with it.
    console = PlainConsole(stderr=True)
    report = project.run(
        chosen.pipelines, run_date=chosen.date, run_id=chosen.run_id, log=LogTargets(console=console, file=False)
    )
    return report.ended_with(strict=chosen.strict)


def _open(chosen: argparse.Namespace) -> Project:
    from cloud_etl.pipeline.project import Project
    from cloud_etl.state.journal import RUN_ID

    if not RUN_ID.fullmatch(chosen.run_id):
        raise UsageError(f"{chosen.run_id!r} is no run id: write it as 20260131T235959Z-1f2e3d")
    return Project.open(chosen.project, chosen.env)


def _check_version(wanted: str | None) -> None:
    if wanted not in (None, cloud_etl.__version__):
        raise UsageError(
            f"the job has cloud-etl {cloud_etl.__version__}, and the run was submitted with {wanted}. "
            "Nothing was run. Build the image anew with that version, or submit with the image's."
        )


def _leave(project: Project | None, run_id: str, error: BaseException) -> None:
    """Tell whoever follows why there is no report; where the store is the reason, the log must do."""
    print(laid_out(f"error: {described(error)}"), file=sys.stderr)  # noqa: T201 - the driver's log takes it
    if project is None:
        return
    from cloud_etl.pipeline.wiring import open_store

    with suppress(CloudEtlError):
        write_failure(open_store(project.loaded.resolved()), run_id, error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="entry.py", description="Run pipelines of an unpacked project.")
    parser.add_argument("pipelines", nargs="+")
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--env", required=True)
    parser.add_argument("--date", type=date.fromisoformat)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--project", type=Path, default=Path("project"))
    parser.add_argument("--version")
    return parser
