"""JSON records, parsed strictly, as columns of text: every scalar keeps the text it is written in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import Kind
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.header import new_name_problem
from cloud_etl.extract.reader.json_array import Element
from cloud_etl.extract.reader.text_rows import Origins, TextRows

# Records of one file have few sets of keys; a file that has many is planned anew.
_PLANS_KEPT = 1000
_TOO_DEEP = "not valid JSON: nested too deeply"
# Notes are for people; a file with more names than these is not told by its names.
_NOTES_KEPT = 20
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NESTED_CODES: dict[Kind, RejectCode] = {
    "string": RejectCode.BAD_STRING, "integer": RejectCode.BAD_INTEGER, "bigint": RejectCode.BAD_INTEGER,
    "decimal": RejectCode.BAD_DECIMAL, "double": RejectCode.BAD_DOUBLE, "boolean": RejectCode.BAD_BOOLEAN,
    "date": RejectCode.BAD_DATE, "timestamp": RejectCode.BAD_TIMESTAMP,
}  # fmt: skip


class FaultError(Exception):
    """A record cannot be taken."""

    def __init__(self, code: RejectCode, message: str, column: str | None = None) -> None:
        """Store why."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.column = column


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _refuse_constant(name: str) -> None:
    raise FaultError(RejectCode.INVALID_JSON, f"{name} is no JSON number")


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FaultError(RejectCode.DUPLICATE_KEY, "an object has a key twice")
    return found


_decode: Callable[[str], object] = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
).decode


