"""Frozen dataclasses to JSON values and back, led by their type hints."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path

# A JSON value; `object` in the containers keeps callers from casting at each level.
JsonValue = str | int | float | bool | None | list[object] | dict[str, object]
_MOST = 1 << 63
# Beyond them, a time in another zone has no year.
_YEARS = range(2, 9999)


def parsed(data: str | bytes) -> object:
    """The JSON value of a file that may be damaged.

    Raises:
        ValueError: it is no JSON, no UTF-8, or nested deeper than anything that was written.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or found.year not in _YEARS:
        raise ValueError("a time without a zone, or of no year of ours, found where a datetime belongs")
    return found


_BY_TEXT: dict[object, typing.Callable[[str], object]] = {
    date: date.fromisoformat,
    datetime: _moment,
    Path: Path,
}


def encode(value: object) -> JsonValue:
    """Give the JSON value of a dataclass, a container or a plain value; None stays null and 0 stays 0.

    Floats that JSON cannot write become the texts `nan`, `inf` and `-inf`; bytes become base64.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _names(type(value))}
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else str(value)


def decode(kind: object, value: object) -> object:
    """Read a JSON value as that type; keys a dataclass does not know are left aside.

    Args:
        kind: a type hint: a dataclass, `tuple[T, ...]`, `Mapping[str, T]`, `T | None`, a literal or a plain type.
        value: what `json.loads` gave.

    Raises:
        ValueError: the value does not have that shape; the message names the type.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else decode(next(one for one in arguments if one is not type(None)), value)
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(f"{type(value).__name__} found that is none of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(decode(arguments[0], item) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: decode(arguments[1], item) for key, item in value.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _instance(kind, value)
    return _plain(kind, value)


def _instance(kind: type, value: dict[str, object]) -> object:
    hints = _hints(kind)
    known = {name: decode(hints[name], item) for name, item in value.items() if name in hints}
    try:
        return kind(**known)
    except TypeError as exc:
        raise ValueError(f"{kind.__name__}: {exc}") from exc


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@cache
def _hints(kind: type) -> Mapping[str, object]:
    hints = typing.get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}


def _plain(kind: object, value: object) -> object:
    if kind is object:
        return value
    if isinstance(value, str) and kind in _BY_TEXT:
        return _BY_TEXT[kind](value)
    if kind is float and isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError("a number found that is too large for a float") from None
    if kind is int and type(value) is int and not -_MOST <= value < _MOST:
        raise ValueError("a number found that is too large for an int")
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ValueError(f"{type(value).__name__} found where {getattr(kind, '__name__', kind)} belongs")
