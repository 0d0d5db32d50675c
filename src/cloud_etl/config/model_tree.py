"""Walk the models along the keys that a person writes, and say in plain words what a value must be."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from cloud_etl.domain.environment import EnvironmentSpec
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import Family

EXTENDS = "extends"
_WORDS = {
    str: "text",
    SecretStr: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    date: "a date",
    datetime: "a timestamp",
    timedelta: "a time span",
    ColumnType: "a type such as decimal(12,2)",
}


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields of a model by the key a person writes (the alias where there is one)."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def keys(model: type[BaseModel]) -> tuple[str, ...]:
    """Keys that may be written into a mapping of that model; environments take `extends` as well."""
    return (*fields(model), EXTENDS) if issubclass(model, EnvironmentSpec) else tuple(fields(model))


def below(annotation: object, key: str | int) -> object | None:
    """The type of the value under a key of a mapping or at a position of a list; None where there is none."""
    for member in members(annotation):
        found = _below(member, key)
        if found is not None:
            return found
    return None


def at(annotation: object, path: Sequence[str | int]) -> object | None:
    """The type of the value at the end of a path; None where the path leaves the models."""
    found: object | None = annotation
    for key in path:
        found = None if found is None else below(found, key)
    return found


def model_of(annotation: object) -> type[BaseModel] | None:
    """The model among the types a value may have, or None."""
    for member in members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None


def members(annotation: object) -> tuple[object, ...]:
    """The types a value may have: the members of a union, without Annotated and without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(part for arg in get_args(annotation) for part in members(arg))
    return () if annotation is type(None) else (annotation,)


def wanted(annotation: object) -> str:
    """What a value must be, in plain words: `text or a list of texts`."""
    words = list(dict.fromkeys(_word(member) for member in members(annotation)))
    if "a whole number" in words and "a number" in words:
        words.remove("a whole number")
    return _either(words) if words else "no value"


def given(value: object) -> str:
    """What a value is, in plain words, without the value itself."""
    words = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    if value is None:
        return "an empty value"
    return words.get(type(value), "keys with values")


def is_text(annotation: object) -> bool:
    """Whether a value must be text of any content."""
    kinds = members(annotation)
    return bool(kinds) and all(kind in (str, SecretStr) for kind in kinds)


def is_optional(annotation: object) -> bool:
    """Whether the value may be null."""
    return type(None) in get_args(annotation)


def _below(member: object, key: str | int) -> object | None:
    origin: object = get_origin(member)
    arguments: tuple[object, ...] = get_args(member)
    if isinstance(member, type) and issubclass(member, Family) and not member.kind:
        return _body(member.registry.get(str(key)))
    if isinstance(member, type) and issubclass(member, BaseModel):
        info = fields(member).get(str(key))
        return None if info is None else info.annotation
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return arguments[1]
    if origin in (tuple, list) and isinstance(key, int):
        return arguments[0]
    return None


def _body(model: type[Family] | None) -> object | None:
    """What stands below `kind:`; the field named by `wrap` where the model takes a short form."""
    return model.model_fields[model.wrap].annotation if model is not None and model.wrap else model


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _word(member: object) -> str:
    origin, arguments = get_origin(member), get_args(member)
    if origin is Literal:
        return _either([repr(value) for value in arguments])
    if origin in (tuple, list, Sequence):
        inner = wanted(arguments[0])
        return {"text": "a list of texts", "a whole number": "a list of whole numbers"}.get(inner, "a list")
    return _WORDS.get(member, "keys with values")  # type: ignore[call-overload, no-any-return]  # any type may be asked
