"""Values of Parquet files as text: for string columns, for the strict casts, and inside JSON."""

from __future__ import annotations

from binascii import hexlify

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.extract.reader.parquet.kinds import UUID_BYTES

# Up to here every whole double is exact.
_EXACT_BELOW = float(1 << 53)
_UUID_LETTERS = 36
_UUID_PLACES = [place for place in range(_UUID_LETTERS) if place not in (8, 13, 18, 23)]
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def text_of(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The values of a plain column as they print.

    Raises:
        pa.ArrowException: a value has no text.
        ValueError: a value has no text.
    """
    type_ = column.type
    if pa.types.is_fixed_size_binary(type_):
        return _uuids(column)
    if pa.types.is_duration(type_):
        return pa.array([_duration(value, type_.unit) for value in column.cast(pa.int64()).to_pylist()], pa.string())
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        column = column.cast(pa.timestamp(type_.unit, "UTC"))
    if pa.types.is_floating(type_) and not pa.types.is_string(wanted):
        # A whole number prints without a fraction, so that 3.0 fits an integer.
        whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _EXACT_BELOW))
        numbers = pc.if_else(whole, column, pa.scalar(0, column.type)).cast(pa.int64()).cast(pa.string())
        return pc.if_else(whole, numbers, column.cast(pa.string()))
    texts = column.cast(pa.string())
    return _without_exponents(column, texts) if pa.types.is_decimal(type_) else texts


def _uuids(column: pa.Array) -> pa.Array:
    """The 36 characters of each of some values of 16 bytes."""
    raw = b"".join(column.fill_null(bytes(UUID_BYTES)).to_pylist())
    letters = np.full((len(column), _UUID_LETTERS), ord("-"), np.uint8)
    letters[:, _UUID_PLACES] = np.frombuffer(hexlify(raw), np.uint8).reshape(len(column), -1)
    offsets = np.arange(len(column) + 1, dtype=np.int32) * _UUID_LETTERS
    texts = pa.StringArray.from_buffers(len(column), pa.py_buffer(offsets), pa.py_buffer(letters))
    return pc.if_else(column.is_null(), pa.scalar(None, pa.string()), texts)


def _without_exponents(numbers: pa.Array, texts: pa.Array) -> pa.Array:
    """Small decimals print as 1E-8."""
    short = pc.match_substring(texts, "E").fill_null(False)
    found = [f"{number:f}" for number in numbers.filter(short).to_pylist()]
    return pc.replace_with_mask(texts, short, pa.array(found, pa.string())) if found else texts


def _duration(value: int | None, unit: str) -> str | None:
    """A length of time as ISO 8601 writes it, in seconds."""
    if value is None:
        return None
    per_second = _PER_SECOND[unit]
    whole, rest = divmod(abs(value), per_second)
    fraction = f".{rest:0{len(str(per_second)) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if value < 0 else ''}PT{whole}{fraction}S"
