"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How a command writes its result on stdout."""

    text = "text"
    json = "json"


class LogFormat(StrEnum):
    """How log lines look."""

    text = "text"
    json = "json"


class LogLevel(StrEnum):
    """Lowest level that is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


ProjectOption = Annotated[
    Path, typer.Option("--project", "-C", help="Folder of the project, or one inside it.", show_default="here")
]
EnvOption = Annotated[
    str | None, typer.Option("--env", "-e", help="Environment.", show_default="the project's default")
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs.")]
PipelinesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PIPELINE", help="Pipelines: names, or words as in --select.", show_default=False),
]
HERE = Path()