def parse(raw: bytes) -> object:
    """Parse a JSON text.

    Raises:
        FaultError: it is not valid JSON, not text, or has a key twice.
    """
    try:
        value = _decode(raw.decode())
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as exc:
        raise FaultError(RejectCode.INVALID_ENCODING, "the record is not text in the declared encoding") from exc
    except json.JSONDecodeError as exc:
        if b"\0" in raw:
            raise FaultError(RejectCode.NUL_BYTE, "the record holds a NUL byte") from exc
        said = f"not valid JSON: {exc.msg.removesuffix(' at')} at character {exc.pos + 1}"
        raise FaultError(RejectCode.INVALID_JSON, said) from exc
    except RecursionError as exc:
        raise FaultError(RejectCode.INVALID_JSON, _TOO_DEEP) from exc
    except UnicodeEncodeError as exc:
        raise FaultError(RejectCode.INVALID_ENCODING, "a key or a value holds half a surrogate pair") from exc
    return value


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the values of records with the same keys go; None drops a value.

    Attributes:
        filled: columns that the keys fill, in the order of the keys that are not dropped.
        empty: the other columns.
        notes: what a person should know of how the keys were taken.
    """

    names: tuple[str | None, ...]
    filled: list[list[str | None]]
    empty: list[list[str | None]]
    notes: tuple[str, ...]


class JsonColumns:
    """Collects records as columns.

    Attributes:
        notes: what a person should know of how keys were taken, by file.
    """

    def __init__(self, spec: PipelineSpec) -> None:
        """Start with the contract's columns, all empty."""
        self._spec = spec
        self._columns: dict[str, list[str | None]] = {name: [] for name in spec.schema_}
        self._kinds: dict[str, Kind] = {name: column.type.kind for name, column in spec.schema_.items()}
        sources = [(source, name) for name, column in spec.schema_.items() for source in (*column.source_names, name)]
        self._exact = dict(sources)
        self._known = {source.strip().casefold(): name for source, name in sources}
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self.notes: dict[int, set[str]] = {}
        self._places: list[tuple[int, int, int]] = []
        self._raw: list[bytes] = []

    def add(self, file: int, element: Element) -> None:
        """Take a record.

        Raises:
            FaultError: the record is refused; nothing of it was taken.
        """
        record = parse(element.raw)
        if not isinstance(record, dict):
            raise FaultError(RejectCode.NOT_AN_OBJECT, "the record is no JSON object")
        keys = tuple(record)
        plan = self._plans.get(keys) or self._plan(keys)
        try:
            texts = [
                value if value is None or value.__class__ is _Number else self._text(name, value)
                for name, value in zip(plan.names, record.values(), strict=True)
                if name is not None
            ]
        except RecursionError as exc:
            raise FaultError(RejectCode.INVALID_JSON, _TOO_DEEP) from exc
        if b"\\u" in element.raw:
            _refuse_nul(texts)
        if plan.notes:
            self._note(file, plan)
        for column, text in zip(plan.filled, texts, strict=True):
            column.append(text)
        for column in plan.empty:
            column.append(None)
        self._places.append((file, element.line, element.position))
        self._raw.append(element.raw)

    def names(self, file: int, keys: tuple[str, ...]) -> tuple[str | None, ...]:
        """The column of each key of a file's records; None drops its values.

        Raises:
            FaultError: records with these keys are refused.
        """
        plan = self._plans.get(keys) or self._plan(keys)
        self._note(file, plan)
        return plan.names

    def kind(self, name: str) -> Kind | None:
        """The type of a column's values; None for a new column."""
        return self._kinds.get(name)

    def rows(self) -> TextRows:
        """The records taken so far."""
        places = np.array(self._places, dtype=np.int64).reshape(-1, 3)
        columns = {name: pa.chunked_array([pa.array(values, pa.string())]) for name, values in self._columns.items()}
        return TextRows(columns, Origins(places[:, 0], places[:, 1], places[:, 2]), self._raw.__getitem__)

    def _plan(self, keys: tuple[str, ...]) -> _Plan:
        names = tuple(self._exact.get(key) or self._known.get(key.strip().casefold()) or self._new(key) for key in keys)
        taken = [name for name in names if name is not None]
        for name in taken:
            if taken.count(name) > 1:
                raise FaultError(RejectCode.DUPLICATE_KEY, f"two keys of the record stand for column {name}", name)
        if new := [name for name in taken if name not in self._columns]:
            self._columns.update((name, [None] * len(self._places)) for name in new)
            self._plans.clear()
        empty = [column for name, column in self._columns.items() if name not in taken]
        if len(self._plans) >= _PLANS_KEPT:
            self._plans.clear()
        filled = [self._columns[name] for name in taken]
        plan = self._plans[keys] = _Plan(names, filled, empty, tuple(self._told(keys, names)))
        return plan

    def _told(self, keys: tuple[str, ...], names: tuple[str | None, ...]) -> Iterator[str]:
        for key, name in zip(keys, names, strict=True):
            if name is None:
                yield f"columns dropped: {key[:80]!r}"
            elif name not in self._kinds:
                yield f"new columns taken as string: {name[:80]!r}"
            elif key not in self._exact:
                yield f"column {name} was taken from {key[:80]!r}"

    def _note(self, file: int, plan: _Plan) -> None:
        noted = self.notes.setdefault(file, set())
        if len(noted) < _NOTES_KEPT:
            noted.update(plan.notes[: _NOTES_KEPT - len(noted)])

    def _new(self, key: str) -> str | None:
        if self._spec.new_columns == "ignore":
            return None
        name = key.strip()
        if self._spec.new_columns == "reject":
            message = f"the record has a column that the contract lacks: {name[:80]!r}"
            raise FaultError(RejectCode.UNEXPECTED_COLUMN, message, name[:80])
        if problem := new_name_problem(name, self._spec):
            message = f"the record has a new column {name[:80]!r}: {problem}"
            raise FaultError(RejectCode.UNEXPECTED_COLUMN, message, name[:80])
        return self._known.setdefault(name.casefold(), name)

    def _text(self, name: str, value: object) -> str:
        kind = self._kinds.get(name)
        if kind == "json":
            return _dump(value)
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if kind is None:
            return _dump(value)
        raise FaultError(_NESTED_CODES[kind], f"{name} holds a nested value and is not {kind}", name)


def _dump(value: object) -> str:
    """A value as JSON text, its numbers as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_dump(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_dump(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _refuse_nul(texts: Iterable[str | None]) -> None:
    """Only an escape can bring NUL in: in the text of a record it is no JSON."""
    if any(text is not None and "\0" in text for text in texts):
        raise FaultError(RejectCode.NUL_BYTE, "a value holds a NUL character")
