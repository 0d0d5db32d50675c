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
from cloud_etl.config.findings import confused, dotted, problems_of, without_faults
from cloud_etl.config.overlay import ENVIRONMENTS, merge_environments
from cloud_etl.config.project_files import LOCAL_ENVIRONMENT, PROJECT_FILE, overlooked, read_files, with_overrides
from cloud_etl.config.secrets import Fetch, reference_error, resolve_environment
from cloud_etl.config.yaml_positions import Document, Place, YamlPath, place_of, walk
from cloud_etl.domain.environment import EnvironmentSpec, ProjectSpec
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import CloudEtlError, ConfigError, Problem, UsageError

ENVIRONMENT_VARIABLE = "CLOUD_ETL_ENV"
DEFAULT = Place("default")
# Pipelines are judged in it where the chosen environment is off: what is wrong with them shows in the same round.
_STAND_IN = EnvironmentSpec.model_validate({"store": ".", "warehouse": {"duckdb": {"path": "warehouse.duckdb"}}})
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

    A finding in an environment that is not the chosen one stops nothing; `cloud-etl validate` tells it.

    Args:
        root: folder of cloud-etl.yaml.
        env: environment from the command line; CLOUD_ETL_ENV, else the project's default without.
        environ: environment variables; CLOUD_ETL__* override values.

    Raises:
        ConfigError: every finding in all files, with file and line.
        UsageError: `env` names no environment.
    """
    survey = survey_project(root, env, environ)
    if survey.stops:
        raise ConfigError(_sorted([*survey.problems]))
    return survey.loaded


@dataclass(frozen=True, slots=True)
class Survey:
    """All that the files of a project say, whatever is wrong with them.

    Attributes:
        loaded: the project as far as it can be judged: files with findings are there without what is off, and a
            chosen environment that is off has a stand-in.
        problems: every finding about the shape of the files, in all environments.
        stops: whether a finding is about the pipelines or about the chosen environment, so that nothing can be run.
        damaged: pipelines whose file has findings.
        unread: names of pipelines, outputs and tables in files of which nothing can be judged.
    """

    loaded: LoadedProject
    problems: tuple[Problem, ...] = ()
    stops: bool = False
    damaged: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()


def survey_project(root: Path, env: str | None, environ: Mapping[str, str]) -> Survey:
    """Read a project's files and go on past what is wrong with them.

    Raises:
        ConfigError: nothing can be judged, because cloud-etl.yaml cannot be read or names no environment.
        UsageError: `env` names no environment, and nothing else is wrong.
    """
    backends.register_families()
    problems: list[Problem] = []
    files = with_overrides(read_files(root, problems), environ, problems)
    read = _read_pipelines(files.pipelines)
    problems += [problem for one in read for problem in one.problems]
    problems += _duplicates([(one.document, one.spec) for one in read if one.spec is not None])
    stops = bool(problems)
    merged, circular = merge_environments(files.project)
    problems += circular
    named = merged.data.get(ENVIRONMENTS)
    # Where no environment is left the circle is the finding, not that there is no environment.
    problems += [] if circular and not named else _of_project(merged)
    if not isinstance(named, Mapping) or not named:
        raise ConfigError(_sorted(problems))
    try:
        name = _choose(env, environ, merged)
    except CloudEtlError:
        if problems:
            raise ConfigError(_sorted(problems)) from None
        raise
    chosen = _only(merged, name)
    found: list[Problem] = []
    spec = _validated(ProjectSpec, merged, [])
    if _of_project(chosen) or (mine := spec or _validated(ProjectSpec, chosen, found)) is None:
        mine, stops = ProjectSpec.model_construct(project=root.name, environments={name: _STAND_IN}), True
    loaded = LoadedProject(
        root=root,
        spec=mine,
        environment_name=name,
        environment=mine.environments[name],
        pipelines={one.spec.pipeline: one.spec for one in read if one.spec is not None},
        origins={dotted(path): place for path, place in merged.places.items() if path},
        places={one.spec.pipeline: one.document.places for one in read if one.spec is not None},
        warnings=tuple(overlooked(root)),
        environ=environ,
    )
    damaged = frozenset(one.spec.pipeline for one in read if one.spec is not None and one.problems)
    unread = frozenset(name for one in read if one.spec is None for name in _names_in(one.document.data))
    return Survey(loaded, tuple(_sorted(problems)), stops, damaged, unread)


@dataclass(frozen=True, slots=True)
class _Read:
    """One pipeline file: what is wrong with it, and what can be judged all the same."""

    document: Document
    spec: PipelineSpec | None
    problems: tuple[Problem, ...]


def _read_pipelines(documents: tuple[Document, ...]) -> list[_Read]:
    read = []
    for document in documents:
        problems: list[Problem] = []
        spec = _validated(PipelineSpec, document, problems)
        if spec is None and document.places:
            spec = without_faults(document, PipelineSpec)
        read.append(_Read(document, spec, tuple(problems)))
    return read


def _names_in(data: Mapping[str, object]) -> Iterator[str]:
    """What others may refer to in a file that cannot be judged."""
    yield str(data.get("pipeline"))
    for path, value in walk(data.get("outputs"), ()):
        if path and path[-1] in ("name", "table"):
            yield str(value)


def _of_project(document: Document) -> list[Problem]:
    """Every finding in cloud-etl.yaml, its environments whole already."""
    problems = list(_references(document))
    _validated(ProjectSpec, document, problems)
    return problems


def _only(document: Document, name: str) -> Document:
    """The project with one of its environments."""
    environments = document.data[ENVIRONMENTS]
    kept = {name: environments[name]} if isinstance(environments, Mapping) and name in environments else {}
    return Document(document.file, {**document.data, ENVIRONMENTS: kept}, document.places)


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


def _choose(env: str | None, environ: Mapping[str, str], document: Document) -> str:
    """Name of the environment to work in; the only one needs no name."""
    environments = [str(name) for name in document.data[ENVIRONMENTS]]  # type: ignore[attr-defined]  # a mapping
    own = [name for name in environments if name != LOCAL_ENVIRONMENT] or environments
    from_variable = environ.get(ENVIRONMENT_VARIABLE) or None
    default = document.data.get("default_environment")
    name = env or from_variable or (default if isinstance(default, str) else own[0] if len(own) == 1 else "local")
    if name in environments:
        return name
    hint = did_you_mean(name, environments)
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
