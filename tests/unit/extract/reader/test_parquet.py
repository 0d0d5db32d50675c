"""Every type of Parquet under every type of the contract: the exact value, or a reject, and never another value."""

# ruff: noqa: E501 - a table is read best with a row on a line

from __future__ import annotations

import base64
import io
import json
import struct
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from cloud_etl.domain.schema import KINDS
from cloud_etl.extract.reader.read_batch import ReaderLimits

TYPES = ["decimal(38,9)" if kind == "decimal" else kind for kind in KINDS]
ID = uuid.UUID("12345678-9abc-def0-4142-434445464748")
DAY, MOMENT = date(2024, 1, 5), datetime(2024, 1, 5, 1, 2, 3, 456789)
MIDNIGHT = datetime(2024, 1, 5)
UTC_MOMENT, UTC_MIDNIGHT = MOMENT.replace(tzinfo=UTC), MIDNIGHT.replace(tzinfo=UTC)
NUMBER = {"integer": 5, "bigint": 5, "double": 5.0, "decimal": Decimal(5), "string": "5", "json": "5"}
ONE = {**NUMBER, "integer": 1, "bigint": 1, "double": 1.0, "decimal": Decimal(1), "string": "1", "json": "1"}
FRACTION = {"double": 1.5, "decimal": Decimal("1.5")}


def written(column: pa.Array, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"v": column, "k": ["a"] * len(column)}), sink, **options)
    return sink.getvalue()


def by_duckdb(expression: str, folder) -> bytes:
    path = folder / "duck.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {expression} AS v, 'a' AS k) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


