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
_EXAMPLES: Mapping[object, str] = {str: "text", int: "1", float: "1.5", bool: "true", ColumnType: "string"}
_MOST_KEYS = 6


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
    """What a value must be, in plain words: `text or a list of texts`; of a mapping its keys and an example, too."""
    words = [f"{word}{_shown_keys(member)}" for member, word in _words(annotation).items()]
    return _either(words) if words else "no value"


def kind_of(annotation: object) -> str:
    """What a value must be, in plain words, without keys and examples."""
    return _either(list(_words(annotation).values())) if members(annotation) else "no value"


def _words(annotation: object) -> dict[object, str]:
    """The words for the members of a union, each word once."""
    words = {word: member for member in reversed(members(annotation)) for word in [_word(member)]}
    found = {member: word for word, member in reversed(words.items())}
    if "a number" in words:
        found = {member: word for member, word in found.items() if word != "a whole number"}
    return found


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


def _shown_keys(member: object) -> str:
    """The keys of a mapping, those it must have first, and how it is written; empty for other types."""
    origin = get_origin(member)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f", such as {{name: {_example(get_args(member)[1])}}}"
    if not (isinstance(member, type) and issubclass(member, BaseModel)):
        return ""
    infos = fields(member)
    order = sorted(infos, key=lambda key: not infos[key].is_required())
    shown = [key for key in order if infos[key].is_required()] or order[:1]
    example = ", ".join(f"{key}: {_example(infos[key].annotation)}" for key in shown)
    more = ", ..." if len(order) > _MOST_KEYS else ""
    return f" ({', '.join(order[:_MOST_KEYS])}{more}), such as {{{example}}}"


def _example(annotation: object) -> str:
    """A value of that type as it may be written."""
    for member in members(annotation):
        if get_origin(member) is Literal:
            return str(get_args(member)[0])
        if get_origin(member) in (tuple, list):
            return "[name]"
        if isinstance(member, type) and issubclass(member, BaseModel):
            return "{...}"
        if member in _EXAMPLES:
            return _EXAMPLES[member]
    return "..."
