"""Rows of Parquet files are decoded so few at a time that their worst case fits, or the file is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.extract.reader.bounds import ReaderLimits
from cloud_etl.extract.reader.parquet.batches import ExceedsMemoryError, batches_of, evenly, rows_at_once

KIB, MIB = 1 << 10, 1 << 20
BOUND = MIB
TEXT = {"v": {"type": "string"}}


def written(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"compression": "zstd", **options})
    return sink.getvalue()


def repeated(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


def lists(*lengths: int) -> pa.Array:
    return pa.array([[7] * length for length in lengths], pa.list_(pa.int64()))


TEXTS = st.builds(lambda text, times: text * times, st.text("abc", max_size=5), st.sampled_from([1, 1, 1, 500, 40_000]))
COLUMNS = {
    pa.string(): TEXTS,
    pa.int64(): st.integers(0, 9),
    pa.list_(pa.string()): st.lists(TEXTS | st.none(), max_size=3) | st.sampled_from([["a"] * 3_000, [None] * 20_000]),
    pa.list_(pa.list_(pa.int8())): st.lists(st.sampled_from([[], [1], [1] * 30_000, None]), max_size=3),
    pa.struct([("s", pa.string()), ("n", pa.list_(pa.int64()))]): st.fixed_dictionaries(
        {"s": TEXTS, "n": st.sampled_from([[], [1, 2], [3] * 9_000])}
    ),
    pa.binary(3_000): st.just(b"x" * 3_000),
    pa.dictionary(pa.int32(), pa.string()): TEXTS,
}
OPTIONS = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "row_group_size": st.sampled_from([7, 1_000]),
        "data_page_size": st.sampled_from([64, MIB]),
    },
    optional={"use_dictionary": st.just(False), "store_schema": st.just(False)},
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 40))
    types = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=3))
    arrays = []
    for type_ in types:
        few = draw(st.lists(COLUMNS[type_] | st.none(), min_size=1, max_size=3))
        arrays.append(pa.array([few[row % len(few)] for row in range(rows)], type_))
    return pa.Table.from_arrays(arrays, [f"c{place}" for place in range(len(arrays))])


@given(tables(), OPTIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_decoded_at_a_time_fits_its_bound_and_all_of_it_is_read(tmp_path: Path, table, options) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(written(table, **options))
    with pq.ParquetFile(path) as file:
        try:
            rows = rows_at_once(file, path, 1_000, BOUND)
        except ExceedsMemoryError:
            # A row that costs less than a sixty-fourth of the bound can always be read.
            assert max(table.slice(row, 1).nbytes for row in range(table.num_rows)) > BOUND // 64
            return
        found = list(batches_of(file, rows))
        assert all(batch.nbytes <= BOUND for batch in found)
        even = list(evenly(batches_of(file, rows), 1_000, 64 * KIB))
        assert all(batch.num_rows == 1 or batch.nbytes <= 64 * KIB for batch in even)
    plain = [[row for batch in batches for row in batch.to_pylist()] for batches in (found, even)]
    assert plain == [table.to_pylist()] * 2


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_text_that_is_stored_once_and_named_by_many_rows_is_read_few_rows_at_a_time(read, store_schema) -> None:
    data = written(pa.table({"v": repeated("x" * 50_000, 400)}), store_schema=store_schema)
    assert len(data) < 2_000
    found = read(data, TEXT, source={"format": "parquet"}, name="x.parquet", limits=ReaderLimits(decode_bytes=BOUND))
    assert [len(row["v"]) for row in found.rows] == [50_000] * 400


def test_it_stops_at_what_its_values_may_come_to_and_costs_itself_only(read) -> None:
    bomb = written(pa.table({"v": repeated("x" * 50_000, 400)}))
    sound = written(pa.table({"v": ["a"]}))
    source = {"format": "parquet", "limits": {"expanded": "8MB"}}
    limits = ReaderLimits(window_bytes=64 * KIB, decode_bytes=BOUND)
    found = read([bomb, sound], TEXT, source=source, name="x.parquet", limits=limits)
    assert (found.values, found.codes) == ([("a",)], [(1, "expands_too_far")])
    message = found.rejects[0]["message"]
    assert "the values come to more than 8,388,608 bytes; the bound is source.limits.expanded: 8MB" in message
    assert [(count.records_read, count.staged, count.rejected) for count in found.batch.counts] == [
        (1, 0, 1),
        (1, 1, 0),
    ]


@pytest.mark.parametrize(
    ("column", "options", "words"),
    [
        (pa.array(["x" * 3 * MIB]), {"use_dictionary": False}, "a page of it unpacks to as much as 3,145,738 bytes"),
        (repeated("x" * 3 * MIB, 9), {}, "a page of it unpacks to as much as 3,145,732 bytes"),
        (lists(1, 500_000, 2), {}, "and a row 500,000 values"),
        (lists(1, 500_000, 2), {"data_page_version": "2.0"}, "and a row 500,000 values"),
        (pa.array([None] * 9, pa.binary(2 * MIB)), {}, "a value may have 2,097,152 bytes"),
    ],
)
def test_rows_that_do_not_fit_one_by_one_are_refused_with_the_column_and_the_sizes(
    read, column, options, words
) -> None:
    bomb = written(pa.table({"v": column, "k": ["a"] * len(column)}), **options)
    sound = written(pa.table({"v": ["a"]}))
    limits = ReaderLimits(decode_bytes=MIB + MIB // 2)
    found = read(
        [bomb, sound], TEXT, source={"format": "parquet"}, name="x.parquet", limits=limits, new_columns="ignore"
    )
    assert (found.values, found.codes) == ([("a",)], [(1, "exceeds_memory")])
    message = found.rejects[0]["message"]
    assert (
        message.startswith("column v") and words in message and "1,572,864 bytes that engine.memory leaves" in message
    )


def test_many_columns_that_fit_one_by_one_are_refused_together(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(written(pa.table({f"c{place}": ["x" * 9_000] for place in range(200)}), use_dictionary=False))
    with pq.ParquetFile(path) as file:
        assert rows_at_once(file, path, 1_000, BOUND, "c7") == [58]
        with pytest.raises(ExceedsMemoryError, match="beside 199 other columns"):
            rows_at_once(file, path, 1_000, BOUND)


def test_many_lists_of_which_each_is_short_are_read(tmp_path: Path) -> None:
    """Their values together are more than the bound."""
    path = tmp_path / "x.parquet"
    path.write_bytes(written(pa.table({"v": lists(*[50] * 4_000)})))
    with pq.ParquetFile(path) as file:
        (rows,) = rows_at_once(file, path, 10_000, BOUND)
        assert 100 < rows < 4_000


@pytest.mark.parametrize("place", range(4, 22, 2))
def test_a_damaged_header_of_a_page_is_a_corrupt_file_or_does_no_harm(read, place: int) -> None:
    data = bytearray(written(pa.table({"v": ["a", "b", "c"]})))
    data[place] ^= 0xFF
    found = read(bytes(data), TEXT, source={"format": "parquet"}, name="x.parquet")
    assert found.values == [("a",), ("b",), ("c",)] or set(found.count.codes) <= {"corrupt_file", "exceeds_memory"}