# The array of one value, and what it is under the kinds that can hold it; under all others it must be refused.
TABLE: dict[str, tuple[pa.Array, dict[str, object]]] = {
    "bool": (pa.array([True]), {"boolean": True, "string": "true", "json": "true"}),
    **{
        str(type_): (pa.array([5], type_), NUMBER)
        for type_ in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    },
    "uint32 most": (
        pa.array([2**32 - 1], pa.uint32()),
        {"bigint": 2**32 - 1, "double": float(2**32 - 1), "decimal": Decimal(2**32 - 1), "string": "4294967295", "json": "4294967295"},
    ),
    "uint64 most": (
        pa.array([2**64 - 1], pa.uint64()),
        {"decimal": Decimal(2**64 - 1), "string": str(2**64 - 1), "json": str(2**64 - 1)},
    ),
    "int64 odd": (
        pa.array([2**53 + 1]),
        {"bigint": 2**53 + 1, "decimal": Decimal(2**53 + 1), "string": str(2**53 + 1), "json": str(2**53 + 1)},
    ),
    "one": (pa.array([1]), {**ONE, "boolean": True}),
    "float16": (pa.array([1.5], pa.float16()), {**FRACTION, "string": "1.5", "json": "1.5"}),
    "float32": (pa.array([1.5], pa.float32()), {**FRACTION, "string": "1.5", "json": "1.5"}),
    "float64": (pa.array([1.5]), {**FRACTION, "string": "1.5", "json": "1.5"}),
    "infinite": (pa.array([float("inf")]), {"double": float("inf"), "string": "inf"}),
    **{
        f"decimal {name}": (pa.array([Decimal("1.50")], type_), {**FRACTION, "string": "1.50", "json": "1.50"})
        for name, type_ in (
            ("32", pa.decimal32(5, 2)), ("64", pa.decimal64(15, 2)), ("128", pa.decimal128(38, 2)), ("256", pa.decimal256(60, 2))
        )
    },
    "decimal small": (
        pa.array([Decimal("0.00000001")], pa.decimal128(38, 8)),
        {"double": 1e-8, "decimal": Decimal("0.00000001"), "string": "0.00000001", "json": "0.00000001"},
    ),
    "decimal 256 long": (
        pa.array([Decimal(10) ** 50], pa.decimal256(60, 0)),
        {"double": 1e50, "string": "1" + "0" * 50, "json": "1" + "0" * 50},
    ),
    "text": (pa.array(["a"]), {"string": "a"}),
    "text of a number": (pa.array(["1"]), {**ONE, "boolean": True}),
    "large text": (pa.array(["a"], pa.large_string()), {"string": "a"}),
    "view": (pa.array(["a"], pa.string_view()), {"string": "a"}),
    "dictionary": (pa.array(["a"]).dictionary_encode(), {"string": "a"}),
    "text with NUL": (pa.array(["a\0b"]), {}),
    "dictionary with NUL": (pa.array(["a\0b"]).dictionary_encode(), {}),
    "json": (pa.array(['{"a": 1}'], pa.json_()), {"string": '{"a": 1}', "json": '{"a": 1}'}),
    "binary text": (pa.array([b"a"]), {"string": "a"}),
    "binary view": (pa.array([b"a"], pa.binary_view()), {"string": "a"}),
    "large binary": (pa.array([b"\xff"], pa.large_binary()), {}),
    "binary": (pa.array([b"\xff"]), {}),
    "uuid": (pa.array([ID.bytes], pa.uuid()), {"string": str(ID)}),
    "uuid of letters": (pa.array([b"0123456789abcdef"], pa.uuid()), {"string": str(uuid.UUID(bytes=b"0123456789abcdef"))}),
    "fixed 16": (pa.array([b"0123456789abcdef"], pa.binary(16)), {"string": str(uuid.UUID(bytes=b"0123456789abcdef"))}),
    "fixed 4": (pa.array([b"abcd"], pa.binary(4)), {}),
    "bool8": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([2], pa.int8())), {"boolean": True, "string": "true", "json": "true"}),
    "date": (pa.array([DAY]), {"date": DAY, "string": "2024-01-05"}),
    "date 9999": (pa.array([date(9999, 12, 31)]), {"date": date(9999, 12, 31), "string": "9999-12-31"}),
    "date 1": (pa.array([date(1, 1, 1)]), {"date": date(1, 1, 1), "string": "0001-01-01"}),
    "time32": (pa.array([time(1, 2, 3)], pa.time32("s")), {"string": "01:02:03.000"}),
    "time64 us": (pa.array([time(1, 2, 3)], pa.time64("us")), {"string": "01:02:03.000000"}),
    "time64 ns": (pa.array([1], pa.time64("ns")), {"string": "00:00:00.000000001"}),
    "duration": (pa.array([timedelta(hours=-1, milliseconds=-5)], pa.duration("us")), {"string": "-PT3600.005S"}),
    "duration ns": (pa.array([1], pa.duration("ns")), {"string": "PT0.000000001S"}),
    "duration day": (pa.array([timedelta(days=1)], pa.duration("s")), {"string": "PT86400S"}),
    "list": (pa.array([[1, 2]]), {"string": "[1, 2]", "json": "[1, 2]"}),
    "fixed list": (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), {"string": "[1, 2]", "json": "[1, 2]"}),
    "large list": (pa.array([[1, 2]], pa.large_list(pa.int32())), {"string": "[1, 2]", "json": "[1, 2]"}),
    "list view": (pa.array([[1, 2]], pa.list_view(pa.int32())), {"string": "[1, 2]", "json": "[1, 2]"}),
    "map": (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())), {"string": '{"a": 1}', "json": '{"a": 1}'}),
    "map of numbers": (pa.array([[(7, 1)]], pa.map_(pa.int32(), pa.int32())), {"string": '{"7": 1}', "json": '{"7": 1}'}),
    "map twice": (pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int32())), {}),
    "struct of NaN": (pa.array([{"a": float("nan")}]), {}),
    "struct of bytes": (pa.array([{"a": b"x"}]), {}),
}  # fmt: skip
INSIDE = {
    "f": (pa.array([1.5], pa.float16()), 1.5),
    "d": (pa.array([Decimal("0.00000001")]), "0.00000001"),
    "u": (pa.array([ID.bytes], pa.uuid()), str(ID)),
    "b": (pa.array([ID.bytes], pa.binary(16)), str(ID)),
    "t": (pa.array([MOMENT]), "2024-01-05 01:02:03.456789"),
    "n": (pa.array([1], pa.timestamp("ns", "UTC")), "1970-01-01 00:00:00.000000001+00:00"),
    "w": (pa.array([10**9], pa.timestamp("ns")), "1970-01-01 00:00:01"),
    "l": (pa.array([timedelta(seconds=5)]), "PT5S"),
    "h": (pa.array([time(1, 2)]), "01:02:00"),
    "i": (pa.array([2**63 - 1]), 2**63 - 1),
}
for unit in ("s", "ms", "us", "ns"):
    for zone in (None, "UTC", "Europe/Berlin"):
        type_ = pa.timestamp(unit, zone)
        moment = MOMENT if unit in ("us", "ns") else MOMENT.replace(microsecond=0)
        mark = "" if zone is None else "Z"
        digits = {"s": 3, "ms": 3, "us": 6, "ns": 9}[unit]
        for name, value in (("moment", moment), ("midnight", MIDNIGHT)):
            fits = {"timestamp": value.replace(tzinfo=UTC)}
            fits["string"] = f"{value:%Y-%m-%d %H:%M:%S}." + f"{value.microsecond * 1000:09d}"[:digits] + mark
            if name == "midnight" and zone != "Europe/Berlin":
                fits["date"] = DAY
            column = pa.array([value.replace(tzinfo=UTC) if zone else value], type_)
            TABLE[f"{type_} {name}"] = (column, fits)
