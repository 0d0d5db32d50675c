"""Load a project: cloud-etl.yaml, pipelines/*.yaml and environment variables, and where each value comes from.

Precedence, the later wins: default < base environment < environment < environment variable < command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from cloud_etl import backends
from cloud_etl.config.findings import dotted, problems_of
from cloud_etl.config.overlay import ENVIRONMENTS, apply_override, find_override, merge_environments, variables, walk
from cloud_etl.config.secrets import Fetch, reference_error, resolve_environment
from cloud_etl.config.yaml_positions import Document, Place, YamlPath, place_of, read_yaml
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.spec import EnvironmentSpec, PipelineSpec, ProjectSpec
from cloud_etl.errors import ConfigError, Problem, UsageError

PROJECT_FILE = "cloud-etl.yaml"
PIPELINES_FOLDER = "pipelines"
ENVIRONMENT_VARIABLE = "CLOUD_ETL_ENV"
DEFAULT = Place("default")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """A project in one of its environments, checked for shape; `pipeline/check.py` checks what it means.

    Attributes:
        root: folder of cloud-etl.yaml.
        environment: the chosen one, with its references unresolved; `resolved` gives one to work with.
        pipelines: by name, in the order of their files.
        origins: dotted path of each written setting of project and environment -> its line or variable.
        places: per pipeline, path of each value -> its line or variable.
        warnings: findings that stop nothing.
        environ: environment variables that references may name.
    """

    root: Path
    spec: ProjectSpec
    environment_name: str
    environment: EnvironmentSpec
    pipelines: Mapping[str, PipelineSpec]
    origins: Mapping[str, Place] = field(repr=False)
    places: Mapping[str, Mapping[YamlPath, Place]] = field(repr=False)
    warnings: tuple[Problem, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def place(self, pipeline: str, path: YamlPath) -> Place:
        """Where a value of a pipeline stands, or the nearest value above it."""
        return place_of(path, self.places[pipeline]) or Place(pipeline)

    def origin(self, path: str) -> Place:
        """Where a setting of project or environment comes from; `DEFAULT` where nobody wrote it."""
        return self.origins.get(path, DEFAULT)

    def resolved(self, fetch: Fetch | None = None) -> LoadedProject:
        """The project with the `${env:}` and `${secret:}` of its environment resolved, to open things with.

        Raises:
            SecretError: one cannot be resolved; says which and what to do.
            TemporaryError: Secrets Manager has a passing fault.
        """
        return replace(self, environment=resolve_environment(self.environment, self.environ, fetch))


@dataclass(frozen=True, slots=True)
class _Files:
    project: Document
    pipelines: tuple[Document, ...]


def find_project(start: Path) -> Path:
    """The nearest folder at or above `start` that holds cloud-etl.yaml.

    Raises:
        UsageError: there is none.
    """
    for folder in (start, *start.absolute().parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise UsageError(
        f"no {PROJECT_FILE} in {start.absolute()} or above it. Go into a project, name one with --project, "
        "or begin one with: cloud-etl init"
    )


def load_project(root: Path, env: str | None, environ: Mapping[str, str]) -> LoadedProject:
    """Read and check a project's files.

    Args:
        root: folder of cloud-etl.yaml.
        env: environment from the command line; CLOUD_ETL_ENV, else the project's default without.
        environ: environment variables; CLOUD_ETL__* override values.

    Raises:
        ConfigError: every finding in all files, with file and line.
        UsageError: `env` names no environment.
    """
    backends.register_families()
    problems: list[Problem] = []
    files = _overridden(_read(root, problems), environ, problems)
    merged, found = merge_environments(files.project)
    problems += [*found, *_references(files.project)]
    # Where no environment is left the circle is the finding, not that there is no environment.
    lost = bool(found) and not merged.data[ENVIRONMENTS]
    spec = None if lost else _validated(ProjectSpec, merged, problems)
    pipelines = [(document, _validated(PipelineSpec, document, problems)) for document in files.pipelines]
    valid = [(document, pipeline) for document, pipeline in pipelines if pipeline is not None]
    problems += _duplicates(valid)
    if problems or spec is None:
        raise ConfigError(_sorted(problems))
    name = _choose(env, environ, spec, merged)
    return LoadedProject(
        root=root,
        spec=spec,
        environment_name=name,
        environment=spec.environments[name],
        pipelines={pipeline.pipeline: pipeline for _, pipeline in valid},
        origins={dotted(path): place for path, place in merged.places.items() if path},
        places={pipeline.pipeline: document.places for document, pipeline in valid},
        warnings=tuple(_overlooked(root)),
        environ=environ,
    )


def _shown(path: Path) -> str:
    """How messages name a file: from the working folder where it lies below it."""
    here = Path.cwd()
    return path.absolute().relative_to(here).as_posix() if path.absolute().is_relative_to(here) else str(path)


def _read(root: Path, problems: list[Problem]) -> _Files:
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
    return _Files(documents[0], tuple(documents[1:]))


def _overridden(files: _Files, environ: Mapping[str, str], problems: list[Problem]) -> _Files:
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
    return _Files(project, tuple(pipelines))


def _pipeline_number(variable: str, parts: tuple[str, ...], documents: list[Document]) -> int:
    names = [str(document.data.get("pipeline")).lower() for document in documents]
    if len(parts) < 3 or parts[1].lower() not in names:
        hint = did_you_mean(parts[1].lower(), names) if len(parts) > 1 else ""
        raise ConfigError(
            [Problem(f"name a pipeline and a key: CLOUD_ETL__PIPELINES__<PIPELINE>__<KEY>{hint}", variable)]
        )
    return names.index(parts[1].lower())


def _validated(model: type[Model], document: Document, problems: list[Problem]) -> Model | None:
    if not document.places:
        return None
    try:
        return model.model_validate(document.data)
    except ValidationError as exc:
        # Not chained: pydantic's own message repeats the values it was given.
        problems += problems_of(exc, document, model)
    return None


def _references(document: Document) -> Iterator[Problem]:
    """References in environments that are not written as they must be."""
    for path, value in walk(document.data.get(ENVIRONMENTS), (ENVIRONMENTS,)):
        wrong = reference_error(value) if isinstance(value, str) else None
        if wrong:
            yield document.place(path).problem(f"{dotted(path)}: {wrong}")


def _duplicates(pipelines: list[tuple[Document, PipelineSpec]]) -> Iterator[Problem]:
    """Names that two pipelines or outputs share: pipelines, outputs, tables."""
    seen: dict[tuple[str, str], Place] = {}
    for document, pipeline in pipelines:
        names = [("pipeline", pipeline.pipeline, document.place(("pipeline",)))]
        for number, output in enumerate(pipeline.outputs):
            names.append(("output", output.name, document.place(("outputs", number, "name"))))
            if output.load is not None:
                names.append(("table", output.load.table, document.place(("outputs", number, "load", "table"))))
        for kind, name, place in names:
            # Folders and warehouses may not tell upper case from lower.
            first = seen.setdefault((kind, name.lower()), place)
            if first is not place:
                yield place.problem(f"{kind} {name!r} is taken already: {first}")


def _choose(env: str | None, environ: Mapping[str, str], spec: ProjectSpec, document: Document) -> str:
    """Name of the environment to work in."""
    from_variable = environ.get(ENVIRONMENT_VARIABLE) or None
    name = env or from_variable or spec.default_environment
    if name in spec.environments:
        return name
    message = f"there is no environment {name!r}{did_you_mean(name, spec.environments)}"
    if env:
        raise UsageError(message)
    if from_variable:
        raise ConfigError([Problem(message, ENVIRONMENT_VARIABLE)])
    place = document.place(("default_environment",))
    raise ConfigError([place.problem(f"{message}; set default_environment, or choose one with --env")])


def _overlooked(root: Path) -> Iterator[Problem]:
    """Pipeline files in subfolders, which are not read."""
    for path in sorted((root / PIPELINES_FOLDER).glob("*/*")):
        if path.suffix in (".yaml", ".yml"):
            yield Problem(f"not read: pipeline files stand in {PIPELINES_FOLDER}/ itself", _shown(path))


def _sorted(problems: list[Problem]) -> list[Problem]:
    """By file and line; those without a file first."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0))
