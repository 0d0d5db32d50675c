"""Columns of Parquet files as the contract's types or as text, and which of their values can be neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.parquet.int96 import BEYOND, INT96
from cloud_etl.extract.reader.parquet.kinds import plain
from cloud_etl.extract.reader.parquet.nested import json_of
from cloud_etl.extract.reader.parquet.texts import text_of
from cloud_etl.extract.reader.plain_texts import holds_any
from cloud_etl.extract.reader.typed import arrow_type

# Every decimal of so many digits comes back from a double.
_EXACT_DIGITS = 15
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_SECONDS_A_DAY = 86_400
_NANOS_A_MICRO = 1_000
_NANOSECONDS = "holds nanoseconds, a timestamp only microseconds; round it at the source, or declare string"
_WITHOUT_ZONE = (None, "UTC", "+00:00")
_TEXT = ColumnSpec(type=ColumnType("string"))
_Mask = NDArray[np.bool_]
# Why a value is lost: the code, and what the message says of its column.
Loss = tuple[RejectCode, str]


@dataclass(slots=True)
class _Losses:
    """Rows whose value nothing in the contract can hold: code, and what the message says of the column."""

    rows: dict[int, Loss] = field(default_factory=dict)

    def without(self, column: pa.Array, mask: _Mask | None, code: RejectCode, saying: str) -> pa.Array:
        """Note the rows of a mask; gives the column with null in their place."""
        if mask is None:
            return column
        for row in np.flatnonzero(mask).tolist():
            self.rows.setdefault(row, (code, saying))
        return pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)


def column_of(column: pa.Array, spec: ColumnSpec | None, held: str) -> tuple[pa.Array, dict[int, Loss]]:
    """A column in the contract's type where every value arrives unchanged, else as text for the strict casts.

    Args:
        column: the column as the file holds it.
        spec: its contract; None for a new column, which is text.
        held: its type in the file, in words.

    Returns:
        The column, and the rows whose value is lost on the way, which are null in it: code and what to say of them.
    """
    spec = spec or _TEXT
    wanted = arrow_type(spec.type)
    losses = _Losses()
    column = plain(column)
    if held == INT96 and pa.types.is_string(column.type):
        column = _of_old_times(column, spec, losses)
    column = losses.without(column, _out_of_years(column), RejectCode.LOSSY_CAST, "is not in the years 1 to 9999")
    column = losses.without(
        column, _inexact(column, wanted), RejectCode.LOSSY_CAST, f"is a {held} that no double holds exactly"
    )
    if spec.type.kind == "timestamp" and pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        finer = _no_multiple(column, _NANOS_A_MICRO)
        column = losses.without(column, finer, RejectCode.LOSSY_CAST, _NANOSECONDS)
        column = column.cast(pa.timestamp("us", column.type.tz))
    elif spec.type.kind == "date" and pa.types.is_timestamp(column.type) and column.type.tz in _WITHOUT_ZONE:
        # There are writers that have no dates, and write midnight.
        saying = f"is a {held} with a time of day, a date has none; declare timestamp"
        column = losses.without(column, _within_day(column), RejectCode.LOSSY_CAST, saying)
        column = column.cast(wanted)
    column = _each(column, lambda part: _converted(part, spec, wanted), losses, 0)
    if pa.types.is_string(column.type) and holds_any(pa.chunked_array([column]), b"\0"):
        found = _mask(pc.match_substring(column, "\0"))
        column = losses.without(column, found, RejectCode.NUL_BYTE, "holds a NUL character")
    return column, losses.rows


def _of_old_times(column: pa.Array, spec: ColumnSpec, losses: _Losses) -> pa.Array:
    """Times that stand among such as no microsecond is, so that all of them came as text."""
    beyond = _mask(pc.ends_with(column, BEYOND))
    column = losses.without(column, beyond, RejectCode.LOSSY_CAST, "is not in the years 1 to 9999")
    if spec.type.kind == "date":
        column = pc.replace_substring_regex(column, r" 00:00:00\.000000$", "")
    elif spec.type.kind == "timestamp":
        finer = _mask(pc.match_substring_regex(column, r"\.[0-9]{7}"))
        column = losses.without(column, finer, RejectCode.LOSSY_CAST, _NANOSECONDS)
    return column


def _each(column: pa.Array, convert: Callable[[pa.Array], pa.Array], losses: _Losses, first: int) -> pa.Array:
    """Convert what can be; the values that cannot are found by halving, and become null."""
    try:
        return convert(column)
    except (pa.ArrowException, ValueError, OverflowError):
        if len(column) == 1:
            losses.rows.setdefault(first, _why(column.type))
            return convert(pa.nulls(1, column.type))
    middle = len(column) // 2
    return pa.concat_arrays(
        [_each(column[:middle], convert, losses, first), _each(column[middle:], convert, losses, first + middle)]
    )


def _why(type_: pa.DataType) -> Loss:
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return RejectCode.INVALID_ENCODING, "is not UTF-8"
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return RejectCode.INVALID_ENCODING, "holds bytes that are not UTF-8"
    return RejectCode.LOSSY_CAST, f"holds a value of {type_} that its type in the contract cannot"


def _converted(column: pa.Array, spec: ColumnSpec, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_nested(column.type):
        return json_of(column)
    if column.type != wanted:
        column = column.cast(wanted) if _widens(column, spec, wanted) else text_of(column, wanted)
    if pa.types.is_string(column.type):
        # Nobody has looked yet whether texts are UTF-8.
        column.validate(full=True)
    return column


def is_out_of_years(column: pa.Array) -> bool:
    """Whether a moment in a column is not in the years 1 to 9999."""
    return _out_of_years(column) is not None


def _out_of_years(column: pa.Array) -> _Mask | None:
    """Moments that are not in the years 1 to 9999."""
    if pa.types.is_timestamp(column.type) and column.type.unit in _PER_SECOND:
        scale = _PER_SECOND[column.type.unit]
        numbers = column.cast(pa.int64())
    elif pa.types.is_date32(column.type):
        scale, numbers = 0, column.cast(pa.int32()).cast(pa.int64())
    elif pa.types.is_date64(column.type):
        scale, numbers = 1_000, column.cast(pa.int64())
    else:
        return None
    first, last = _FIRST_SECOND * scale, (_LAST_SECOND + 1) * scale - 1
    if not scale:
        first, last = _FIRST_SECOND // _SECONDS_A_DAY, _LAST_SECOND // _SECONDS_A_DAY
    return _mask(pc.or_(pc.less(numbers, first), pc.greater(numbers, last)))


def _within_day(column: pa.Array) -> _Mask | None:
    """Times that are not midnight."""
    per_second = 1_000_000_000 if column.type.unit == "ns" else _PER_SECOND[column.type.unit]
    return _no_multiple(column, _SECONDS_A_DAY * per_second)


def _no_multiple(column: pa.Array, of: int) -> _Mask | None:
    numbers = column.cast(pa.int64())
    return _mask(pc.not_equal(pc.multiply(pc.divide(numbers, of), of), numbers))


def _inexact(column: pa.Array, wanted: pa.DataType) -> _Mask | None:
    """Whole numbers and decimals that a double does not give back."""
    if not pa.types.is_float64(wanted):
        return None
    if pa.types.is_integer(column.type) and column.type.bit_width == 64:
        limit = pa.scalar(1 << 53, column.type)
        doubtful = pc.greater(column, limit)
        if pa.types.is_signed_integer(column.type):
            doubtful = pc.or_(doubtful, pc.less(column, pa.scalar(-(1 << 53), column.type)))
        return _among(column, _mask(doubtful), lambda value: int(float(value)) == value)
    if pa.types.is_decimal(column.type) and column.type.precision > _EXACT_DIGITS:
        return _among(column, _mask(pc.is_valid(column)), lambda value: Decimal(repr(float(value))) == value)
    return None


def _among(column: pa.Array, doubtful: _Mask | None, exact: Callable[[Decimal], bool]) -> _Mask | None:
    if doubtful is None:
        return None
    rows = np.flatnonzero(doubtful)
    wrong = [not exact(value) for value in column.take(pa.array(rows)).to_pylist()]
    doubtful[rows] = wrong
    return doubtful if doubtful.any() else None


def _mask(found: pa.Array) -> _Mask | None:
    mask: _Mask = pc.fill_null(found, False).to_numpy(zero_copy_only=False).copy()
    return mask if mask.any() else None


def _widens(column: pa.Array, spec: ColumnSpec, wanted: pa.DataType) -> bool:
    """Whether every value arrives unchanged."""
    held = column.type
    if pa.types.is_null(held):
        return True
    if pa.types.is_integer(held) and pa.types.is_integer(wanted):
        return bool(held.bit_width < wanted.bit_width)
    if pa.types.is_float32(held) and pa.types.is_float64(wanted):
        return True
    if pa.types.is_decimal(held) and pa.types.is_decimal(wanted):
        return bool(held.scale <= wanted.scale and held.precision - held.scale <= wanted.precision - wanted.scale)
    if pa.types.is_timestamp(held) and pa.types.is_timestamp(wanted):
        return held.unit in _PER_SECOND and (held.tz is not None or spec.zone.upper() == "UTC")
    return bool(pa.types.is_large_string(held) and pa.types.is_string(wanted))
