"""What each mode does to a table, by the table's rows and by the counts."""

from __future__ import annotations

from datetime import datetime

import pytest

from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import TargetError

TABLE = "shop.sales"
ALL = "SELECT * FROM shop.sales ORDER BY id, name"


def counts(table):
    return (table.copied, table.rows_before, table.inserted, table.deleted, table.rows_after)


@pytest.fixture
def columns(make_schema):
    return make_schema(id="integer", name="string")


def test_append_creates_schema_and_table_and_adds_rows(bench, columns):
    spec = LoadSpec(table=TABLE)
    assert counts(bench.load_rows(spec, columns, [(1, "a"), (2, None)], files=2)) == (2, 0, 2, 0, 2)
    assert counts(bench.load_rows(spec, columns, [(1, "a")])) == (1, 2, 1, 0, 3)
    assert bench.rows(ALL) == [(1, "a"), (1, "a"), (2, None)]


def test_counts_are_given_before_the_commit(bench, columns):
    table = bench.load_rows(LoadSpec(table=TABLE), columns, [(1, "a")])
    assert bench.seen == [(table,)]
    assert (table.table, table.output, table.mode, table.published) == (TABLE, "out", "append", 1)


def test_replace_leaves_only_the_new_rows(bench, columns):
    spec = LoadSpec(table=TABLE, mode="replace")
    bench.load_rows(spec, columns, [(1, "a"), (2, "b")])
    assert counts(bench.load_rows(spec, columns, [(3, "c")])) == (1, 2, 1, 2, 1)
    assert bench.rows(ALL) == [(3, "c")]


def test_upsert_replaces_rows_with_the_same_key_and_adds_the_others(bench, columns):
    spec = LoadSpec(table=TABLE, mode="upsert", keys=("id",))
    assert counts(bench.load_rows(spec, columns, [(1, "a"), (2, "b")])) == (2, 0, 2, 0, 2)
    assert counts(bench.load_rows(spec, columns, [(2, "B"), (3, "c")])) == (2, 2, 2, 1, 3)
    assert bench.rows(ALL) == [(1, "a"), (2, "B"), (3, "c")]


def test_upsert_by_two_keys_matches_both(bench, make_schema):
    columns = make_schema(day="date", region="string", orders="bigint")
    spec = LoadSpec(table=TABLE, mode="upsert", keys=("day", "region"))
    first, second = datetime(2024, 1, 1).date(), datetime(2024, 1, 2).date()
    bench.load_rows(spec, columns, [(first, "n", 1), (first, "s", 2)])
    bench.load_rows(spec, columns, [(first, "s", 9), (second, "s", 3)])
    rows = bench.rows("SELECT * FROM shop.sales ORDER BY day, region")
    assert rows == [(first, "n", 1), (first, "s", 9), (second, "s", 3)]


def test_upsert_removes_all_rows_of_a_key_that_an_append_had_doubled(bench, columns):
    bench.load_rows(LoadSpec(table=TABLE), columns, [(1, "a"), (1, "a")])
    count = bench.load_rows(LoadSpec(table=TABLE, mode="upsert", keys=("id",)), columns, [(1, "b")])
    assert counts(count) == (1, 2, 1, 2, 1)
    assert bench.rows(ALL) == [(1, "b")]


def test_upsert_takes_a_key_written_in_another_case(bench, columns):
    spec = LoadSpec(table=TABLE, mode="upsert", keys=("ID",))
    bench.load_rows(spec, columns, [(1, "a")])
    bench.load_rows(spec, columns, [(1, "b")])
    assert bench.rows(ALL) == [(1, "b")]


@pytest.mark.parametrize("mode", ["upsert", "scd2"])
def test_doubled_keys_are_refused_with_their_number_and_without_values(bench, columns, mode):
    rows = [(771177, "a"), (771177, "b"), (882288, "c"), (882288, "d"), (3, "e")]
    with pytest.raises(TargetError, match=r"2 keys \(id\) more than once") as caught:
        bench.load_rows(LoadSpec(table=TABLE, mode=mode, keys=("id",)), columns, rows)
    assert "771177" not in str(caught.value)
    assert "Deduplicate" in str(caught.value)


