"""Arrow columns as PostgreSQL's binary COPY format, joined row by row in C++.

Neighbouring columns of fixed width are laid side by side by NumPy; the pieces between the texts are then joined with
them by one Arrow kernel. Measured: three times as fast as Arrow's CSV writer, and PostgreSQL reads it twice as fast.
Format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cloud_etl.local_aws.redshift.copy.table import TableColumn

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_NULL = pa.scalar(b"\xff\xff\xff\xff", pa.binary())
_EPOCH_DAYS = 10_957
_EPOCH_MICROSECONDS = _EPOCH_DAYS * 86_400_000_000
_SIMPLE = {
    "int2": (pa.int16(), ">i2", 0), "int4": (pa.int32(), ">i4", 0), "int8": (pa.int64(), ">i8", 0),
    "float4": (pa.float32(), ">f4", 0), "float8": (pa.float64(), ">f8", 0), "bool": (pa.uint8(), ">u1", 0),
    "date": (pa.int32(), ">i4", _EPOCH_DAYS), "time": (pa.int64(), ">i8", 0),
    "timestamp": (pa.int64(), ">i8", _EPOCH_MICROSECONDS), "timestamptz": (pa.int64(), ">i8", _EPOCH_MICROSECONDS),
}  # fmt: skip
# Beyond these a fraction scaled to four-digit groups does not fit into 64 bits.
_QUICK_PRECISION, _QUICK_SCALE = 18, 15
_SLOW_DIGITS = 44


def encode(columns: Sequence[TableColumn], arrays: Sequence[pa.Array]) -> pa.Buffer:
    """Rows of a batch, without header and trailer.

    Args:
        columns: of the table.
        arrays: one per column, of the Arrow type that `arrow_type` gives for it.
    """
    rows = len(arrays[0])
    if not rows:
        return pa.py_buffer(b"")
    pieces = _Pieces(rows)
    pieces.add_fixed(np.full((rows, 1), len(columns), ">i2"))
    for column, array in zip(columns, arrays, strict=True):
        if column.type in ("varchar", "char", "super", "varbyte"):
            pieces.add_text(array.cast(pa.binary()), b"\1" if column.type == "super" else b"")
        else:
            pieces.add_field(_field(column, array), array)
    return pieces.joined()


def arrow_type(column: TableColumn) -> pa.DataType:
    """The Arrow type in which `encode` takes a column."""
    if column.type == "numeric":
        return pa.decimal128(column.precision, column.scale)
    named = {
        "bool": pa.bool_(), "date": pa.date32(), "time": pa.time64("us"), "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us"), "varbyte": pa.binary(),
    }  # fmt: skip
    if column.type in named:
        return named[column.type]
    return _SIMPLE[column.type][0] if column.type in _SIMPLE else pa.string()


class _Pieces:
    """Parts of the rows from left to right; parts of fixed width are collected until a text ends them."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._fixed: list[NDArray[Any]] = []
        self._parts: list[pa.Array] = []

    def add_fixed(self, block: NDArray[Any]) -> None:
        self._fixed.append(np.ascontiguousarray(block).view(np.uint8).reshape(self._rows, -1))

    def add_field(self, block: NDArray[Any], array: pa.Array) -> None:
        if not array.null_count:
            self.add_fixed(block)
            return
        self._flush()
        self._parts.append(pc.if_else(array.is_valid(), _as_binary(block.view(np.uint8), self._rows), _NULL))

    def add_text(self, array: pa.Array, version: bytes) -> None:
        """A length, for SUPER a version byte, and the bytes."""
        lengths = pc.fill_null(pc.add(pc.binary_length(array), len(version)), -1)
        self.add_fixed(lengths.to_numpy(zero_copy_only=False).astype(">i4"))
        self._flush()
        if version:
            self._parts.append(pc.if_else(array.is_valid(), pa.scalar(version, pa.binary()), b""))
        self._parts.append(pc.fill_null(array, b"") if array.null_count else array)

    def joined(self) -> pa.Buffer:
        self._flush()
        joined = pc.binary_join_element_wise(*self._parts, pa.scalar(b"", pa.binary()))
        _, offsets, data = joined.buffers()
        ends = np.frombuffer(offsets, "<i4")
        first, last = int(ends[joined.offset]), int(ends[joined.offset + self._rows])
        return data.slice(first, last - first)

    def _flush(self) -> None:
        if self._fixed:
            block = np.concatenate(self._fixed, axis=1) if len(self._fixed) > 1 else self._fixed[0]
            self._parts.append(_as_binary(np.ascontiguousarray(block), self._rows))
            self._fixed = []


