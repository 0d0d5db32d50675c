from __future__ import annotations

import bz2
import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.rejects import QUARANTINE_COLUMNS, REJECT_HELP, RejectCode, reject_codes_page
from cloud_etl.extract.reader.read_batch import ReaderLimits
from cloud_etl.extract.reader.reject_table import SCHEMA

BODY = b"id,name\n" + b"".join(b"%d,n\n" % number for number in range(3000)) + b"x,bad\n"
SMALL = ReaderLimits(window_bytes=1024, segment_bytes=4096, threads=2)


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("zst", zstd)])
def test_compressed_files_of_one_and_of_several_members(read, ending, pack):
    for data in (pack(BODY), pack(BODY[:100]) + pack(BODY[100:])):
        result = read(data, name=f"x.csv.{ending}", limits=SMALL)
        assert (result.count.staged, result.count.rejected) == (3000, 1)


PACKS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd, "plain": bytes}


@pytest.mark.parametrize("format_", ["csv", "json"])
@pytest.mark.parametrize("packed", PACKS)
@pytest.mark.parametrize("named", ["gz", "bz2", "zst", "plain"])
def test_a_file_that_is_packed_in_another_way_than_its_name_says_is_one_reject_that_says_so(
    read, packed, named, format_
):
    data = PACKS[packed](BODY if format_ == "csv" else b'{"id": 1}\n')
    name = f"x.{format_}" + (f".{named}" if named != "plain" else "")
    result = read(data, source={"format": format_}, name=name)
    if packed == named:
        assert result.count.staged
        return
    assert result.count.codes == {"wrong_compression": 1}
    what = {"gz": "packed with gzip", "bz2": "packed with bz2", "zst": "packed with zstd", "plain": "plain text"}[
        packed
    ]
    assert what in result.rejects[0]["message"]


@pytest.mark.parametrize(("begin", "what"), [(b"PK\x03\x04", "zip"), (b"\xfd7zXZ\0", "xz"), (b"PAR1\x15", "Parquet")])
def test_what_is_no_text_at_all_is_named(read, begin, what):
    result = read(begin + bytes(100))
    assert result.count.codes == {"wrong_compression": 1}
    assert what in result.rejects[0]["message"]


def test_text_that_begins_like_a_packed_file_is_text(read):
    assert read(b"BZh,name\nx,a\n", {"BZh": {"type": "string"}, "name": {"type": "string"}}).values == [("x", "a")]


@pytest.mark.parametrize("damage", [lambda data: data[:-6], lambda data: data + b"garbage"])
def test_a_damaged_stream_takes_nothing_of_its_file_and_nothing_from_others(read, damage):
    good = gzip.compress(BODY)
    result = read([good, damage(good), good], name="x.csv.gz", limits=SMALL)
    assert [(file.staged, file.rejected) for file in result.batch.counts] == [(3000, 1), (0, 1), (3000, 1)]
    assert result.batch.counts[1].codes == {"corrupt_stream": 1}
    assert {row["_row_id"] >> 40 for row in result.rows} == {0, 2}


