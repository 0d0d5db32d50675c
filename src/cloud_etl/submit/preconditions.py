"""What must be true of an environment before a run of it is sent elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretStr

from cloud_etl.config.overlay import variables
from cloud_etl.config.secrets import Resolver, variables_needed
from cloud_etl.config.secrets_manager import fetch_from_aws
from cloud_etl.errors import ConfigError, Problem, SecretError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_etl.config.config import LoadedProject
    from cloud_etl.domain.environment import EnvironmentSpec
    from cloud_etl.domain.submit_spec import SubmitSpec

# Overrides that concern the sender alone: the job has a role, and its log is the service's.
_SENDERS = re.compile(
    r"__(SUBMIT|LOG|S3__(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE))(__|$)", re.IGNORECASE
)
# spark.archives separates by commas, and # begins the name of the folder.
_UNSAFE = re.compile(r"[\s,#'\"\\]")


def for_sending(loaded: LoadedProject) -> LoadedProject:
    """The project with the references of store and submit resolved, and no others: the sender needs no more secrets.

    Raises:
        SecretError: one cannot be resolved, or submit names a secret.
    """
    environment = loaded.environment
    own = Resolver(loaded.environ, fetch_from_aws)
    submit = environment.submit and Resolver(loaded.environ, _no_secret).model(environment.submit, "submit")
    update = {
        "store": own.text(environment.store, "store"),
        "s3": own.model(environment.s3, "s3"),
        "submit": submit,
    }
    return replace(loaded, environment=environment.model_copy(update=update))


def check_sendable(loaded: LoadedProject, names: Sequence[str]) -> None:
    """Check that the run would find elsewhere what it finds here.

    Args:
        loaded: as `for_sending` gives it.
        names: pipelines of the run.

    Raises:
        UsageError: the environment says nowhere where to send runs.
        ConfigError: every finding, with file and line.
    """
    environment, name = loaded.environment, loaded.environment_name
    if environment.submit is None:
        raise UsageError(
            f"environment {name} has no `submit`, which says where runs are sent. Nothing was sent. "
            "See docs/how-to/emr-serverless.md, or run here with: cloud-etl run"
        )
    problems = [*_of_environment(loaded), *_of_sources(loaded, names), *_of_variables(loaded, environment.submit)]
    if problems:
        raise ConfigError(problems)


def _of_environment(loaded: LoadedProject) -> Iterator[Problem]:
    environment, path = loaded.environment, f"environments.{loaded.environment_name}"

    def problem(key: str, message: str) -> Problem:
        place = loaded.origins.get(f"{path}.{key}") or loaded.origin(path)
        return place.problem(f"{path}.{key}: {message}")

    if not environment.store.startswith("s3://"):
        yield problem("store", "a submitted run needs an s3:// store; a folder of this machine is not there")
    elif _UNSAFE.search(environment.store):
        yield problem("store", "the url has a blank, comma, quote or #, which Spark cannot take in a path of archives")
    if environment.engine.name != "spark":
        yield problem("engine.name", f"a submitted run needs the spark engine, not {environment.engine.name}")
    if (file := _relative_file(environment)) is not None:
        yield problem("warehouse", f"{file} would be written beside the job's code and lost with it; use a server")
    for section in ("s3", "warehouse"):
        for key in _profiles(getattr(environment, section), section):
            yield problem(key, "a job has no AWS profiles but its own role; set AWS_PROFILE here instead")


def _relative_file(environment: EnvironmentSpec) -> str | None:
    """A warehouse file that lies beside the project."""
    paths = (getattr(kind, "path", None) for _, kind in environment.warehouse if isinstance(kind, BaseModel))
    return next((path for path in paths if path is not None and not str(path).startswith("/")), None)


def _profiles(model: BaseModel, path: str) -> Iterator[str]:
    """Paths of the settings that name an AWS profile of this machine."""
    for key, value in model:
        if isinstance(value, BaseModel):
            yield from _profiles(value, f"{path}.{key}")
        elif key == "profile" and value is not None:
            yield f"{path}.{key}"


def _of_sources(loaded: LoadedProject, names: Sequence[str]) -> Iterator[Problem]:
    for name in names:
        if loaded.pipelines[name].source.path.startswith("file://"):
            place = loaded.place(name, ("source", "path"))
            yield place.problem("source.path: a folder of this machine is not there in a submitted run; use the store")


def _of_variables(loaded: LoadedProject, submit: SubmitSpec) -> Iterator[Problem]:
    for variable in variables(loaded.environ):
        if variable not in submit.variables and not _SENDERS.search(variable):
            yield Problem(
                "it changes the configuration here and would not in the job; write the value into the file, or the "
                "variable under submit.variables",
                variable,
            )
    # As it is written: the references of what the sender needs are resolved already.
    written = loaded.spec.environments[loaded.environment_name].model_copy(update={"submit": None})
    for path, text in _texts(written, f"environments.{loaded.environment_name}"):
        for variable in variables_needed(text):
            if variable not in submit.variables:
                yield loaded.origin(path).problem(
                    f"{path} needs the environment variable {variable}; name it under submit.variables for the job"
                )


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every text below a setting, with its path."""
    if isinstance(value, SecretStr):
        yield path, value.get_secret_value()
    elif isinstance(value, str):
        yield path, value
    elif isinstance(value, BaseModel):
        for key, inner in value:
            yield from _texts(inner, f"{path}.{type(value).model_fields[key].alias or key}")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}")


def _no_secret(name: str) -> str:
    raise SecretError(
        f"submit names the secret {name}, and whoever may look at the job run would see it. Nothing was sent. "
        "Name the secret where it is used: the job resolves ${secret:} itself, with its own role."
    )
