"""The settings in force, each with where it comes from; secrets stay references or stars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

from cloud_etl.config.config import ENVIRONMENT_VARIABLE, LoadedProject
from cloud_etl.config.model_tree import fields
from cloud_etl.config.overlay import ENVIRONMENTS
from cloud_etl.config.secrets import MASK, is_reference
from cloud_etl.config.yaml_positions import Place

Value = str | int | float | bool | None | tuple[str, ...]
_PASSWORD_IN_URL = re.compile(r"://[^@\s/]*:\S*@")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the configuration in force; parts lead to it from the top of the page."""

    parts: tuple[str, ...]
    value: Value
    origin: Place


def settings(loaded: LoadedProject, env: str | None = None) -> tuple[Setting, ...]:
    """Every setting of the project in its environment, in the order of the reference.

    Args:
        loaded: as it was loaded, before its references were resolved.
        env: environment from the command line, None when it was chosen otherwise.
    """
    project = Setting(("project",), loaded.spec.project, loaded.origin("project"))
    environment = Setting(("environment",), loaded.environment_name, _chosen_by(loaded, env))
    written = f"{ENVIRONMENTS}.{loaded.environment_name}"
    return (project, environment, *_walk(loaded, loaded.environment, (), written), *_pipelines(loaded))


def _chosen_by(loaded: LoadedProject, env: str | None) -> Place:
    if env:
        return Place("--env")
    return (
        Place(ENVIRONMENT_VARIABLE)
        if loaded.environ.get(ENVIRONMENT_VARIABLE)
        else loaded.origin("default_environment")
    )


def _walk(loaded: LoadedProject, model: BaseModel, parts: tuple[str, ...], written: str) -> Iterator[Setting]:
    for key, name in zip(fields(type(model)), type(model).model_fields, strict=True):
        value = getattr(model, name)
        here, path = (*parts, key), f"{written}.{key}"
        if isinstance(value, BaseModel):
            yield from _walk(loaded, value, here, path)
        elif isinstance(value, Mapping):
            yield from (Setting((*here, k), _shown(v), loaded.origin(f"{path}.{k}")) for k, v in value.items())
        else:
            yield Setting(here, _shown(value), loaded.origin(path))


def _pipelines(loaded: LoadedProject) -> Iterator[Setting]:
    for name in loaded.pipelines:
        place = loaded.place(name, ("pipeline",))
        yield Setting(("pipelines", name), place.file, place)


def _shown(value: object) -> Value:
    """A value as it may be printed."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return text if is_reference(text) else MASK
    if isinstance(value, str):
        return _PASSWORD_IN_URL.sub(f"://{MASK}@", str(value))
    if isinstance(value, tuple):
        return tuple(str(_shown(item)) for item in value)
    return value if isinstance(value, int | float) else None
