"""Files that were made, or went wrong, to be enormous: each stops at its bound, and costs itself only."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable

import pyarrow as pa
import pytest
from pydantic import ValidationError

from cloud_etl.domain.limits import LimitsSpec
from cloud_etl.extract.reader import csv_file, pieces
from cloud_etl.extract.reader.read_batch import ReaderLimits

pytestmark = pytest.mark.filterwarnings("error")
MIB = 1 << 20


def _zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def _members(data: bytes) -> bytes:
    return b"".join(gzip.compress(data[start : start + 100_000]) for start in range(0, len(data), 100_000))


SOUND = b"id,name\n1,a\n2,b\n"


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("gz", _members), ("bz2", bz2.compress), ("zst", _zstd)]
)
@pytest.mark.parametrize("line", [b"1,a\n", b"\n", b"x", b'1,"\n', b"#\n"])
def test_a_packed_file_stops_at_the_bytes_it_may_unpack_to_and_costs_itself_only(
    read, ending: str, pack: Callable[[bytes], bytes], line: bytes
) -> None:
    bomb = pack(b"id,name\n" + line * ((MIB + MIB // 8) // len(line)))
    source = {"limits": {"expanded": "1MB"}, "csv": {"comment": "#"}}
    found = read([bomb, pack(SOUND)], source=source, name=f"x.csv.{ending}")
    assert found.values == [(1, "a"), (2, "b")]
    assert found.codes == [(1, "expands_too_far")]
    (reject,) = found.rejects
    assert "more than 1,048,576 bytes; the bound is source.limits.expanded: 1MB" in reject["message"]
    assert [(count.records_read, count.staged, count.rejected) for count in found.batch.counts] == [
        (1, 0, 1),
        (2, 2, 0),
    ]


@pytest.mark.parametrize("text", [b'{"id":1}\n', b"[", b'[{"id":1},', b'[{"a":', b'{"id":"'])
def test_packed_json_stops_as_well(read, text: bytes) -> None:
    bomb = gzip.compress(text * (2 * MIB // len(text)))
    source = {"format": "json", "limits": {"expanded": "1MB"}}
    sound = gzip.compress(b'{"id":1,"name":"a"}')
    found = read([bomb, sound], source=source, name="x.json.gz")
    assert (found.values, found.codes) == ([(1, "a")], [(1, "expands_too_far")])


def test_a_plain_file_is_no_larger_than_it_is_and_a_packed_one_may_come_up_to_its_bound(read) -> None:
    line = b"1," + b"a" * 1021 + b"\n"
    text = b"id,name\n" + line * 1023 + b"1," + b"a" * 1013 + b"\n"
    source = {"limits": {"expanded": "1MB", "ratio": 1}}
    assert len(text) == MIB
    assert read(gzip.compress(text), source=source, name="x.csv.gz").codes == []
    assert read(text + b"1,a\n", source=source).codes == []
    found = read(gzip.compress(text + b"1,a\n"), source=source, name="x.csv.gz")
    assert found.codes == [(1, "expands_too_far")]


def test_the_ratio_counts_beyond_a_size_that_small_files_may_have() -> None:
    limits = LimitsSpec()
    assert limits.for_text(32_000).size_bytes == 1024 * MIB
    assert limits.for_text(6_000_000).size_bytes == 1_500_000_000
    assert limits.for_text(10_000_000_000).size_bytes == 1_000 * 1024 * MIB
    assert limits.for_values(9_700).size_bytes == 4096 * MIB
    assert LimitsSpec(ratio=None).for_text(1).size_bytes == 1_000 * 1024 * MIB
    assert LimitsSpec(ratio=None, expanded=None).for_text(1) is None
    with pytest.raises(ValidationError):
        LimitsSpec(expanded="lots")


@pytest.mark.parametrize("bad", ["x,a", "1", "1,a,b", '1,"a"b'])
@pytest.mark.parametrize("more", [0, 1])
def test_a_file_may_have_as_many_rejects_as_its_limit_and_is_refused_whole_beyond(read, bad: str, more: int) -> None:
    lines = ["id,name", *["1,a"] * 500, *[bad] * (100 + more)]
    found = read(["\n".join(lines).encode(), SOUND], source={"limits": {"rejects": 100}})
    first, sound = found.batch.counts
    assert (sound.records_read, sound.staged) == (2, 2)
    if not more:
        assert (first.records_read, first.staged, first.rejected) == (600, 500, 100)
        return
    assert (first.records_read, first.staged, first.rejected) == (1, 0, 1)
    assert len(found.rows) == 2
    (reject,) = found.rejects
    assert reject["code"] == "too_many_rejects"
    assert "the 100 of source.limits.rejects: reading stopped after 601 records, of which so far: " in reject["message"]


@pytest.mark.parametrize(
    "text", [b'{"id":"x"}\n' * 200, b"[" + b",".join([b"1"] * 200) + b"]", b"1\n" * 200, b"[" + b"," * 200 + b"]"]
)
def test_rejects_of_json_are_bounded_alike(read, text: bytes) -> None:
    found = read(text, source={"format": "json", "limits": {"rejects": 100}}, name="x.json")
    assert found.codes == [(1, "too_many_rejects")]


def test_a_file_of_bad_rows_is_not_read_to_its_end(read, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts tell where it stopped: long before its end."""
    monkeypatch.setattr(csv_file, "WINDOW_LINES", 1_000)
    found = read(
        gzip.compress(b"id,name\n" + b"x\n" * 50_000), name="x.csv.gz",
        limits=ReaderLimits(window_bytes=4096, segment_bytes=4096, threads=2), source={"limits": {"rejects": 1000}},
    )  # fmt: skip
    (reject,) = found.rejects
    stopped = int(reject["message"].partition("stopped after ")[2].partition(" ")[0].replace(",", ""))
    assert 1_000 < stopped < 20_000
    assert reject["code"] == "too_many_rejects"


def test_empty_lines_weigh_what_they_cost_and_not_their_text() -> None:
    piece = pieces.Piece.__new__(pieces.Piece)
    piece.lines, piece.ends, piece.parsed, piece.rejects = b"\n" * 1000, range(1000), [], []
    assert piece.weight == 64_000


@pytest.mark.parametrize("before", [97, 98, 99, 100, 198, 199, 200, 201])
@pytest.mark.parametrize("value", ['"\n"', '"\n\n\n"', "2", '"'])
def test_a_window_of_many_short_lines_is_cut_where_no_record_is(
    read, monkeypatch: pytest.MonkeyPatch, before: int, value: str
) -> None:
    """A record over two lines stands where the bound on the lines of a window falls."""
    text = "id,name\n" + "1,\n" * before + f"2,{value}\n" + "1,\n" * 250
    whole = read(text.encode())
    monkeypatch.setattr(csv_file, "WINDOW_LINES", 100)
    found = read(text.encode())
    assert (found.rows, found.codes, found.count.text) == (whole.rows, whole.codes, whole.count.text)


def test_a_header_that_is_repeated_for_ever_is_one_file_of_rejects(read) -> None:
    found = read(b"id,name\n" * 3_000, source={"limits": {"rejects": 100_000}})
    assert found.count.records_read == found.count.rejected == 2_999
    assert set(found.count.codes) == {"repeated_header", "second_table"}
