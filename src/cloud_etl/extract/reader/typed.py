"""Cast rows of text to the contract's types, and say of each row that does not fit why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.errors import ConfigError, Problem
from cloud_etl.extract.reader.pieces import Reject
from cloud_etl.extract.reader.plain_texts import has_empty
from cloud_etl.extract.reader.text_rows import TextRows
from cloud_etl.extract.reader.typed_column import TypedColumn

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

_FAULTS_AT_ONCE = 50_000
_ARROW = {
    "string": pa.string(), "json": pa.string(), "integer": pa.int32(), "bigint": pa.int64(), "double": pa.float64(),
    "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
}  # fmt: skip


def arrow_type(type_: ColumnType) -> pa.DataType:
    """The Arrow type of a staged column; timestamps are in UTC, json is text."""
    return pa.decimal128(type_.precision, type_.scale) if type_.kind == "decimal" else _ARROW[type_.kind]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is refused: the first faulty column's code, and a message that names all of them."""

    row: int
    code: RejectCode
    column: str
    message: str


class Caster:
    """Casts text columns with a DuckDB connection of its own; one for each worker thread."""

    def __init__(self, contract: Mapping[str, ColumnSpec], connection: duckdb.DuckDBPyConnection) -> None:
        """Store the contract; defaults are cast once."""
        self._contract = contract
        self._connection = connection
        typed = {name: TypedColumn.of(spec, self._query) for name, spec in contract.items()}
        self._typed = {name: column for name, column in typed.items() if column is not None}
        self._defaults = {
            name: self._default(name, spec) for name, spec in contract.items() if spec.default is not None
        }

    def cast(self, rows: TextRows) -> tuple[pa.Table, list[Fault]]:
        """Give all rows as typed columns (contract first, then new ones as string) and the faults among them.

        A faulty row is still in the table, with null where its value did not fit.
        """
        count = len(rows.origins.lines)
        ready = {name: column for name, column in rows.columns.items() if column.type != pa.string()}
        texts = {name: self._text(name, column) for name, column in rows.columns.items() if name not in ready}
        values = {name: self._cast(name, column) for name, column in texts.items() if name in self._typed}
        arrays: dict[str, pa.ChunkedArray] = {}
        faulty: dict[str, NDArray[np.bool_]] = {}
        for name, spec in self._contract.items():
            text = texts.get(name, ready.get(name))
            value = values.get(name, text)
            if value is None:
                value = pa.chunked_array([pa.nulls(count, arrow_type(spec.type))])
            broken = _broken(spec, text, value)
            arrays[name], missing = self._filled(name, spec, value, text)
            found = [mask for mask in (broken, missing) if mask is not None]
            if found:
                faulty[name] = np.logical_or.reduce(found)
        arrays.update((name, column) for name, column in texts.items() if name not in arrays)
        faults = self._explain(texts, faulty) if faulty else []
        if rows.held is not None:
            faults = [_as_lossy(fault, rows.held) for fault in faults]
        return pa.table(arrays), faults

    def _text(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """An empty text is missing, but for strings."""
        spec = self._contract.get(name)
        if spec is None or spec.type.kind == "string":
            return column
        if not has_empty(column):
            return column
        return pc.if_else(pc.equal(pc.binary_length(column), 0), pa.scalar(None, pa.string()), column)

    def _cast(self, name: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        values = self._typed[name].values(texts)
        type_ = arrow_type(self._contract[name].type)
        if values.type == type_:
            return values
        # Timestamps are in UTC already and only lack the mark; a view costs nothing.
        return pa.chunked_array([chunk.view(type_) for chunk in values.chunks], type=type_)

    def _query(self, sql: str, texts: pa.Table) -> pa.Table:
        self._connection.register("texts", texts)
        try:
            return self._connection.sql(sql).to_arrow_table()
        finally:
            self._connection.unregister("texts")

    def _default(self, name: str, spec: ColumnSpec) -> pa.Scalar:
        text = str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default)
        column = pa.chunked_array([pa.array([text], type=pa.string())])
        if name not in self._typed:
            return column[0]
        value = self._cast(name, column)
        if value.null_count:
            raise ConfigError([Problem(f"default {text!r} is not {self._typed[name].verdicts.wanted}")])
        return value[0]

    def _filled(
        self, name: str, spec: ColumnSpec, value: pa.ChunkedArray, text: pa.ChunkedArray | None
    ) -> tuple[pa.ChunkedArray, NDArray[np.bool_] | None]:
        """Put the default where the text is missing; where there is none, required columns have a fault."""
        missing_count = len(value) if text is None else text.null_count
        if missing_count == 0:
            return value, None
        if name in self._defaults:
            missing = pc.is_null(value) if text is None else pc.is_null(text)
            return pc.if_else(missing, self._defaults[name], value), None
        if not spec.required:
            return value, None
        return value, np.ones(len(value), dtype=np.bool_) if text is None else pc.is_null(text).to_numpy()

    def _explain(self, texts: Mapping[str, pa.ChunkedArray], faulty: Mapping[str, NDArray[np.bool_]]) -> list[Fault]:
        rows = np.flatnonzero(np.logical_or.reduce(list(faulty.values())))
        faults: list[Fault] = []
        for first in range(0, len(rows), _FAULTS_AT_ONCE):
            faults += self._explain_some(rows[first : first + _FAULTS_AT_ONCE], texts, faulty)
        return faults

    def _explain_some(
        self, rows: NDArray[np.int64], texts: Mapping[str, pa.ChunkedArray], faulty: Mapping[str, NDArray[np.bool_]]
    ) -> list[Fault]:
        found: dict[int, list[tuple[str, str]]] = {row: [] for row in rows.tolist()}
        for name, mask in faulty.items():
            for row, code in self._codes(name, rows[mask[rows]], texts.get(name)):
                found[row].append((name, code))
        # Most faults are alike.
        messages: dict[tuple[tuple[str, str], ...], str] = {}
        faults = []
        for row, named in found.items():
            key = tuple(named)
            if key not in messages:
                messages[key] = "; ".join(f"{name} {self._saying(name, code)}" for name, code in named)
            faults.append(Fault(row, RejectCode(named[0][1]), named[0][0], messages[key]))
        return faults

    def _saying(self, name: str, code: str) -> str:
        if code == RejectCode.MISSING_VALUE:
            return "is required and has no value"
        wanted = self._typed[name].verdicts.wanted if name in self._typed else str(self._contract[name].type)
        return f"is not {wanted} ({code})"

    def _codes(self, name: str, rows: NDArray[np.int64], column: pa.ChunkedArray | None) -> Iterator[tuple[int, str]]:
        """Rows that are faulty in one column, each with its code."""
        texts = [None] * len(rows) if column is None else column.take(pa.array(rows)).to_pylist()
        present = [text for text in texts if text is not None]
        if name in self._typed:
            codes = self._typed[name].verdicts.codes(present)
        else:
            kind = self._contract[name].type.kind
            codes = dict.fromkeys(present, RejectCode.BAD_JSON if kind == "json" else RejectCode.BAD_STRING)
        for row, text in zip(rows.tolist(), texts, strict=True):
            yield row, RejectCode.MISSING_VALUE if text is None else codes[text]


def _as_lossy(fault: Fault, held: Mapping[str, str]) -> Fault:
    if fault.code is RejectCode.MISSING_VALUE:
        return fault
    message = f"{fault.message}; in the file {fault.column} is {held[fault.column]}"
    return replace(fault, code=RejectCode.LOSSY_CAST, message=message)


def _broken(spec: ColumnSpec, text: pa.ChunkedArray | None, value: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    """Rows with a text and no value; the null counts alone tell when there are none."""
    if text is None or (text is value and spec.type.kind != "json"):
        return None
    if spec.type.kind == "json":
        return _bad_json(text)
    if value.null_count == text.null_count:
        return None
    mask: NDArray[np.bool_] = pc.and_(pc.is_null(value), pc.is_valid(text)).to_numpy()
    return mask


def _bad_json(text: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    # DuckDB's json_valid takes NaN and trailing commas; no reader downstream does.
    bad = np.fromiter((not _is_json(value) for value in text.to_pylist()), dtype=np.bool_, count=len(text))
    return bad if bad.any() else None


def _is_json(value: str | None) -> bool:
    if value is None:
        return True
    try:
        # As text: Python makes no integer of more than 4,300 digits, and JSON has numbers of any length.
        found = json.loads(value, parse_int=str, parse_constant=_refuse_constant)
        if "\\u" in value:
            # Half a surrogate pair is text to Python and to no warehouse; encoding it raises a ValueError.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def rejects_of(faults: Sequence[Fault], rows: TextRows) -> dict[int, list[Reject]]:
    """Rejects of faulty rows, by the index of their file."""
    if not faults:
        return {}
    places = rows.origins.take(np.array([fault.row for fault in faults], dtype=np.int64))
    found: dict[int, list[Reject]] = {}
    columns = zip(faults, places.files.tolist(), places.lines.tolist(), places.positions.tolist(), strict=True)
    for fault, file, line, position in columns:
        reject = Reject(line, position, rows.raw(fault.row), fault.code, fault.message, fault.column)
        found.setdefault(file, []).append(reject)
    return found
