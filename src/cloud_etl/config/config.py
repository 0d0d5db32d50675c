"""Load a project: cloud-etl.yaml, pipelines/*.yaml and environment variables, and where each value comes from.

Precedence, the later wins: default < base environment < environment < environment variable < command line.
`.local-aws/environment.yaml` stands beside cloud-etl.yaml, which goes before it value by value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from cloud_etl import backends
from cloud_etl.config.findings import confused, dotted, problems_of
from cloud_etl.config.overlay import ENVIRONMENTS, merge_environments
from cloud_etl.config.project_files import LOCAL_ENVIRONMENT, PROJECT_FILE, overlooked, read_files, with_overrides
from cloud_etl.config.secrets import Fetch, reference_error, resolve_environment
from cloud_etl.config.yaml_positions import Document, Place, YamlPath, place_of, walk
from cloud_etl.domain.environment import EnvironmentSpec, ProjectSpec
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import ConfigError, Problem, UsageError

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
    files = with_overrides(read_files(root, problems), environ, problems)
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
        warnings=tuple(overlooked(root)),
        environ=environ,
    )


def _validated(model: type[Model], document: Document, problems: list[Problem]) -> Model | None:
    if not document.places:
        return None
    problems += confused(document, model)
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
    hint = did_you_mean(name, spec.environments)
    if name == LOCAL_ENVIRONMENT:
        hint = " while no local AWS is up; start it with: cloud-etl local up"
    message = f"there is no environment {name!r}{hint}"
    if env:
        raise UsageError(message)
    if from_variable:
        raise ConfigError([Problem(message, ENVIRONMENT_VARIABLE)])
    place = document.place(("default_environment",))
    raise ConfigError([place.problem(f"{message}; set default_environment, or choose one with --env")])


def _sorted(problems: list[Problem]) -> list[Problem]:
    """By file and line; those without a file first."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0))