def test_a_parquet_value_that_its_type_cannot_hold_is_rejected(read):
    schema = {
        "i": {"type": "integer"}, "d": {"type": "decimal(6,2)"}, "t": {"type": "timestamp"}, "s": {"type": "string"},
        "j": {"type": "json"}, "f": {"type": "double"},
    }  # fmt: skip
    moment = datetime(2024, 1, 5, 10, tzinfo=UTC)
    nanos = [1704448800_000000000, 1704448800_000000000, 1704448800_000000001]
    table = pa.table(
        {
            "f": pa.array([0.5, 0.1, 1.0], pa.float32()),
            "i": pa.array([1.0, 1.5, 3.0], pa.float64()),
            "d": pa.array([Decimal("1.500"), Decimal("2.000"), Decimal("3.000")], pa.decimal128(9, 3)),
            "t": pa.array(nanos, pa.timestamp("ns", "Europe/Berlin")),
            "s": pa.array(["a", "b", "c"]).dictionary_encode(),
            "j": [{"x": [1]}, None, None],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    result = read(sink.getvalue(), schema, source={"format": "parquet"}, name="x.parquet")
    assert result.values == [(1, Decimal("1.50"), moment, "a", '{"x": [1]}', 0.5)]
    assert result.codes == [(2, "lossy_cast"), (3, "lossy_cast")]
    assert [row["column"] for row in result.rejects] == ["i", "t"]
    assert '"i": 1.5' in result.rejects[0]["raw_text"]


def test_parquet_integers_that_overflow_and_zones_of_naive_times(read):
    schema = {"i": {"type": "integer"}, "t": {"type": "timestamp", "zone": "Europe/Berlin", "format": "%d.%m.%Y"}}
    table = pa.table(
        {"i": pa.array([5, 1 << 40, None]), "t": pa.array([datetime(2024, 7, 1, 12)] * 3, pa.timestamp("ms"))}
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    result = read(sink.getvalue(), schema, source={"format": "parquet"}, name="x.parquet")
    assert result.values == [(5, datetime(2024, 7, 1, 10, tzinfo=UTC)), (None, datetime(2024, 7, 1, 10, tzinfo=UTC))]
    assert result.codes == [(2, "lossy_cast")]


def test_parquet_columns_follow_new_columns_and_required(read):
    sink = io.BytesIO()
    pq.write_table(pa.table({"ID": [1, 2], "x": ["a", "b"]}), sink)
    for new_columns, codes in (("reject", {"unexpected_column": 2}), ("ignore", {}), ("evolve", {})):
        result = read(sink.getvalue(), source={"format": "parquet"}, name="x.parquet", new_columns=new_columns)
        assert result.count.codes == codes
    assert result.values == [(1, None, "a"), (2, None, "b")]


def as_parquet(column, type_):
    sink = io.BytesIO()
    pq.write_table(pa.table({"v": column, "k": pa.array(["a"] * len(column))}), sink)
    return sink.getvalue(), {"v": {"type": type_}, "k": {"type": "string"}}


def invalid(*values):
    data = b"".join(values)
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


HUGE = pa.array([0, 1 << 60], pa.int64())
LOST = [
    (HUGE.cast(pa.timestamp("us")), "timestamp", "lossy_cast"),
    (HUGE.cast(pa.timestamp("us")), "string", "lossy_cast"),
    (HUGE.cast(pa.timestamp("us", "UTC")), "timestamp", "lossy_cast"),
    (HUGE.cast(pa.timestamp("ms", "UTC")), "timestamp", "lossy_cast"),
    (pa.array([0, 1 << 30], pa.int32()).cast(pa.date32()), "date", "lossy_cast"),
    (pa.StructArray.from_arrays([HUGE.cast(pa.timestamp("us"))], ["t"]), "json", "lossy_cast"),
    (pa.array([{"b": None}, {"b": b"x"}], pa.struct([("b", pa.binary())])), "json", "lossy_cast"),
    (pa.array([1 << 53, (1 << 53) + 1]), "double", "lossy_cast"),
    (pa.array([Decimal("0.1"), Decimal("0.12345678901234567891")], pa.decimal128(38, 20)), "double", "lossy_cast"),
    (invalid(b"1", b"\xff"), "integer", "invalid_encoding"),
    (invalid(b"1", b"\xff"), "string", "invalid_encoding"),
    (pa.array([b"a", b"\xff"]), "string", "invalid_encoding"),
]


@pytest.mark.parametrize(("column", "type_", "code"), LOST, ids=lambda value: str(getattr(value, "type", value)))
def test_a_parquet_value_that_nothing_can_hold_costs_its_row_only(read, column, type_, code):
    data, schema = as_parquet(column, type_)
    result = read(data, schema, source={"format": "parquet"}, name="x.parquet")
    assert [row["k"] for row in result.rows] == ["a"]
    assert result.rows[0]["v"] is not None
    assert result.codes == [(2, code)]
    assert '"k": "a"' in result.rejects[0]["raw_text"]


@pytest.mark.parametrize("format_", ["csv", "json"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "idna"])
def test_a_file_that_the_encoding_cannot_read_costs_itself_only(read, format_, encoding):
    text = "id,name\n1,a\n" if format_ == "csv" else '{"id": 1, "name": "a"}\n'
    good = text.encode("utf-16" if encoding == "idna" else encoding)
    source = {"format": format_, format_: {"encoding": encoding}}
    result = read([text.encode() * 3, good], source=source, name=f"x.{format_}")
    assert result.batch.counts[0].codes == {"wrong_encoding": 1}
    if encoding != "idna":
        assert result.values == [(1, "a")]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"id,name\n1,a\n", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_one_reject(read, data):
    result = read(data, source={"format": "parquet"}, name="x.parquet")
    assert result.codes == [(1, "corrupt_file")]


def test_every_code_has_its_help_and_the_page_is_up_to_date():
    assert set(REJECT_HELP) == set(RejectCode)
    page = Path(__file__).parents[4] / "docs" / "reference" / "reject-codes.md"
    assert page.read_text() == reject_codes_page()


def test_the_quarantine_schema_is_the_declared_one():
    assert SCHEMA.names == [name for name, _, _ in QUARANTINE_COLUMNS]
    declared = [arrow for _, _, arrow in QUARANTINE_COLUMNS]
    assert [str(field.type) for field in SCHEMA] == declared
