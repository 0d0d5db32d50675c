"""Lay environment variables and base environments over what the project file says, keeping the place of each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from cloud_etl.config.findings import dotted
from cloud_etl.config.model_tree import EXTENDS, below, given, is_optional, is_text, keys, model_of
from cloud_etl.config.yaml_positions import Document, Place, YamlPath, parse_value, walk
from cloud_etl.config.yaml_scalars import scalar
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import ConfigError, Problem

PREFIX = "CLOUD_ETL__"
ENVIRONMENTS = "environments"


@dataclass(frozen=True, slots=True)
class Override:
    """An environment variable that sets the value at a path."""

    variable: str
    path: YamlPath
    value: object


def variables(environ: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Names of the override variables that are set, with the parts of their paths, sorted by name."""
    names = sorted(name for name in environ if name.startswith(PREFIX))
    return {name: tuple(name.removeprefix(PREFIX).split("__")) for name in names}


def find_override(
    variable: str, text: str, parts: tuple[str, ...], model: type[BaseModel], data: Mapping[str, object]
) -> Override:
    """Find the value that an environment variable sets, and read its text as that value.

    Args:
        variable: full name, for messages.
        text: what it is set to. Where the model wants text it is taken as it stands, else read as YAML.
        parts: the path, in any case, `_` for `-` and `.`.
        model: of the document that is overridden.
        data: the document; keys of its mappings may be named though no model knows them.

    Raises:
        ConfigError: the path leads nowhere; the message has a "did you mean".
    """
    path: YamlPath = ()
    annotation: object = model
    here: object = data
    for part in parts:
        key = _match(part, variable, path, annotation, here)
        path, annotation = (*path, key), str if key == EXTENDS else below(annotation, key)
        here = here.get(key) if isinstance(here, Mapping) else None
    if is_text(annotation):
        value: object = None if text == "null" and is_optional(annotation) else text
    else:
        value = parse_value(text, variable) if text[:1] in ("[", "{", '"', "'") else scalar(text)
    return Override(variable, path, value)


def apply_override(document: Document, override: Override) -> Document:
    """The document with that value in place; mappings are merged, anything else is replaced."""
    place = Place(override.variable)
    *above, last = override.path
    value: dict[str, object] = {str(last): override.value}
    for key in reversed(above):
        value = {str(key): value}
    places = dict.fromkeys((path for path, _ in walk(override.value, override.path)), place)
    data = _merged_maps(document.data, value)
    return Document(document.file, data, {**document.places, **places})


def lay_over(base: Document, document: Document) -> Document:
    """The document with what it does not say itself taken from a base; mappings are merged."""
    data = _merged_maps(base.data, document.data)
    return Document(document.file, data, {**base.places, **document.places})


def merge_environments(document: Document) -> tuple[Document, list[Problem]]:
    """Follow `extends`: an environment gets what it does not say itself from its base, and so on.

    Returns:
        The document with whole environments and without `extends`; environments whose base is off are left out.
        Beside it the findings: unknown bases, and circles as `a -> b -> a`.
    """
    environments = document.data.get(ENVIRONMENTS)
    if not isinstance(environments, Mapping):
        return document, []
    whole: dict[str, object] = {}
    places = dict(document.places)
    problems: list[Problem] = []
    for name in environments:
        try:
            chain = _chain(name, environments, document)
        except ConfigError as exc:
            problems += exc.problems
            continue
        merged: object = {}
        for link in reversed(chain):
            merged = _merged(merged, environments[link])
            places |= _moved(document.places, link, name)
        whole[name] = merged
        if isinstance(merged, Mapping):
            whole[name] = {key: value for key, value in merged.items() if key != EXTENDS}
    return Document(document.file, {**document.data, ENVIRONMENTS: whole}, places), list(dict.fromkeys(problems))


def _match(part: str, variable: str, path: YamlPath, annotation: object, here: object) -> str:
    """The key that a part of a variable's name stands for."""
    owner = model_of(annotation)
    known = keys(owner) if owner is not None else tuple(here) if isinstance(here, Mapping) else ()
    for key in known:
        if _folded(key) == _folded(part):
            return key
    above = dotted(path) or "the project"
    if isinstance(here, list) or not known:
        raise ConfigError([Problem(f"{above} has no keys; set it as a whole", variable)])
    raise ConfigError([Problem(f"{above} has no key {part.lower()!r}{did_you_mean(_folded(part), known)}", variable)])


def _folded(key: str) -> str:
    return key.lower().replace("-", "_").replace(".", "_")


def _merged(under: object, over: object) -> object:
    """Mappings key by key; anything else is replaced."""
    both = isinstance(under, Mapping) and isinstance(over, Mapping)
    return _merged_maps(under, over) if both else over  # type: ignore[arg-type]  # just checked


def _merged_maps(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    return {**under, **{key: _merged(under.get(key), value) for key, value in over.items()}}


def _chain(name: str, environments: Mapping[str, object], document: Document) -> list[str]:
    """The environment, its base, the base's base and so on."""
    chain = [name]
    while isinstance(here := environments[chain[-1]], Mapping) and here.get(EXTENDS) is not None:
        base, place = here[EXTENDS], document.place((ENVIRONMENTS, chain[-1], EXTENDS))
        if not isinstance(base, str):
            message = f"environments.{chain[-1]}.extends: wants the name of an environment, not {given(base)}"
            raise ConfigError([place.problem(message)])
        if base not in environments:
            hint = did_you_mean(base, set(environments) - {chain[-1]})
            raise ConfigError([place.problem(f"environment {chain[-1]} extends {base!r}, which is not there{hint}")])
        if base in chain:
            circle = chain[chain.index(base) :]
            first = circle.index(min(circle))
            shown = " -> ".join([*circle[first:], *circle[:first], circle[first]])
            start = document.place((ENVIRONMENTS, circle[first], EXTENDS))
            raise ConfigError([start.problem(f"environments extend one another in a circle: {shown}")])
        chain.append(base)
    return chain


def _moved(places: Mapping[YamlPath, Place], source: str, target: str) -> dict[YamlPath, Place]:
    """Places of an environment's values as those of the environment that inherits them."""
    depth = 2
    head = (ENVIRONMENTS, source)
    return {(ENVIRONMENTS, target, *path[depth:]): place for path, place in places.items() if path[:depth] == head}
