"""Read the files of a project and lay the override variables over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud_etl.config.overlay import apply_override, find_override, lay_over, variables
from cloud_etl.config.yaml_positions import Document, read_yaml
from cloud_etl.domain.environment import ProjectSpec
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import ConfigError, Problem

PROJECT_FILE = "cloud-etl.yaml"
PIPELINES_FOLDER = "pipelines"
LOCAL_ENVIRONMENT = "local-aws"
# Written by `cloud-etl local up` with the addresses of its servers, so that nobody's own file is edited.
LOCAL_ENVIRONMENT_FILE = ".local-aws/environment.yaml"


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The documents of a project; one without places could not be read."""

    project: Document
    pipelines: tuple[Document, ...]


def read_files(root: Path, problems: list[Problem]) -> ProjectFiles:
    """Every file that can be read; the findings of the others are added to problems."""
    folder = root / PIPELINES_FOLDER
    paths = sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml") and path.is_file())
    if not paths:
        problems.append(
            Problem(f"no pipelines: there is no *.yaml in {_shown(folder)}", _shown(root / PROJECT_FILE), 1)
        )
    documents: list[Document] = []
    for path in (root / PROJECT_FILE, *paths):
        try:
            documents.append(read_yaml(path, _shown(path)))
        except ConfigError as exc:
            problems += exc.problems
            if path.name == PROJECT_FILE:
                # Without the project nothing below can be judged, but the syntax of the other files still can.
                documents.append(Document(_shown(path), {}, {}))
    return ProjectFiles(_with_local_environment(documents[0], root, problems), tuple(documents[1:]))


def _with_local_environment(project: Document, root: Path, problems: list[Problem]) -> Document:
    """The project with the environment of a local AWS, where one is up; what the project says itself goes before."""
    path = root / LOCAL_ENVIRONMENT_FILE
    if not project.places or not path.is_file():
        return project
    try:
        return lay_over(read_yaml(path, _shown(path)), project)
    except ConfigError as exc:
        problems += exc.problems
        return project


def with_overrides(files: ProjectFiles, environ: Mapping[str, str], problems: list[Problem]) -> ProjectFiles:
    """The documents with the values of CLOUD_ETL__* variables in place."""
    project, pipelines = files.project, list(files.pipelines)
    for variable, parts in variables(environ).items():
        try:
            if parts[0].lower() == PIPELINES_FOLDER:
                number = _pipeline_number(variable, parts, pipelines)
                document, model, rest = pipelines[number], PipelineSpec, parts[2:]
                override = find_override(variable, environ[variable], rest, model, document.data)
                pipelines[number] = apply_override(document, override)
            elif project.places:
                override = find_override(variable, environ[variable], parts, ProjectSpec, project.data)
                project = apply_override(project, override)
        except ConfigError as exc:
            problems += [Problem(problem.message, variable) for problem in exc.problems]
    return ProjectFiles(project, tuple(pipelines))


def _pipeline_number(variable: str, parts: tuple[str, ...], documents: list[Document]) -> int:
    names = [str(document.data.get("pipeline")).lower() for document in documents]
    if len(parts) < 3 or parts[1].lower() not in names:
        hint = did_you_mean(parts[1].lower(), names) if len(parts) > 1 else ""
        raise ConfigError(
            [Problem(f"name a pipeline and a key: CLOUD_ETL__PIPELINES__<PIPELINE>__<KEY>{hint}", variable)]
        )
    return names.index(parts[1].lower())


def overlooked(root: Path) -> Iterator[Problem]:
    """Pipeline files in subfolders, which are not read."""
    for path in sorted((root / PIPELINES_FOLDER).glob("*/*")):
        if path.suffix in (".yaml", ".yml"):
            yield Problem(f"not read: pipeline files stand in {PIPELINES_FOLDER}/ itself", _shown(path))


def _shown(path: Path) -> str:
    """How messages name a file: from the working folder where it lies below it."""
    here = Path.cwd()
    return path.absolute().relative_to(here).as_posix() if path.absolute().is_relative_to(here) else str(path)
