from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.domain.quality import TopValue
from cloud_etl.engines.marked_frame import WrittenFile
from cloud_etl.quality.profile import Profile, profile

ALL_TYPES = """
    SELECT i::BIGINT AS _row_id, i::INTEGER AS n, (i * 1.25)::DECIMAL(12,2) AS price, 'v' || (i % 3) AS word,
        CASE WHEN i % 4 = 0 THEN NULL ELSE i % 2 = 0 END AS flag, DATE '2024-01-01' + i::INTEGER AS day,
        TIMESTAMP '2024-01-01 00:00:00.5' + INTERVAL (i) HOUR AS seen,
        CASE WHEN i = 0 THEN 'nan'::DOUBLE WHEN i = 1 THEN 'inf' ELSE i / 2 END AS weight, NULL::VARCHAR AS none
    FROM range({rows}) AS t(i)
"""


def by_name(profile):
    assert profile.warnings == ()
    return {found.column: found for found in profile.columns}


def test_every_type_is_described(written, run):
    found = by_name(profile([written(ALL_TYPES.format(rows=8))], 1000, run))
    assert list(found) == ["n", "price", "word", "flag", "day", "seen", "weight", "none"]
    assert {name: entry.type for name, entry in found.items()} == {
        "n": "integer", "price": "decimal(12,2)", "word": "string", "flag": "boolean", "day": "date",
        "seen": "timestamp", "weight": "double", "none": "integer" if found["none"].type == "integer" else "string",
    }  # fmt: skip
    bounds = {name: (entry.minimum, entry.maximum) for name, entry in found.items()}
    assert bounds == {
        "n": ("0", "7"), "price": ("0.00", "8.75"), "word": ("v0", "v2"), "flag": ("false", "true"),
        "day": ("2024-01-01", "2024-01-08"), "seen": ("2024-01-01 00:00:00.500000", "2024-01-01 07:00:00.500000"),
        "weight": ("1.0", "inf"), "none": (None, None),
    }  # fmt: skip
    assert {name: entry.mean for name, entry in found.items() if entry.mean is not None} == {
        "n": 3.5, "price": 4.375, "weight": 2.25,
    }  # fmt: skip
    assert {name: (entry.nulls, entry.distinct) for name, entry in found.items()} == {
        "n": (0, 8), "price": (0, 8), "word": (0, 3), "flag": (2, 2), "day": (0, 8), "seen": (0, 8), "weight": (0, 8),
        "none": (8, 0),
    }  # fmt: skip
    assert found["word"].top_values == (TopValue("v1", 3), TopValue("v0", 3), TopValue("v2", 2))
    assert all(entry.exact and entry.rows == entry.profiled_rows == 8 for entry in found.values())


def test_days_that_python_does_not_have_are_told_as_text(written, run):
    sql = "SELECT i AS _row_id, DATE '9999-12-31' + i::INTEGER AS day FROM range(3) t(i)"
    found = by_name(profile([written(sql)], 1000, run))["day"]
    assert (found.minimum, found.maximum, found.nulls) == ("9999-12-31", "10000-01-02", 0)


