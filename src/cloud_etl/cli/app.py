"""The commands of `cloud-etl`, and what an error looks like to the person who typed."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cloud_etl.cli import (
    config_commands,
    local_commands,
    project_commands,
    record_commands,
    run_commands,
    submit_commands,
)
from cloud_etl.cli.output import echo
from cloud_etl.errors import (
    CloudEtlError,
    ConfigError,
    RunInterruptedError,
    UsageError,
    exit_code_of,
    refused_by_system,
)

if TYPE_CHECKING:
    from cloud_etl.errors import Problem
    from cloud_etl.monitoring.redaction import Redactor

app = typer.Typer(
    name="cloud-etl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Moves raw files through PySpark into a warehouse and accounts for every row.",
    epilog="Begin with: cloud-etl init my-project && cd my-project && cloud-etl run --all",
)
config_app = typer.Typer(no_args_is_help=True, help="Show the configuration in force.")
local_app = typer.Typer(no_args_is_help=True, help="AWS on this machine: S3, AWS APIs, a Redshift-compatible server.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Look at rejected records.")

START, LOOK, SET_UP = "Everyday", "What happened", "Project"
app.command("run", rich_help_panel=START)(run_commands.run)
app.command("plan", rich_help_panel=START)(run_commands.plan)
app.command("submit", rich_help_panel=START)(submit_commands.submit)
app.command("validate", rich_help_panel=START)(config_commands.validate)
app.command("runs", rich_help_panel=LOOK)(record_commands.runs)
app.command("ledger", rich_help_panel=LOOK)(record_commands.ledger)
quarantine_app.command("list")(record_commands.quarantine_list)
quarantine_app.command("show")(record_commands.quarantine_show)
app.add_typer(quarantine_app, name="quarantine", rich_help_panel=LOOK)
app.command("init", rich_help_panel=SET_UP)(project_commands.init)
app.command("demo", rich_help_panel=SET_UP)(project_commands.demo)
config_app.command("show")(config_commands.show)
app.add_typer(config_app, name="config", rich_help_panel=SET_UP)
local_app.command("up")(local_commands.up)
local_app.command("down")(local_commands.down)
local_app.command("status")(local_commands.status)
app.add_typer(local_app, name="local", rich_help_panel=SET_UP)
app.command("schema", rich_help_panel=SET_UP)(config_commands.schema)


def _version(wanted: bool) -> None:
    if wanted:
        import cloud_etl

        echo(f"cloud-etl {cloud_etl.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Moves raw files through PySpark into a warehouse and accounts for every row."""


def run_command() -> int:
    """Run the command line and give the exit code that docs/reference/exit-codes.md lists."""
    try:
        result = app(standalone_mode=False)
    except (CloudEtlError, RunInterruptedError) as exc:
        _complain(exc)
        return exit_code_of(exc)
    except (KeyboardInterrupt, typer.Abort):
        result = 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader (head, less) has gone: not an error of ours; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as exc:
        # A usage error of the command-line library knows how to show itself; anything else is a bug of ours.
        show = getattr(exc, "show", None)
        if not callable(show):
            refused = refused_by_system(exc)
            if refused is None:
                raise
            _complain(refused)
            return refused.exit_code
        show()
        return UsageError.exit_code
    # The command-line library makes this code of Ctrl-C without a word; a run under way has raised an error instead.
    if result == 128 + signal.SIGINT:
        echo("interrupted; no run was under way", err=True)
    return result if isinstance(result, int) else 0


def _complain(exc: CloudEtlError | RunInterruptedError) -> None:
    from cloud_etl.config.secrets import known_secrets
    from cloud_etl.monitoring.redaction import Redactor

    word = "interrupted" if isinstance(exc, RunInterruptedError) else "error"
    typer.secho(f"{word}: ", err=True, nl=False, fg=typer.colors.RED, bold=True)
    redactor = Redactor(known_secrets)
    problems = exc.problems if isinstance(exc, ConfigError) else ()
    lines = [_redacted(problem, redactor) for problem in problems] or [redactor.text(str(exc))]
    echo("\n".join(lines), err=True)


def _redacted(problem: Problem, redactor: Redactor) -> str:
    """A finding without secrets; the path before its colon is a name, not the name of what follows: `token: wants`."""
    path, colon, said = problem.message.partition(": ")
    if " " in path or not colon:
        path, colon, said = "", "", problem.message
    return redactor.known(str(replace(problem, message=f"{path}{colon}{redactor.text(said)}")))
