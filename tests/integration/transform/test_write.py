"""Writing a marked frame: folders, files, footers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from cloud_etl.domain.files import FileRef
from cloud_etl.engines import marked_frame
from cloud_etl.engines.marked_frame import FATE, NULL_PARTITION, Fate, MarkedFrame
from cloud_etl.errors import StepFailedError

VALUES = [
    "a b",
    "x=y",
    "s/l",
    "%41",
    "ü…😀",
    "",
    ".",
    "..",
    "n",
    "v",
    "null",
    "line\nend",
    "q\"'",
    "\\b",
    "*?[a]",
    NULL_PARTITION,
]


def test_partition_values_come_back_whatever_they_are(lab):
    literals = [f"({text!r})" if "'" not in text else f"""('{text.replace("'", "''")}')""" for text in VALUES]
    sql = "SELECT * FROM (VALUES " + ", ".join("(E" + s[1:] for s in literals) + ", (NULL)) t(p)"
    out = lab.write(sql, partition_by=("p",))
    found = {}
    for file in out.written.files:
        [value] = {
            row[0]
            for row in duckdb.sql(f"SELECT p FROM read_parquet({[str(file.path)]}, hive_partitioning=false)").fetchall()
        }
        found[value] = (file.partition["p"], file.rows)
    assert found == {**{value: (value, 1) for value in VALUES}, None: (NULL_PARTITION, 1)}


def test_rows_that_are_out_make_no_partition_folders(lab):
    rows = lab.values("p, q", "('x', 1)", "('y', 1)", "('z', 2)")
    out = lab.write(rows, {"filter": {"one": "q = 1"}}, partition_by=("p", "q"))
    assert [file.partition for file in out.written.accepted] == [{"p": "x", "q": "1"}, {"p": "y", "q": "1"}]
    [dropped] = out.written.dropped("filtered")
    assert (dropped.rows, dropped.partition, dropped.fate) == (1, {}, Fate("filter", "filtered", "one"))


def test_partition_columns_stay_in_the_files_and_internal_ones_do_not(lab):
    out = lab.write("SELECT 1 AS a, 'x' AS p", partition_by=("p",))
    assert pq.read_schema(out.written.files[0].path).names == ["a", "p", "_row_id"]


def test_a_partition_column_may_have_any_name_and_type(lab):
    out = lab.write(
        "SELECT DATE '2024-01-02' AS \"the day.x\", 1.50::DECIMAL(4,2) AS d", partition_by=("the day.x", "d")
    )
    assert out.written.files[0].partition == {"the day.x": "2024-01-02", "d": "1.50"}


def test_one_file_per_partition_with_zstd_and_statistics(lab):
    rows = "SELECT range AS i, nullif(range % 7, 0) AS n, 'p' || range % 3 AS p FROM range(200000)"
    out = lab.write(rows, partition_by=("p",))
    assert len(out.written.files) == 3
    for file in out.written.files:
        group = pq.read_metadata(file.path).row_group(0)
        for place in range(group.num_columns):
            statistics = group.column(place).statistics
            assert statistics.has_min_max
            assert statistics.has_null_count
            assert group.column(place).compression == "ZSTD"
    assert (
        sum(pq.read_metadata(f.path).row_group(0).column(1).statistics.null_count for f in out.written.files) == 28572
    )


def test_a_large_frame_is_split_into_files_of_a_fair_size(lab, monkeypatch):
    monkeypatch.setattr(marked_frame, "_FILE_BYTES", 1000)
    frame = replace(lab.run("SELECT range AS a FROM range(10000)").frame, size_bytes=4000)
    written = frame.write(lab.folder / "split")
    assert len(written.files) == 4
    assert written.output == 10000
    assert max(file.rows for file in written.files) < 3000


def test_a_partition_value_too_long_for_a_folder_says_so(lab):
    with pytest.raises(StepFailedError, match="too long for a folder name"):
        lab.write("SELECT repeat('ü', 200) AS p", partition_by=("p",))


def test_the_row_with_a_partition_value_too_long_is_named_with_its_file_and_line(lab):
    file = FileRef("file:///raw/a.csv", "raw/a.csv", 1, None, None, datetime(2024, 1, 1, tzinfo=UTC))
    frame = lab.run("SELECT * FROM (VALUES ('x'), (repeat('y', 250)), (NULL)) t(p)").frame
    with pytest.raises(StepFailedError) as raised:
        frame.write(lab.folder / "long", ("p",), [file])
    assert "too long for a folder name: that of p of raw/a.csv line 2 has 250 bytes. `column=value`" in str(
        raised.value
    )
    assert "255 bytes in all" in str(raised.value)
    assert "yyy" not in str(raised.value)


def test_null_conditions_do_not_mark_and_the_first_fate_stays(lab):
    frame = lab.run(lab.values("a", "(1)", "(2)", "(NULL)")).frame
    marked = frame.mark(F.col("a") == 1, Fate("s", "filtered", "first")).mark(
        F.col("a") < 5, Fate("t", "rejected", "second")
    )
    written = marked.write(lab.folder / "marked")
    assert [(step.reason, step.rows) for step in written.steps] == [("first", 1), ("second", 1)]
    assert written.output == 1


def test_written_files_can_be_taken_up_again(lab):
    written = lab.write("SELECT 1 AS a UNION ALL SELECT 2", {"filter": {"one": "a = 1"}}).written
    frame = MarkedFrame.of_accepted(lab.session, [file.path for file in written.accepted])
    assert frame.columns == ("a",)
    assert frame.frame.collect()[0][FATE] == 0
