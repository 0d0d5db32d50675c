"""`cloud-etl validate`, `cloud-etl config show` and `cloud-etl schema`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloud_etl.cli.options import EnvOption, Output, OutputOption, ProjectOption
from cloud_etl.cli.output import echo
from cloud_etl.errors import ConfigError, Problem, TargetError

if TYPE_CHECKING:
    from cloud_etl.config.config import LoadedProject
    from cloud_etl.config.effective import Setting, Value


class SchemaKind(StrEnum):
    """The two sorts of files that have a schema."""

    project = "project"
    pipeline = "pipeline"


def validate(
    project: ProjectOption = Path(),
    env: EnvOption = None,
    imports: Annotated[
        bool,
        typer.Option(
            "--import",
            help="Import the project's Python and call the functions of python steps on frames without rows.",
        ),
    ] = False,
    output: OutputOption = Output.text,
) -> None:
    """Check the whole configuration without touching data: every finding with file and line.

    Runs nothing of the project without --import: functions of python steps are looked for in the text of their
    modules, and a pipeline is analysed up to the first such step.
    """
    from cloud_etl.pipeline.project import Project

    try:
        examined = Project.examine(project, env, imports=imports)
    except ConfigError as exc:
        if output is Output.text:
            raise
        echo(json.dumps({"valid": False, "problems": [_as_dict(problem) for problem in exc.problems]}, indent=2))
        raise typer.Exit(exc.exit_code) from None
    loaded = examined.loaded
    partly = () if imports else examined.unrehearsed
    if output is Output.json:
        warnings = [_as_dict(problem) for problem in loaded.warnings]
        facts = {"valid": True, "problems": [], "warnings": warnings, "not_analysed_to_the_end": partly}
        echo(json.dumps(facts, indent=2))
        return
    for warning in loaded.warnings:
        echo(f"warning: {warning}", err=True)
    pipelines = _counted(len(loaded.pipelines), "pipeline")
    environments = _counted(len(loaded.spec.environments), "environment")
    echo(f"{loaded.spec.project}: {pipelines} and {environments} are valid")
    if partly:
        echo(
            f"Not analysed to the end, for that runs code of the project: {', '.join(partly)}. Where you trust it: "
            "cloud-etl validate --import"
        )


def show(
    project: ProjectOption = Path(),
    env: EnvOption = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    output: OutputOption = Output.text,
) -> None:
    """Show the settings in force as YAML, secrets masked."""
    from cloud_etl.config.effective import settings

    found = settings(_load(project, env), env)
    if output is Output.json:
        echo(json.dumps(_tree(found, origin), indent=2))
        return
    lines = list(_lines(found))
    width = max(len(line) for line, _ in lines)
    for line, setting in lines:
        echo(f"{line:<{width}}  # {setting.origin}" if origin and setting else line)


def schema(
    kind: Annotated[SchemaKind | None, typer.Argument(help="project or pipeline; both with --write.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write into the project's folder instead of stdout.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Print or write the JSON Schema that editors complete and check configuration files with."""
    from cloud_etl.config.json_schema import FILES, schema_text

    if not write:
        echo(schema_text("project" if kind is SchemaKind.project else "pipeline"), nl=False)
        return
    from cloud_etl.config.config import find_project

    root = find_project(project)
    for name, file in FILES.items():
        if kind is None or kind == name:
            _write(root / file, schema_text(name))
            echo(f"wrote {root / file}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise TargetError(f"{path} cannot be written: {exc.strerror}. Make the folder writable.") from exc


def _load(project: Path, env: str | None) -> LoadedProject:
    from cloud_etl.config.config import find_project, load_project

    return load_project(find_project(project), env, os.environ)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _as_dict(problem: Problem) -> dict[str, str | int | None]:
    return {"file": problem.file, "line": problem.line, "message": problem.message}


def _lines(found: Sequence[Setting]) -> Iterator[tuple[str, Setting | None]]:
    """Lines of YAML; a heading has no setting."""
    above: tuple[str, ...] = ()
    for setting in found:
        *heads, key = setting.parts
        for depth, head in enumerate(heads):
            if above[: depth + 1] != tuple(heads[: depth + 1]):
                yield f"{'  ' * depth}{head}:", None
        above = tuple(heads)
        yield f"{'  ' * len(heads)}{key}: {_yaml(setting.value)}", setting


def _yaml(value: Value) -> str:
    from cloud_etl.config.yaml_scalars import reads_as_text

    if isinstance(value, str):
        return value if reads_as_text(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _tree(found: Sequence[Setting], origin: bool) -> dict[str, object]:
    """Settings as nested mappings; with origins each value is {value, origin}."""
    tree: dict[str, object] = {}
    for setting in found:
        here = tree
        *heads, key = setting.parts
        for head in heads:
            here = here.setdefault(head, {})  # type: ignore[assignment]  # only mappings stand above a value
        here[key] = {"value": setting.value, "origin": str(setting.origin)} if origin else setting.value
    return tree