def _as_binary(block: NDArray[Any], rows: int) -> pa.Array:
    width = block.size // rows
    offsets = np.arange(rows + 1, dtype="<i4") * np.int32(width)
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(block)])


def _field(column: TableColumn, array: pa.Array) -> NDArray[Any]:
    """Length and value of a field of fixed width; what stands under a null does not matter."""
    if column.type == "numeric":
        quick = column.precision <= _QUICK_PRECISION and column.scale <= _QUICK_SCALE
        return _quick_numeric(array, column.scale) if quick else _numeric(array, column.scale)
    kind, wire, epoch = _SIMPLE[column.type]
    values = array.cast(kind).fill_null(0).to_numpy(zero_copy_only=False)
    field = np.empty(len(array), dtype=[("length", ">i4"), ("value", wire)])
    field["length"] = np.dtype(wire).itemsize
    field["value"] = values - epoch if epoch else values
    return field


def _quick_numeric(array: pa.Array, scale: int) -> NDArray[Any]:
    """Digits in groups of four, from the low half of each 128-bit value, which holds all of up to 18 digits."""
    halves = np.frombuffer(array.buffers()[1], dtype="<i8")[2 * array.offset :]
    low = halves[: 2 * len(array) : 2]
    size = np.abs(low)
    after, before = -(-scale // 4), 5
    whole, fraction = np.divmod(size, np.int64(10**scale))
    fraction = fraction * np.int64(10 ** (4 * after - scale))
    field = _numeric_frame(len(array), before, after, scale, low < 0)
    for group in range(before - 1, -1, -1):
        whole, field["digits"][:, group] = np.divmod(whole, 10_000)
    for group in range(before + after - 1, before - 1, -1):
        fraction, field["digits"][:, group] = np.divmod(fraction, 10_000)
    return field


def _numeric(array: pa.Array, scale: int) -> NDArray[Any]:
    """The same by way of the decimal text, for values of more than 64 bits."""
    unscaled = pa.Array.from_buffers(
        pa.decimal128(38, 0), len(array), [None, array.buffers()[1]], offset=array.offset
    ).cast(pa.string())
    negative = pc.starts_with(unscaled, "-").to_numpy(zero_copy_only=False)
    padding = -scale % 4
    width = _SLOW_DIGITS - padding
    text = pc.utf8_lpad(pc.utf8_ltrim(unscaled, "-"), width, "0")
    start = int(np.frombuffer(text.buffers()[1], "<i4")[text.offset])
    digits = np.zeros((len(array), _SLOW_DIGITS), dtype=np.int16)
    raw = np.frombuffer(text.buffers()[2], np.uint8)[start : start + width * len(array)]
    digits[:, :width] = raw.reshape(-1, width) - ord("0")
    after = -(-scale // 4)
    field = _numeric_frame(len(array), _SLOW_DIGITS // 4 - after, after, scale, negative)
    groups = digits.reshape(len(array), -1, 4)
    field["digits"] = groups[:, :, 0] * 1000 + groups[:, :, 1] * 100 + groups[:, :, 2] * 10 + groups[:, :, 3]
    return field


def _numeric_frame(rows: int, before: int, after: int, scale: int, negative: NDArray[Any]) -> NDArray[Any]:
    groups = before + after
    field = np.empty(
        rows,
        dtype=[
            ("length", ">i4"), ("groups", ">i2"), ("weight", ">i2"), ("sign", ">u2"), ("scale", ">i2"),
            ("digits", ">i2", (groups,)),
        ],
    )  # fmt: skip
    field["length"], field["groups"] = 8 + 2 * groups, groups
    field["weight"], field["scale"] = before - 1, scale
    field["sign"] = np.where(negative, 0x4000, 0)
    return field