# Values at and beyond what Python, JSON and sums of the type can hold.
ODD = {
    "DECIMAL(38,0)": ["9" * 38, "-" + "9" * 38, "0"],
    "DECIMAL(38,37)": ["9." + "9" * 37, "-9." + "9" * 37],
    "BIGINT": [str((1 << 63) - 1), str(-(1 << 63))],
    "UBIGINT": [str((1 << 64) - 1)],
    "DOUBLE": ["1.7e308", "-1.7e308", "nan", "inf", "-inf", "5e-324", "-0.0"],
    "FLOAT": ["3.4e38", "nan", "inf"],
    "DATE": ["0001-01-01", "10000-01-01", "290000-01-01", "5000-01-01 (BC)", "infinity", "-infinity"],
    "TIMESTAMP": ["0001-01-01", "10000-01-01", "290000-01-01 23:59:59.999999", "5000-01-01 (BC)", "infinity"],
    "TIMESTAMPTZ": ["0001-01-01", "290000-01-01"],
    "TIME": ["24:00:00"],
    "VARCHAR": ["", "\u0000", "\u20ac" * 30_000, "x" * 70_000, "\U0001f600"],
    "BLOB": ["", "\\xFF\\x00", "y" * 70_000],
    "INTEGER[]": ["[1, NULL]", "[]"],
    "STRUCT(a INTEGER)": ["{'a': 1}"],
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_value_of_any_type_stops_the_profile_or_its_report(written, run, data):
    kind = data.draw(st.sampled_from(sorted(ODD)))
    values = data.draw(st.lists(st.sampled_from(ODD[kind]) | st.none(), min_size=1, max_size=5))
    hexed = ", ".join("NULL" if value is None else f"decode(from_hex('{value.encode().hex()}'))" for value in values)
    found = profile([written(f"SELECT CAST(v AS {kind}) AS v FROM (SELECT unnest([{hexed}]::VARCHAR[]) AS v)")], 0, run)
    [column] = found.columns
    assert (column.rows, column.nulls, found.failed) == (len(values), values.count(None), ())
    json.dumps(asdict(column), allow_nan=False)


def test_statistics_that_fail_cost_their_column_alone_and_leave_a_warning(written, run, monkeypatch):
    def means(columns):
        return {column.name: "error('odd')" for column in columns if column.name == "b"}

    monkeypatch.setattr("cloud_etl.quality.profile.means", means)
    found = profile([written("SELECT i AS a, nullif(i, 2) AS b FROM range(3) t(i)")], 0, run)
    a, b = found.columns
    assert (a.distinct, a.nulls) == (3, 0)
    assert (b.distinct, b.mean, b.top_values, b.nulls, b.minimum, b.maximum) == (None, None, (), 1, "0", "1")
    assert found.warnings == (
        "the profile has no statistics of b: they could not be computed (InvalidInputException). "
        "No row is touched by that, and the batch goes on",
    )


@pytest.mark.parametrize("rows", [8, 30_000])
def test_a_sum_of_more_than_38_digits_stops_nothing(written, run, rows):
    sql = f"SELECT i AS _row_id, repeat('9', 38)::DECIMAL(38,0) AS v FROM range({rows}) t(i)"
    found = by_name(profile([written(sql)], 1000, run))["v"]
    assert (found.mean, found.maximum) == (pytest.approx(1e38), "9" * 38)


def test_nothing_is_told_of_no_rows(written, run):
    assert profile([], 0, run) == Profile()
    assert profile([written(ALL_TYPES.format(rows=0))], 0, run) == Profile()


def test_nulls_and_bounds_are_those_of_all_rows_when_few_are_looked_at(written, run):
    files = [written(f"SELECT i AS n, CASE WHEN i > 90 THEN NULL ELSE 1 END AS m FROM range({low}, {high}) t(i)")
             for low, high in ((0, 80), (80, 100))]  # fmt: skip
    found = by_name(profile(files, 10, run))
    assert (found["n"].minimum, found["n"].maximum, found["m"].nulls) == ("0", "99", 9)
    assert (found["n"].rows, found["n"].profiled_rows, found["n"].exact) == (100, 10, False)
    # The first rows of each file, in proportion to its size.
    assert found["n"].mean == pytest.approx((sum(range(8)) + 80 + 81) / 10)


@pytest.mark.parametrize("name", ["file_row_number", "FILE_INDEX"])
def test_all_rows_are_looked_at_when_a_column_hides_the_place_of_rows(written, run, name):
    [found] = profile([written(f'SELECT 7 - i % 3 AS "{name}" FROM range(50) t(i)') for _ in range(2)], 10, run).columns
    assert (found.profiled_rows, found.exact, found.distinct) == (100, True, 3)
    assert found.top_values[0].rows == 34


def test_a_frequent_value_is_found_though_the_first_rows_lack_it(written, run):
    sql = "SELECT CASE WHEN i > 100000 AND i % 4 = 0 THEN -1 ELSE i END AS customer FROM range(200000) AS t(i)"
    [found] = profile([written(sql)], 150_000, run).columns
    assert [top.value for top in found.top_values] == ["-1"]
    assert found.top_values[0].rows == 12_499


def test_of_many_files_evenly_chosen_ones_are_looked_at(written, run):
    files = [written(f"SELECT {number} AS n FROM range(3)", name=f"{number:03}.parquet") for number in range(70)]
    [found] = profile(files, 100, run).columns
    assert (found.minimum, found.maximum, found.rows) == ("0", "69", 210)
    assert 32 <= found.profiled_rows <= 100
    assert found.distinct == 32


def test_columns_with_many_values_tell_the_frequent_ones_only(written, run):
    sql = """SELECT 'id' || i AS id, CASE WHEN i % 10 = 0 THEN -1 ELSE i END AS customer FROM range(90000) AS t(i)"""
    found = by_name(profile([written(sql)], 0, run))
    assert found["id"].top_values == ()
    assert found["customer"].top_values == (TopValue("-1", 9000),)
    assert found["id"].distinct == pytest.approx(90_000, rel=0.1)
    assert not found["id"].exact
    assert found["id"].profiled_rows == 90_000


def test_long_texts_have_exact_bounds_and_are_cut_for_the_report(tmp_path, run):
    # Engines cut the bounds of long texts in the footer and round the upper one up; pyarrow leaves them away.
    texts = ["a" * 200, "z" * 63 + "é" + "x" * 200, "z" * 63 + "d"]
    path = tmp_path / "long.parquet"
    pq.write_table(pa.table({"text": texts, "short": ["a", "b", "c"]}), path, write_statistics=["short"])
    found = by_name(profile([WrittenFile(path, 3, None, {})], 0, run))
    assert found["text"].minimum == "a" * 99 + "…"
    assert found["text"].maximum == ("z" * 63 + "é" + "x" * 200)[:99] + "…"
    assert (found["text"].nulls, found["text"].distinct) == (0, 3)
    assert all(len(top.value) <= 100 for top in found["text"].top_values)


def test_nested_and_binary_columns_have_no_bounds(written, run):
    sql = "SELECT [1, 2] AS list, {'a': 1} AS struct, 'x'::BLOB AS bytes UNION ALL SELECT NULL, NULL, NULL"
    found = by_name(profile([written(sql)], 0, run))
    assert {name: (entry.nulls, entry.minimum, entry.distinct) for name, entry in found.items()} == {
        "list": (1, None, 1), "struct": (1, None, 1), "bytes": (1, None, 1),
    }  # fmt: skip


def test_odd_names_and_many_columns_are_described(written, run):
    names = ['a "quoted" name', "a.b", "GROUP", *(f"c{number}" for number in range(130))]
    columns = ", ".join(f"""{number} AS "{name.replace('"', '""')}" """ for number, name in enumerate(names))
    found = profile([written(f"SELECT {columns}")], 0, run)
    assert [(entry.column, entry.top_values) for entry in found.columns] == [
        (name, (TopValue(str(number), 1),)) for number, name in enumerate(names)
    ]


def test_a_profile_of_the_same_files_is_the_same(written, run):
    files = [written(f"SELECT hash(i + {low}) % 20 AS n, hash(i) AS m FROM range(15000) t(i)") for low in (0, 7)]
    assert profile(files, 20_000, run) == profile(files, 20_000, run)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "b", "é", "'", '"', "null"])), min_size=1, max_size=30))
def test_counts_agree_with_a_python_reference(tmp_path, run, values):
    path = tmp_path / "values.parquet"
    pq.write_table(pa.table({"value": pa.array(values, pa.string())}), path)
    [found] = profile([WrittenFile(path, len(values), None, {})], 0, run).columns
    counts = Counter(value for value in values if value is not None)
    assert found.distinct == len(counts)
    assert found.nulls == values.count(None)
    assert [top.rows for top in found.top_values] == sorted(counts.values(), reverse=True)[:5]
    assert all(counts[top.value] == top.rows for top in found.top_values)
    assert (found.minimum, found.maximum) == ((min(counts), max(counts)) if counts else (None, None))