TABLE["nanoseconds"] = (pa.array([1], pa.timestamp("ns")), {"string": "1970-01-01 00:00:00.000000001"})
TABLE["null"] = (pa.nulls(1), dict.fromkeys(KINDS))
TABLE["nested"] = (
    pa.StructArray.from_arrays([column for column, _ in INSIDE.values()], list(INSIDE)),
    dict.fromkeys(("string", "json"), json.dumps({name: shown for name, (_, shown) in INSIDE.items()})),
)


def check(read, data: bytes, fits: dict[str, object]) -> None:
    for type_ in TYPES:
        kind = type_.split("(")[0]
        schema = {"v": {"type": type_}, "k": {"type": "string"}}
        result = read(data, schema, source={"format": "parquet"}, name="x.parquet")
        if kind in fits:
            assert [(row["v"], row["k"]) for row in result.rows] == [(fits[kind], "a")], (type_, result.rejects)
            continue
        assert result.rows == [], (type_, result.rows)
        (reject,) = result.rejects
        assert reject["code"] in ("lossy_cast", "invalid_encoding", "nul_byte", "unreadable_column"), reject
        assert reject["column"] == "v"
        assert json.loads(reject["raw_text"])["k"] == "a"


@pytest.mark.parametrize("name", TABLE)
def test_a_value_of_a_parquet_file_arrives_as_it_is_or_not_at_all(read, name):
    column, fits = TABLE[name]
    check(read, written(column), fits)


BY_DUCKDB = [
    ("uuid", f"'{ID}'::UUID", {"string": str(ID)}),
    ("interval", "INTERVAL 1 DAY", {}),
    ("json", "'{}'::JSON", {"string": "{}", "json": "{}"}),
    ("enum", "'a'::ENUM('a', 'b')", {"string": "a"}),
    ("decimal in int32", "1.5::DECIMAL(4,1)", {**FRACTION, "string": "1.5", "json": "1.5"}),
    ("decimal in int64", "1.5::DECIMAL(18,1)", {**FRACTION, "string": "1.5", "json": "1.5"}),
    ("map", "MAP {1: 2}", {"string": '{"1": 2}', "json": '{"1": 2}'}),
    ("blob", r"'\xFF'::BLOB", {}),
    ("timestamptz", f"'{MOMENT}+00'::TIMESTAMPTZ", {"timestamp": UTC_MOMENT, "string": f"{MOMENT}Z"}),
]


@pytest.mark.parametrize(("expression", "fits"), [row[1:] for row in BY_DUCKDB], ids=[row[0] for row in BY_DUCKDB])
def test_a_value_that_duckdb_wrote_arrives_as_it_is_or_not_at_all(read, tmp_path, expression, fits):
    check(read, by_duckdb(expression, tmp_path), fits)


