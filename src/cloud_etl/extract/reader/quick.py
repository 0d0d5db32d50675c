"""Casts by pyarrow of texts that are written plainly: a fifth of the cost of proving each text in DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.plain_texts import (
    DAY_BYTES,
    MOMENT_BYTES,
    Proof,
    Texts,
    all_have,
    holds_any,
    longest,
    plain_days,
    plain_moments,
    plain_numbers,
)

# So many digits fit whatever they are.
_SAFE_DIGITS = {"integer": 9, "bigint": 18, "double": 15}
_SAFE_DOUBLE = 300
_HELD_DIGITS = 38
_MOMENT = pa.timestamp("us")
_MOMENT_FORMATS = (None, "%Y-%m-%d %H:%M:%S")
_DAY_FORMATS = (None, "%Y-%m-%d")
_FIRST = {pa.date32(): pa.scalar(date(1, 1, 1)), _MOMENT: pa.scalar(datetime(1, 1, 1), _MOMENT)}


@dataclass(frozen=True, slots=True)
class QuickCast:
    """A cast by pyarrow, and which texts it agrees on with the contract.

    Attributes:
        type: what it casts to; timestamps are in UTC without the mark.
        trusts: whether pyarrow refuses every text of a column that the contract refuses.
        proof: texts of which pyarrow and the contract make the same value.
        fits: whether values of trusted texts are in the contract's range.
    """

    type: pa.DataType
    trusts: Callable[[pa.ChunkedArray], bool]
    proof: Proof
    fits: Callable[[pa.ChunkedArray, pa.ChunkedArray], bool] = lambda texts, values: True

    def whole(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """The values of a column in which every text is plain, else None."""
        return self._tried(texts) if self.trusts(texts) else None

    def proven(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """The values of a column, null where a text needs a closer look, be it right or wrong; None where all do."""
        chunks = [chunk.only(self.proof(chunk)) for chunk in map(Texts.of, texts.chunks)]
        return self._tried(pa.chunked_array(chunks, pa.string()))

    def _tried(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        try:
            values = pc.cast(texts, self.type)
        except pa.ArrowInvalid:
            return None
        return values if self.fits(texts, values) else None


def quick_cast_of(spec: ColumnSpec) -> QuickCast | None:
    """The quick cast of a column, if it has one."""
    kind, format_ = spec.type.kind, spec.format
    if kind in ("integer", "bigint"):
        # pyarrow reads hexadecimal; beside that it takes an optional minus and digits, nothing else.
        type_ = pa.int32() if kind == "integer" else pa.int64()
        return QuickCast(type_, _free_of(b"xX"), plain_numbers(_SAFE_DIGITS[kind], 0))
    if kind == "decimal":
        return _decimal(spec.type)
    if kind == "double":
        digits = _SAFE_DIGITS[kind]
        return QuickCast(pa.float64(), _free_of(b"nN"), plain_numbers(digits, digits), _are_exact_doubles)
    if kind == "date" and format_ in _DAY_FORMATS:
        return QuickCast(pa.date32(), _have(DAY_BYTES), plain_days, _begin_in_year_1)
    if kind == "timestamp" and format_ in _MOMENT_FORMATS and spec.zone.upper() == "UTC":
        separators, others = (b"T ", b"") if format_ is None else (b" ", b"T")
        return QuickCast(_MOMENT, _have(MOMENT_BYTES, others), plain_moments(separators), _begin_in_year_1)
    return None


def _decimal(type_: ColumnType) -> QuickCast:
    # pyarrow refuses what would be rounded or does not fit. Its exponents are no plain numbers, and it makes 0 of some
    # numbers with more digits than it can hold, such as 1 with 43 zeros behind the point as decimal(5,4).
    arrow = pa.decimal128(type_.precision, type_.scale)
    free = _free_of(b"eE")
    return QuickCast(
        arrow, lambda texts: longest(texts) <= _HELD_DIGITS and free(texts),
        plain_numbers(type_.precision - type_.scale, type_.scale),
    )  # fmt: skip


def _free_of(needles: bytes) -> Callable[[pa.ChunkedArray], bool]:
    return lambda texts: not holds_any(texts, needles)


def _have(length: int, none_of: bytes = b"") -> Callable[[pa.ChunkedArray], bool]:
    return lambda texts: all_have(texts, length) and not holds_any(texts, none_of)


def _begin_in_year_1(_: pa.ChunkedArray, values: pa.ChunkedArray) -> bool:
    # pyarrow knows a year 0.
    return not pc.less(pc.min(values), _FIRST[values.type]).as_py()


def _are_exact_doubles(texts: pa.ChunkedArray, values: pa.ChunkedArray) -> bool:
    """Whether no text became infinite or 0 because it is out of range."""
    if longest(texts) <= _SAFE_DOUBLE and not holds_any(texts, b"eE"):
        return True
    return bool(pc.all(pc.is_finite(values)).as_py()) and not pc.any(pc.equal(values, 0.0)).as_py()