@pytest.mark.parametrize("mode", ["upsert", "scd2"])
def test_missing_keys_are_refused(bench, columns, mode):
    with pytest.raises(TargetError, match="1 rows without id"):
        bench.load_rows(LoadSpec(table=TABLE, mode=mode, keys=("id",)), columns, [(None, "a"), (1, "b")])


def test_keys_that_are_no_columns_are_refused(bench, columns):
    with pytest.raises(TargetError, match=r"key order_id of shop\.sales is no column"):
        bench.load_rows(LoadSpec(table=TABLE, mode="upsert", keys=("order_id",)), columns, [(1, "a")])


def test_proven_keys_are_loaded_without_a_second_look(bench, columns):
    publication = bench.publish(columns, [(1, "a"), (2, "b")])
    task = LoadTask(publication, LoadSpec(table=TABLE, mode="upsert", keys=("id",)), keys_are_unique=True)
    assert counts(bench.load(bench.request(task)).tables[0]) == (2, 0, 2, 0, 2)


def test_scd2_opens_closes_and_leaves_versions(bench, columns):
    spec = LoadSpec(table=TABLE, mode="scd2", keys=("id",))
    assert counts(bench.load_rows(spec, columns, [(1, "a"), (2, "b"), (4, None)])) == (3, 0, 3, 0, 3)
    count = bench.load_rows(spec, columns, [(1, "a"), (2, "B"), (3, "c"), (4, None)])
    assert counts(count) == (4, 3, 2, 0, 5)
    first, second = datetime(2024, 5, 2), datetime(2024, 5, 3)
    assert bench.rows("SELECT id, name, valid_from, valid_to, is_current FROM shop.sales ORDER BY id, valid_from") == [
        (1, "a", first, None, True),
        (2, "b", first, second, False),
        (2, "B", second, None, True),
        (3, "c", second, None, True),
        (4, None, first, None, True),
    ]


def test_scd2_keeps_rows_current_that_a_batch_lacks(bench, columns):
    spec = LoadSpec(table=TABLE, mode="scd2", keys=("id",))
    bench.load_rows(spec, columns, [(1, "a"), (2, "b")])
    assert counts(bench.load_rows(spec, columns, [(2, "b")])) == (1, 2, 0, 0, 2)
    assert bench.rows("SELECT count(*) FROM shop.sales WHERE is_current") == [(2,)]


def test_scd2_sees_a_value_become_null_and_back(bench, columns):
    spec = LoadSpec(table=TABLE, mode="scd2", keys=("id",))
    for name in ("a", None, "a"):
        bench.load_rows(spec, columns, [(1, name)])
    assert bench.rows("SELECT name, is_current FROM shop.sales ORDER BY valid_from") == [
        ("a", False),
        (None, False),
        ("a", True),
    ]


def test_scd2_compares_values_and_not_how_they_are_written(bench, make_schema):
    spec = LoadSpec(table=TABLE, mode="scd2", keys=("id",))
    columns = make_schema(id="integer", tags="json")
    bench.load_rows(spec, columns, [(1, '{"a": 1, "b": [2]}'), (2, None), (3, '{"a": 1}')])
    count = bench.load_rows(spec, columns, [(1, '{"b": [2], "a":1}'), (2, "{}"), (3, '{"a": 2.0}')])
    assert (count.copied, count.inserted) == (3, 2)
    if bench.warehouse.name == "duckdb":
        bench.load_rows(spec, columns, [(3, '{"a": 2.00}')])
        bench.load_rows(spec, columns, [(3, '{"a": 2}'), (1, '{"a": 1.0, "b": [2.0]}')])
    assert bench.rows("SELECT id, count(*) FROM shop.sales GROUP BY id ORDER BY id") == [(1, 1), (2, 2), (3, 2)]