def as_int96(*times: tuple[int, int] | None) -> bytes:
    """A file with int96 of these days and nanoseconds: written by pyarrow, and then overwritten byte by byte."""
    marks = [datetime(2000, 1, 1) + timedelta(microseconds=place) for place in range(len(times))]
    data = written(
        pa.array([None if item is None else mark for item, mark in zip(times, marks, strict=True)], pa.timestamp("us")),
        use_deprecated_int96_timestamps=True, compression="none", use_dictionary=False,
    )  # fmt: skip
    for place, item in enumerate(times):
        if item is not None:
            old = struct.pack("<QI", place * 1000, 2451545)
            assert data.count(old) == 1
            data = data.replace(old, struct.pack("<QI", item[1], item[0] & 0xFFFFFFFF))
    return data


def julian(day: date) -> int:
    return day.toordinal() + 1721425


@pytest.mark.parametrize(
    "neighbour", [None, (julian(DAY), 0), (julian(date(9999, 12, 31)), 0), (2**32 - 1, 0), (julian(DAY), 1)]
)
@pytest.mark.parametrize(
    ("day", "nanos", "fits"),
    [
        (julian(DAY), 3723_456789_000, {"timestamp": UTC_MOMENT, "string": "2024-01-05 01:02:03.456789"}),
        (julian(DAY), 0, {"timestamp": UTC_MIDNIGHT, "string": "2024-01-05 00:00:00.000000", "date": DAY}),
        (julian(date(9999, 12, 31)), 86_399_999_999_000, {"timestamp": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), "string": "9999-12-31 23:59:59.999999"}),
        (julian(date(1, 1, 1)), 0, {"timestamp": datetime(1, 1, 1, tzinfo=UTC), "string": "0001-01-01 00:00:00.000000", "date": date(1, 1, 1)}),
        (julian(date(1969, 12, 31)), 1, {"string": "1969-12-31 00:00:00.000000001"}),
        (julian(date(9999, 12, 31)), 999, {"string": "9999-12-31 00:00:00.000000999"}),
        (julian(date(9999, 12, 31)) + 1, 0, {}),
        (julian(date(1, 1, 1)) - 1, 86_399_999_999_000, {}),
        (0, 0, {}),
        (0, 86_399_999_999_000, {}),
        (julian(date(1970, 1, 1)), 0, {"timestamp": datetime(1970, 1, 1, tzinfo=UTC), "string": "1970-01-01 00:00:00.000000", "date": date(1970, 1, 1)}),
        (1, 0, {}),
        (2**32 - 1, 0, {}),
        # Wraps to 1970 in 64 bits of microseconds.
        (2440588 + 2**31, 0, {}),
    ],
)  # fmt: skip
def test_int96_is_exact_at_both_ends_whatever_stands_beside_it(read, day, nanos, fits, neighbour):
    data = as_int96((day, nanos), neighbour)
    for type_ in ("string", "timestamp", "date", "bigint", "json"):
        schema = {"v": {"type": type_}, "k": {"type": "string"}}
        result = read(data, schema, source={"format": "parquet"}, name="x.parquet")
        found = {row["_row_id"]: row["v"] for row in result.rows}
        if type_ in fits:
            assert found.get(1) == fits[type_], result.rejects
        else:
            assert 1 not in found, found
            assert next(row for row in result.rejects if row["line"] == 1)["code"] == "lossy_cast"


def test_day_0_of_int96_is_told_from_the_first_of_1970_in_whatever_rows_they_stand(read):
    data = as_int96((0, 0), (2440588, 0), None, (julian(DAY), 0), (0, 7), (2440588, 0))
    schema = {"v": {"type": "timestamp"}, "k": {"type": "string"}}
    for limits in (None, ReaderLimits(window_bytes=16, segment_bytes=16, threads=1)):
        result = read(data, schema, source={"format": "parquet"}, name="x.parquet", limits=limits)
        assert [(row["_row_id"], row["v"] and row["v"].year) for row in result.rows] == [
            (2, 1970), (3, None), (4, 2024), (6, 1970),
        ]  # fmt: skip
        assert [(row["line"], row["code"]) for row in result.rejects] == [(1, "lossy_cast"), (5, "lossy_cast")]


