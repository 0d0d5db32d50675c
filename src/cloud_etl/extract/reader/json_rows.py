"""JSON records, parsed strictly, as columns of text: every scalar keeps the text it is written in."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import Kind
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.header import RESERVED
from cloud_etl.extract.reader.json_array import Element
from cloud_etl.extract.reader.text_rows import Origins, TextRows

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
        return _decode(raw.decode())
    except UnicodeDecodeError as exc:
        raise FaultError(RejectCode.INVALID_ENCODING, "the record is not text in the declared encoding") from exc
    except json.JSONDecodeError as exc:
        raise FaultError(RejectCode.INVALID_JSON, f"not valid JSON: {exc.msg} at character {exc.pos + 1}") from exc
    except RecursionError as exc:
        raise FaultError(RejectCode.INVALID_JSON, "not valid JSON: nested too deeply") from exc


class JsonColumns:
    """Collects records as columns."""

    def __init__(self, spec: PipelineSpec) -> None:
        """Start with the contract's columns, all empty."""
        self._spec = spec
        self._columns: dict[str, list[str | None]] = {name: [] for name in spec.schema_}
        self._kinds: dict[str, Kind] = {name: column.type.kind for name, column in spec.schema_.items()}
        self._known = {
            source.strip().casefold(): name
            for name, column in spec.schema_.items()
            for source in (*column.source_names, name)
        }
        self._exact = {source: name for name, column in spec.schema_.items() for source in (*column.source_names, name)}
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
        row = self._row(record)
        if b"\\u" in element.raw:
            _check_escapes(row)
        count = len(self._places)
        for name in row.keys() - self._columns.keys():
            self._columns[name] = [None] * count
        for name, values in self._columns.items():
            values.append(row.get(name))
        self._places.append((file, element.line, element.position))
        self._raw.append(element.raw)

    def rows(self) -> TextRows:
        """The records taken so far."""
        places = np.array(self._places, dtype=np.int64).reshape(-1, 3)
        columns = {name: pa.chunked_array([pa.array(values, pa.string())]) for name, values in self._columns.items()}
        return TextRows(columns, Origins(places[:, 0], places[:, 1], places[:, 2]), self._raw.__getitem__)

    def _row(self, record: dict[str, object]) -> dict[str, str | None]:
        row: dict[str, str | None] = {}
        for key, value in record.items():
            name = self._exact.get(key) or self._known.get(key.strip().casefold()) or self._new(key)
            if name is None:
                continue
            if name in row:
                raise FaultError(RejectCode.DUPLICATE_KEY, f"two keys of the record stand for column {name}", name)
            row[name] = self._text(name, value)
        return row

    def _new(self, key: str) -> str | None:
        if self._spec.new_columns == "ignore":
            return None
        name = key.strip()
        if self._spec.new_columns == "reject":
            message = f"the record has a column that the contract lacks: {name[:80]!r}"
            raise FaultError(RejectCode.UNEXPECTED_COLUMN, message, name[:80])
        if not name or name.casefold() in RESERVED:
            raise FaultError(RejectCode.UNEXPECTED_COLUMN, "a new column has no name, or a reserved one", name[:80])
        return self._known.setdefault(name.casefold(), name)

    def _text(self, name: str, value: object) -> str | None:
        kind = self._kinds.get(name)
        if value is None:
            return None
        if kind == "json":
            return _dump(value)
        if isinstance(value, str):
            return str(value)
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


def _check_escapes(row: dict[str, str | None]) -> None:
    for name, text in row.items():
        if text is None:
            continue
        if "\0" in text:
            raise FaultError(RejectCode.NUL_BYTE, f"{name} holds a NUL character", name)
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise FaultError(RejectCode.INVALID_ENCODING, f"{name} holds half a surrogate pair", name) from exc