def test_scd2_refuses_a_batch_older_than_the_current_versions(bench, columns):
    spec = LoadSpec(table=TABLE, mode="scd2", keys=("id",))
    bench.load_rows(spec, columns, [(1, "a")])
    older = bench.request(LoadTask(bench.publish(columns, [(1, "b")]), spec), batch=-5)
    with pytest.raises(TargetError, match="1 current versions that are younger"):
        bench.load(older)
    assert bench.rows("SELECT name, is_current FROM shop.sales") == [("a", True)]


def test_scd2_refuses_columns_of_its_own_names(bench, make_schema):
    columns = make_schema(id="integer", is_current="boolean")
    with pytest.raises(TargetError, match="keeps is_current itself"):
        bench.load_rows(LoadSpec(table=TABLE, mode="scd2", keys=("id",)), columns, [(1, True)])


@pytest.mark.parametrize(
    ("mode", "left"), [("append", [(1, "a")]), ("replace", []), ("upsert", [(1, "a")]), ("scd2", [(1, "a")])]
)
def test_an_empty_publication_loads_no_row(bench, columns, mode, left):
    spec = LoadSpec(table=TABLE, mode=mode, keys=("id",))
    empty = bench.load_rows(spec, columns, [])
    assert counts(empty) == (0, 0, 0, 0, 0)
    bench.load_rows(spec, columns, [(1, "a")])
    again = bench.load_rows(spec, columns, [])
    assert counts(again) == (0, 1, 0, 1 - len(left), len(left))
    assert bench.rows("SELECT id, name FROM shop.sales") == left


@pytest.mark.parametrize("mode", ["append", "replace", "upsert", "scd2"])
def test_an_empty_publication_without_columns_makes_no_table(bench, make_schema, mode):
    spec = LoadSpec(table=TABLE, mode=mode, keys=("id",))
    assert counts(bench.load_rows(spec, make_schema(), [])) == (0, 0, 0, 0, 0)
    with bench.warehouse.loader() as loader:
        assert loader.schema_of(TABLE) is None


def test_two_tables_of_a_request_are_loaded_together(bench, columns):
    tasks = [LoadTask(bench.publish(columns, [(i, "x")]), LoadSpec(table=f"shop.t{i}")) for i in (1, 2)]
    assert [table.table for table in bench.load(bench.request(*tasks)).tables] == ["shop.t1", "shop.t2"]


def test_two_outputs_for_one_table_are_refused(bench, columns):
    tasks = [LoadTask(bench.publish(columns, [(1, "x")]), LoadSpec(table=name)) for name in ("shop.t", "SHOP.T")]
    with pytest.raises(TargetError, match=r"two outputs of sales go into table shop\.t"):
        bench.load(bench.request(*tasks))


def test_exported_tables_hold_current_rows_in_the_types_of_staged_files(bench, make_schema, tmp_path):
    import pyarrow.parquet as pq

    columns = make_schema(id="integer", at="timestamp", extra="json")
    spec = LoadSpec(table=TABLE, mode="scd2", keys=("id",))
    for number in (1, 2):
        bench.load_rows(spec, columns, [(1, datetime(2024, 1, number), '{"a": 1}')])
    with bench.warehouse.loader() as loader:
        everything = loader.export(TABLE, tmp_path / "all")
        current = loader.export(TABLE, tmp_path / "current", current_only=True)
        with pytest.raises(TargetError, match=r"table shop\.none cannot be exported"):
            loader.export("shop.none", tmp_path / "none")
    assert sum(pq.read_metadata(path).num_rows for path in everything) == 2
    table = pq.read_table(current[0])
    assert [str(table.schema.field(name).type) for name in ("id", "at", "extra")] == [
        "int32",
        "timestamp[us, tz=UTC]",
        "string",
    ]
    assert table.column("at").to_pylist()[0].isoformat() == "2024-01-02T00:00:00+00:00"