def test_int96_inside_lists_structs_and_maps_is_exact(read):
    far = datetime(9999, 12, 31)
    columns = {
        "v": pa.array([{"t": far, "l": [far, None]}, None, {"t": None, "l": None}]),
        "m": pa.array([[("a", far)], None, []], pa.map_(pa.string(), pa.timestamp("us"))),
        "k": ["a", "b", "c"],
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, use_deprecated_int96_timestamps=True, row_group_size=2)
    schema = {"v": {"type": "json"}, "m": {"type": "json"}, "k": {"type": "string"}}
    for limits in (None, ReaderLimits(window_bytes=64, segment_bytes=64, threads=1)):
        result = read(sink.getvalue(), schema, source={"format": "parquet"}, name="x.parquet", limits=limits)
        assert result.values == [
            ('{"t": "9999-12-31 00:00:00", "l": ["9999-12-31 00:00:00", null]}', '{"a": "9999-12-31 00:00:00"}', "a"),
            (None, None, "b"),
            ('{"t": null, "l": null}', "{}", "c"),
        ]


@pytest.mark.parametrize("name", ["pandas.period", "geoarrow.wkb"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_type_that_only_its_writer_knows_is_named_and_no_bare_number(read, name, inside):
    field = pa.field("x" if inside else "v", pa.int64(), metadata={"ARROW:extension:name": name})
    column = pa.array([648])
    if inside:
        field, column = pa.field("v", pa.struct([field])), pa.StructArray.from_arrays([column], fields=[field])
    sink = io.BytesIO()
    pq.write_table(pa.table([column, ["a"]], schema=pa.schema([field, ("k", pa.string())])), sink)
    schema = {"v": {"type": "string"}, "k": {"type": "string"}}
    result = read(sink.getvalue(), schema, source={"format": "parquet"}, name="x.parquet")
    assert result.codes == [(1, "unreadable_column")]
    assert f"column v holds {name}" in result.rejects[0]["message"]
    # A column that the contract does not name costs nothing.
    result = read(
        sink.getvalue(), {"k": {"type": "string"}}, source={"format": "parquet"}, name="x.parquet", new_columns="ignore"
    )
    assert result.values == [("a",)]


@pytest.mark.parametrize(
    ("column", "type_", "words"),
    [
        (pa.array([1], pa.timestamp("ns")), "timestamp", "holds nanoseconds, a timestamp only microseconds"),
        (pa.array([MOMENT]), "date", "with a time of day, a date has none"),
        (pa.array([timedelta(1)]), "bigint", "duration[us], a length of time"),
        (pa.array([b"abcd"], pa.binary(4)), "string", "fixed_size_binary[4]: bytes"),
        (pa.array([time(1)]), "integer", "in the file v is time64[us]"),
    ],
)
def test_the_message_names_the_type_of_the_file(read, column, type_, words):
    schema = {"v": {"type": type_}, "k": {"type": "string"}}
    result = read(written(column), schema, source={"format": "parquet"}, name="x.parquet")
    assert words in result.rejects[0]["message"]


class Keys(pe.KmsClient):
    def __init__(self, _: object) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, _: str) -> bytes:
        return base64.b64encode(key)


@pytest.mark.parametrize(("plaintext_footer", "words"), [(True, "encrypted columns, in column v"), (False, "footer")])
def test_an_encrypted_file_is_called_so(read, tmp_path, plaintext_footer, words):
    wanted = pe.EncryptionConfiguration(footer_key="f", column_keys={"c": ["v"]}, plaintext_footer=plaintext_footer)
    properties = pe.CryptoFactory(Keys).file_encryption_properties(pe.KmsConnectionConfig(), wanted)
    table = pa.table({"v": [1], "k": ["a"]})
    with pq.ParquetWriter(tmp_path / "x", table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    schema = {"v": {"type": "bigint"}, "k": {"type": "string"}}
    result = read((tmp_path / "x").read_bytes(), schema, source={"format": "parquet"}, name="x.parquet")
    assert result.codes == [(1, "encrypted_file")]
    assert words in result.rejects[0]["message"]
