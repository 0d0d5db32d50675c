"""Columns of Parquet files as the contract's types or as text, and which of their values can be neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.typed import arrow_type

# Up to here every whole double is exact, and every decimal of so many digits comes back from one.
_EXACT_BELOW = float(1 << 53)
_EXACT_DIGITS = 15
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_SECONDS_A_DAY = 86_400
_Mask = NDArray[np.bool_]


def column_of(column: pa.Array, spec: ColumnSpec | None) -> tuple[pa.Array, _Mask | None]:
    """A column in the contract's type where every value arrives unchanged, else as text for the strict casts.

    Returns:
        The column, and the rows whose value is lost on the way, which are null in it; None where there are none.

    Raises:
        pa.ArrowNotImplementedError: values of the type have no text.
    """
    wanted = pa.string() if spec is None else arrow_type(spec.type)
    lost = np.zeros(len(column), dtype=np.bool_)
    if pa.types.is_nested(column.type):
        column = _json_column(column, lost)
        return column, lost if lost.any() else None
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    for find in (_out_of_years, _inexact):
        if (mask := find(column, wanted)) is not None:
            lost |= mask
            column = pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)
    column = _each(column, lambda part: _converted(part, wanted), lost, 0)
    return column, lost if lost.any() else None


def _each(column: pa.Array, convert: Callable[[pa.Array], pa.Array], lost: _Mask, first: int) -> pa.Array:
    """Convert what can be; the values that cannot are found by halving, and become null."""
    try:
        return convert(column)
    except pa.ArrowNotImplementedError:
        raise
    except (pa.ArrowException, ValueError, OverflowError):
        if len(column) == 1:
            lost[first] = True
            return convert(pa.nulls(1, column.type))
    middle = len(column) // 2
    return pa.concat_arrays(
        [_each(column[:middle], convert, lost, first), _each(column[middle:], convert, lost, first + middle)]
    )


def _converted(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.type != wanted:
        column = column.cast(wanted) if _widens(column.type, wanted) else _text(column, wanted)
    if pa.types.is_string(column.type):
        # Nobody has looked yet whether texts are UTF-8.
        column.validate(full=True)
    return column


def _out_of_years(column: pa.Array, wanted: pa.DataType) -> _Mask | None:
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


def _widens(held: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value arrives unchanged."""
    if pa.types.is_integer(held) and pa.types.is_integer(wanted):
        return bool(held.bit_width < wanted.bit_width)
    if pa.types.is_float32(held) and pa.types.is_float64(wanted):
        return True
    if pa.types.is_decimal(held) and pa.types.is_decimal(wanted):
        return bool(held.scale <= wanted.scale and held.precision - held.scale <= wanted.precision - wanted.scale)
    if pa.types.is_timestamp(held) and pa.types.is_timestamp(wanted):
        return held.unit in ("s", "ms", "us") and held.tz is not None
    return bool(pa.types.is_large_string(held) and pa.types.is_string(wanted))


def _text(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The values as they print, for the strict casts to judge."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    if pa.types.is_floating(column.type) and not pa.types.is_string(wanted):
        # A whole number prints without a fraction, so that 3.0 fits an integer.
        whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _EXACT_BELOW))
        numbers = pc.if_else(whole, column, pa.scalar(0, column.type)).cast(pa.int64()).cast(pa.string())
        return pc.if_else(whole, numbers, column.cast(pa.string()))
    return column.cast(pa.string())


def _json_column(column: pa.Array, lost: _Mask) -> pa.Array:
    texts: list[str | None] = []
    for row, scalar in enumerate(column):
        try:
            value = scalar.as_py()
            texts.append(None if value is None else json.dumps(value, ensure_ascii=False, default=_printed))
        except (ValueError, OverflowError, TypeError, RecursionError):
            lost[row] = True
            texts.append(None)
    return pa.array(texts, pa.string())


def _printed(value: object) -> str:
    if isinstance(value, bytes):
        raise TypeError("bytes have no JSON")
    return str(value)


def row_text(row: pa.RecordBatch) -> bytes:
    """One row as JSON for the quarantine; a value that cannot be shown is named by its type."""
    shown = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            shown[name] = column[0].as_py()
        except (ValueError, OverflowError):
            shown[name] = _unshowable(column)
    return json.dumps(shown, ensure_ascii=False, default=str).encode("utf-8", "replace")


def _unshowable(column: pa.Array) -> str:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        raw: bytes = column.cast(pa.binary())[0].as_py()
        return raw.decode("utf-8", "replace")
    if pa.types.is_timestamp(column.type):
        return f"{column.cast(pa.int64())[0].as_py()} ({column.type})"
    if pa.types.is_date32(column.type):
        return f"{column.cast(pa.int32())[0].as_py()} ({column.type})"
    return f"({column.type})"
