"""Nested columns of Parquet files: the values inside them made anew, and the whole as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.extract.reader.parquet.kinds import UUID_BYTES, plain
from cloud_etl.extract.reader.parquet.texts import text_of

Leaf = Callable[..., pa.Array]


def with_leaves(leaf: Leaf, *columns: pa.Array) -> pa.Array:
    """Columns of one shape as one, with the values that are not nested in it made from theirs."""
    type_ = columns[0].type
    if not pa.types.is_nested(type_):
        return leaf(*columns)
    # A slice has the children of the whole.
    places = pa.array(np.arange(len(columns[0])))
    columns = tuple(column.take(places) for column in columns)
    first, missing = columns[0], columns[0].is_null()
    if pa.types.is_struct(type_):
        children = [
            with_leaves(leaf, *(column.field(place) for column in columns)) for place in range(type_.num_fields)
        ]
        return pa.StructArray.from_arrays(children, [field.name for field in type_], mask=missing)
    if pa.types.is_map(type_):
        keys, items = (with_leaves(leaf, *(getattr(column, part) for column in columns)) for part in ("keys", "items"))
        return pa.MapArray.from_arrays(first.offsets, keys, items, mask=missing)
    values = with_leaves(leaf, *(column.values for column in columns))
    if pa.types.is_fixed_size_list(type_):
        return pa.FixedSizeListArray.from_arrays(values, type_.list_size, mask=missing)
    if pa.types.is_large_list(type_):
        return pa.LargeListArray.from_arrays(first.offsets, values, mask=missing)
    return pa.ListArray.from_arrays(first.offsets, values, mask=missing)


def json_of(column: pa.Array) -> pa.Array:
    """A nested column as JSON texts.

    Raises:
        ValueError: a value has no JSON: bytes, a number that is none, a key twice.
        OverflowError: a time is beyond the years.
    """
    try:
        values = with_leaves(_leaf, _no_view(column)).to_pylist(maps_as_pydicts="strict")
        texts = [None if value is None else _dumped(value) for value in values]
    except (KeyError, TypeError, RecursionError) as exc:
        raise ValueError("a value that has no JSON") from exc
    return pa.array(texts, pa.string())


def _no_view(column: pa.Array) -> pa.Array:
    if pa.types.is_list_view(column.type):
        return column.cast(pa.list_(column.type.value_field))
    return column


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_printed)


def _printed(value: object) -> str:
    if isinstance(value, bytes):
        raise TypeError("bytes have no JSON")
    return str(value)


def _leaf(column: pa.Array) -> pa.Array:
    """Values that JSON takes, or that Python prints without loss."""
    column = plain(column)
    type_ = column.type
    if pa.types.is_timestamp(type_) and type_.unit == "ns":
        # As Python prints the coarser ones.
        texts = text_of(column, pa.string())
        for pattern, shorter in ((r"\.0{9}", ""), (r"(\.[0-9]{6})000", r"\1"), ("Z$", "+00:00")):
            texts = pc.replace_substring_regex(texts, pattern, shorter)
        return texts
    fine_time = pa.types.is_time64(type_) and type_.unit == "ns"
    printed = pa.types.is_decimal(type_) or pa.types.is_duration(type_) or fine_time or _is_uuid(type_)
    return text_of(column, pa.string()) if printed else column


def _is_uuid(type_: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_binary(type_) and type_.byte_width == UUID_BYTES)
