"""Arrow columns as PostgreSQL's binary format, read back by a decoder of its own."""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from decimal import Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_etl.local_aws.redshift.copy.binary import arrow_type, encode
from cloud_etl.local_aws.redshift.copy.pump import pumped
from cloud_etl.local_aws.redshift.copy.table import TableColumn

EPOCH = datetime(2000, 1, 1)
_WIDE = Context(prec=60)


def numeric(data: bytes) -> Decimal:
    groups, weight, sign, scale = struct.unpack_from("!hhHh", data)
    digits = struct.unpack_from(f"!{groups}h", data, 8)
    assert all(0 <= digit < 10_000 for digit in digits)
    text = "".join(f"{digit:04d}" for digit in digits)
    whole = 4 * (weight + 1)
    value = Decimal(f"{'-' if sign else ''}{text[:whole] or '0'}.{text[whole:] or '0'}")
    assert Decimal(value).as_tuple().exponent <= -scale or scale == 0
    return value


def decode(kind: str, data: bytes) -> object:
    plain = {"int2": "!h", "int4": "!i", "int8": "!q", "float4": "!f", "float8": "!d", "bool": "!?"}
    if kind in plain:
        return struct.unpack(plain[kind], data)[0]
    if kind == "numeric":
        return numeric(data)
    if kind == "date":
        return EPOCH.date() + timedelta(days=struct.unpack("!i", data)[0])
    if kind == "timestamp":
        return EPOCH + timedelta(microseconds=struct.unpack("!q", data)[0])
    if kind == "super":
        assert data[:1] == b"\1"
        return data[1:].decode()
    return data if kind == "varbyte" else data.decode()


def decoded(columns: list[TableColumn], data: bytes) -> list[tuple[object, ...]]:
    rows, at = [], 0
    while at < len(data):
        assert struct.unpack_from("!h", data, at)[0] == len(columns)
        at, row = at + 2, []
        for column in columns:
            (length,) = struct.unpack_from("!i", data, at)
            at += 4
            row.append(None if length < 0 else decode(column.type, data[at : at + length]))
            at += max(0, length)
        rows.append(tuple(row))
    return rows


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda number: Decimal(number).scaleb(-scale, _WIDE))


KINDS = {
    "int2": st.integers(-(2**15), 2**15 - 1), "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1), "float8": st.floats(allow_nan=False), "bool": st.booleans(),
    "float4": st.floats(allow_nan=False, width=32), "varchar": st.text(), "super": st.just('{"a": "ü"}'),
    "varbyte": st.binary(), "date": st.dates(), "timestamp": st.datetimes(),
}  # fmt: skip
COLUMNS = [
    *(TableColumn(f"c{number}", kind) for number, kind in enumerate(KINDS)),
    *(
        TableColumn(f"n{p}_{s}", "numeric", 0, p, s)
        for p, s in ((1, 0), (12, 2), (18, 15), (18, 18), (19, 4), (38, 37))
    ),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[TableColumn], list[list[object]]]:
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=6))
    rows = draw(st.integers(1, 4))
    values = []
    for column in columns:
        value = decimals(column.precision, column.scale) if column.type == "numeric" else KINDS[column.type]
        values.append(draw(st.lists(st.none() | value, min_size=rows, max_size=rows)))
    return columns, values


def as_array(column: TableColumn, values: list[object]) -> pa.Array:
    if column.type == "numeric":
        # Arrow infers the precision from the first value and refuses wider ones after it.
        return pa.array([None if value is None else str(value) for value in values], pa.string()).cast(
            arrow_type(column)
        )
    return pa.array(values, arrow_type(column))


@settings(max_examples=200, deadline=None)
@given(tables(), st.integers(0, 2))
def test_rows_are_read_back_as_they_were(table: tuple[list[TableColumn], list[list[object]]], skipped: int) -> None:
    columns, values = table
    # A slice has an offset into its buffers: what stands before it must not leak into the rows.
    arrays = [as_array(column, value).slice(skipped) for column, value in zip(columns, values, strict=True)]
    expected = list(zip(*(value[skipped:] for value in values), strict=True))
    assert decoded(columns, encode(columns, arrays).to_pybytes()) == expected


def test_no_rows_are_no_bytes() -> None:
    column = TableColumn("c", "int4")
    assert encode([column], [pa.array([], pa.int32())]).to_pybytes() == b""


def test_dates_before_the_year_one_of_other_systems_are_exact() -> None:
    column = TableColumn("c", "date")
    assert decoded([column], encode([column], [pa.array([date.min, date.max])]).to_pybytes()) == [
        (date.min,),
        (date.max,),
    ]


def test_a_pump_gives_every_chunk_in_order() -> None:
    chunks = [bytes([number]) for number in range(50)]
    assert list(pumped(iter(chunks))) == chunks


def test_a_pump_raises_what_its_thread_ran_into() -> None:
    def broken():
        yield b"a"
        raise OSError("the disk")

    reader = pumped(broken())
    assert next(reader) == b"a"
    with pytest.raises(OSError, match="the disk"):
        next(reader)


def test_a_pump_that_is_closed_stops_its_thread() -> None:
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield b"x"

    reader = pumped(endless())
    next(reader)
    reader.close()
    count = len(taken)
    assert count < 10
    assert len(taken) == count
