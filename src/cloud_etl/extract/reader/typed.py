"""Cast rows of text to the contract's types, and say of each row that does not fit why."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.errors import ConfigError, Problem
from cloud_etl.extract.reader.casts import Cast, cast_of, suspects
from cloud_etl.extract.reader.pieces import Reject
from cloud_etl.extract.reader.quick import holds_any, quick_cast
from cloud_etl.extract.reader.text_rows import TextRows

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

_FAULTS_AT_ONCE = 50_000
# The time to plan a query grows with the square of its expressions: 400 casts in one take three times as long.
_COLUMNS_AT_ONCE = 64
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
        self._defaults = {name: self._default(spec) for name, spec in contract.items() if spec.default is not None}

    def cast(self, rows: TextRows) -> tuple[pa.Table, list[Fault]]:
        """Give all rows as typed columns (contract first, then new ones as string) and the faults among them.

        A faulty row is still in the table, with null where its value did not fit.
        """
        count = len(rows.origins.lines)
        ready = {name: column for name, column in rows.columns.items() if column.type != pa.string()}
        texts = {name: self._text(name, column) for name, column in rows.columns.items() if name not in ready}
        quick = self._quick(texts)
        casts = self._casts(texts, quick)
        values = quick | self._run(texts, casts)
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
        faults = self._explain(texts, casts, faulty) if faulty else []
        if rows.typed_source:
            faults = [_as_lossy(fault) for fault in faults]
        return pa.table(arrays), faults

    def _text(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """An empty text is missing, but for strings."""
        spec = self._contract.get(name)
        if spec is None or spec.type.kind == "string":
            return column
        empty = pc.equal(pc.binary_length(column), 0)
        if not pc.any(empty).as_py():
            return column
        return pc.if_else(empty, pa.scalar(None, pa.string()), column)

    def _quick(self, texts: Mapping[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
        quick = {}
        for name, column in texts.items():
            spec = self._contract.get(name)
            values = quick_cast(spec, column) if spec is not None else None
            if values is not None:
                quick[name] = self._staged(name, values)
        return quick

    def _casts(self, texts: Mapping[str, pa.ChunkedArray], done: Collection[str]) -> dict[str, Cast]:
        casts = {}
        for place, (name, column) in enumerate(texts.items()):
            spec = self._contract.get(name)
            if spec is None or name in done:
                continue
            suspicious = holds_any(column, suspects(spec.type.kind))
            cast = cast_of(spec, f"c{place}", f"r{place}", suspicious)
            if cast is not None:
                casts[name] = cast
        return casts

    def _run(self, texts: Mapping[str, pa.ChunkedArray], casts: Mapping[str, Cast]) -> dict[str, pa.ChunkedArray]:
        places = {name: place for place, name in enumerate(texts)}
        values: dict[str, pa.ChunkedArray] = {}
        for first in range(0, len(casts), _COLUMNS_AT_ONCE):
            names = list(casts)[first : first + _COLUMNS_AT_ONCE]
            inner = ", ".join(f"c{places[name]}, {casts[name].tried} AS r{places[name]}" for name in names)
            outer = ", ".join(f"{casts[name].proven} AS t{places[name]}" for name in names)
            table = pa.table({f"c{places[name]}": texts[name] for name in names})
            typed = self._query(f"SELECT {outer} FROM (SELECT {inner} FROM texts)", table)
            values.update((name, self._staged(name, typed.column(f"t{places[name]}"))) for name in names)
        return values

    def _staged(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        type_ = arrow_type(self._contract[name].type)
        if column.type == type_:
            return column
        # Timestamps are in UTC already and only lack the mark; a view costs nothing.
        return pa.chunked_array([chunk.view(type_) for chunk in column.chunks], type=type_)

    def _query(self, sql: str, texts: pa.Table) -> pa.Table:
        self._connection.register("texts", texts)
        try:
            return self._connection.sql(sql).to_arrow_table()
        finally:
            self._connection.unregister("texts")

    def _default(self, spec: ColumnSpec) -> pa.Scalar:
        text = str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default)
        column = pa.chunked_array([pa.array([text], type=pa.string())])
        cast = cast_of(spec, "c0", "r0", suspicious=True)
        if cast is None:
            return column[0]
        sql = f"SELECT {cast.proven} AS t FROM (SELECT c0, {cast.tried} AS r0 FROM texts)"
        value = self._query(sql, pa.table([column], ["c0"])).column("t")
        if value.null_count:
            raise ConfigError([Problem(f"default {text!r} is not {cast.wanted}")])
        type_ = arrow_type(spec.type)
        return value[0] if value.type == type_ else value.chunk(0).view(type_)[0]

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

    def _explain(
        self, texts: Mapping[str, pa.ChunkedArray], casts: Mapping[str, Cast], faulty: Mapping[str, NDArray[np.bool_]]
    ) -> list[Fault]:
        rows = np.flatnonzero(np.logical_or.reduce(list(faulty.values())))
        faults: list[Fault] = []
        for first in range(0, len(rows), _FAULTS_AT_ONCE):
            faults += self._explain_some(rows[first : first + _FAULTS_AT_ONCE], texts, casts, faulty)
        return faults

    def _explain_some(
        self, rows: NDArray[np.int64], texts: Mapping[str, pa.ChunkedArray], casts: Mapping[str, Cast],
        faulty: Mapping[str, NDArray[np.bool_]],
    ) -> list[Fault]:  # fmt: skip
        codes = {name: self._codes(name, rows[mask[rows]], texts, casts) for name, mask in faulty.items()}
        faults = []
        for row in rows.tolist():
            found = [(name, codes[name][row]) for name in faulty if row in codes[name]]
            message = "; ".join(f"{name} {self._saying(name, code, casts)}" for name, code in found)
            faults.append(Fault(row, RejectCode(found[0][1]), found[0][0], message))
        return faults

    def _saying(self, name: str, code: str, casts: Mapping[str, Cast]) -> str:
        if code == RejectCode.MISSING_VALUE:
            return "is required and has no value"
        wanted = casts[name].wanted if name in casts else str(self._contract[name].type)
        return f"is not {wanted} ({code})"

    def _codes(
        self, name: str, rows: NDArray[np.int64], texts: Mapping[str, pa.ChunkedArray], casts: Mapping[str, Cast]
    ) -> dict[int, str]:
        """The code of each of some rows that are faulty in one column."""
        if name not in texts:
            return dict.fromkeys(rows.tolist(), RejectCode.MISSING_VALUE)
        text = texts[name].take(pa.array(rows))
        if name not in casts:
            other = RejectCode.BAD_JSON if self._contract[name].type.kind == "json" else RejectCode.BAD_STRING
            found = [RejectCode.MISSING_VALUE if missing else other for missing in pc.is_null(text).to_pylist()]
            return dict(zip(rows.tolist(), found, strict=True))
        place = f"{list(texts).index(name)}"
        cast = casts[name]
        sql = (
            f"SELECT CASE WHEN c{place} IS NULL THEN '{RejectCode.MISSING_VALUE}' ELSE {cast.code} END AS code "
            f"FROM (SELECT c{place}, {cast.tried} AS r{place} FROM texts)"
        )
        table = self._query(sql, pa.table([text], [f"c{place}"]))
        return dict(zip(rows.tolist(), table.column("code").to_pylist(), strict=True))


def _as_lossy(fault: Fault) -> Fault:
    return fault if fault.code is RejectCode.MISSING_VALUE else replace(fault, code=RejectCode.LOSSY_CAST)


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
        json.loads(value, parse_constant=_refuse_constant)
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
