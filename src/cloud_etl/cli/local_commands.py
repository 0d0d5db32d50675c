"""`cloud-etl local up`, `down` and `status`: AWS on this machine."""

from __future__ import annotations

import json
import os
import re
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloud_etl.cli.options import HERE, Output, OutputOption, ProjectOption
from cloud_etl.cli.output import echo
from cloud_etl.errors import TargetError, UsageError

if TYPE_CHECKING:
    from cloud_etl.config.config import LoadedProject
    from cloud_etl.local_aws.stack import LocalAws, PartStatus


class S3Choice(StrEnum):
    """Which server keeps the objects."""

    seaweed = "seaweed"
    moto = "moto"


FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", "-f", help="Data, credentials and logs.", show_default=".local-aws in the project"),
]
S3Option = Annotated[
    S3Choice | None,
    typer.Option("--s3", help="seaweed keeps objects on disk, moto in memory.", show_default="seaweed"),
]


def up(
    project: ProjectOption = HERE,
    folder: FolderOption = None,
    s3: S3Option = None,
    output: OutputOption = Output.text,
) -> None:
    """Start S3, AWS APIs and a Redshift-compatible server in the background; print the variables for other tools.

    What runs already is left alone. Inside a project the environment local-aws is there afterwards, with the
    project's raw files in its bucket.
    """
    from cloud_etl.config.project_files import LOCAL_ENVIRONMENT, LOCAL_ENVIRONMENT_FILE
    from cloud_etl.local_aws import environment, resources

    began = time.monotonic()
    root, stack = _opened(project, folder)
    loaded = _loaded(root)
    name = loaded.spec.project if loaded else "cloud-etl"
    bucket = _bucket_name(name)
    addresses = stack.up(s3.value if s3 else None)
    resources.make_resources(addresses, name, bucket)
    copied = resources.copy_raw_files(loaded, addresses, bucket) if loaded else 0
    path = root / LOCAL_ENVIRONMENT_FILE if root else stack.folder / "environment.yaml"
    environment.write_environment(path, LOCAL_ENVIRONMENT, environment.environment_of(addresses, bucket))
    variables = environment.variables_of(addresses, bucket, LOCAL_ENVIRONMENT)
    if output is Output.json:
        parts = [_as_dict(one) for one in stack.status()]
        echo(json.dumps({"folder": str(stack.folder), "variables": variables, "parts": parts}, indent=2))
        return
    _tell(f"Local AWS is up in {stack.folder} ({time.monotonic() - began:.1f} s).", _table(stack.status()), "")
    if loaded:
        files = "1 raw file was" if copied == 1 else f"{copied} raw files were"
        more = f"; {files} copied into it" if copied else ""
        _tell(f"The bucket is s3://{bucket}{more}.")
        _tell(f"Run a pipeline:       cloud-etl run --all --env {LOCAL_ENVIRONMENT}")
    _tell('Use it from a shell:  eval "$(cloud-etl local up)"')
    _tell("Stop it:              cloud-etl local down    (the data stays)", "")
    echo(environment.as_exports(variables), nl=False)


def down(project: ProjectOption = HERE, folder: FolderOption = None) -> None:
    """Stop the servers; their data stays for the next `up`."""
    from cloud_etl.config.project_files import LOCAL_ENVIRONMENT_FILE

    root, stack = _opened(project, folder)
    stopped = stack.down()
    if root:
        (root / LOCAL_ENVIRONMENT_FILE).unlink(missing_ok=True)
    if stopped:
        echo(f"Stopped {', '.join(stopped)}. The data is in {stack.folder}.")
    else:
        echo(f"Nothing of {stack.folder} was running.")


def status(project: ProjectOption = HERE, folder: FolderOption = None, output: OutputOption = Output.text) -> int:
    """Show which servers run and answer; exit code 4 when one does not."""
    _, stack = _opened(project, folder)
    parts = stack.status()
    if output is Output.json:
        shown = [_as_dict(part) for part in parts]
        echo(json.dumps({"folder": str(stack.folder), "parts": shown}, indent=2))
    elif parts:
        echo(_table(parts))
    else:
        echo(f"There is no local AWS in {stack.folder}. Start one: cloud-etl local up")
    if parts and all(part.healthy for part in parts):
        return 0
    if parts and output is Output.text:
        echo("Start what is missing: cloud-etl local up")
    return TargetError.exit_code


def _tell(*lines: str) -> None:
    """Tell a person; stdout is for the shell."""
    for line in lines:
        echo(line, err=True)


def _opened(project: Path, folder: Path | None) -> tuple[Path | None, LocalAws]:
    from cloud_etl.config.config import find_project
    from cloud_etl.local_aws.stack import LocalAws

    try:
        root: Path | None = find_project(project)
    except UsageError:
        # Outside of a project the servers are as useful to other programs.
        root = None
    return root, LocalAws(folder or (root or project) / ".local-aws")


def _loaded(root: Path | None) -> LoadedProject | None:
    """The project in its own default environment, where the raw files are."""
    if root is None:
        return None
    from cloud_etl.config.config import ENVIRONMENT_VARIABLE, load_project

    environ = {name: value for name, value in os.environ.items() if name != ENVIRONMENT_VARIABLE}
    return load_project(root, None, environ)


def _bucket_name(project: str) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", project.lower()).strip("-")[:50].strip("-") or "cloud-etl"
    return f"{name}-local-aws"


def _table(parts: tuple[PartStatus, ...]) -> str:
    width = max(len(part.health) for part in parts)
    return "\n".join(
        f"  {part.name:<9} {part.health:<{width}}  127.0.0.1:{part.port:<6} pid {part.pid:<8} {part.title}"
        for part in parts
    )


def _as_dict(part: PartStatus) -> dict[str, str | int | bool]:
    return {
        "name": part.name, "title": part.title, "health": part.health, "healthy": part.healthy, "pid": part.pid,
        "host": "127.0.0.1", "port": part.port,
    }  # fmt: skip
