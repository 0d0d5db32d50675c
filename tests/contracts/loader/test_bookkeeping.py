"""Once and only once: the ledger, refusals, rollback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cloud_etl.domain.files import batch_id
from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import LedgerError, TargetError

SPEC = LoadSpec(table="shop.sales")
BOOKS = "SELECT pipeline, batch_id, run_id, files, tables FROM cloud_etl.etl_load_ledger ORDER BY 1, 2"
FILES = "SELECT * FROM cloud_etl.etl_loaded_files ORDER BY identity"


@pytest.fixture
def columns(make_schema):
    return make_schema(id="integer")


def state(bench):
    return [bench.rows(sql) for sql in ("SELECT * FROM shop.sales ORDER BY 1", BOOKS, FILES)]


@pytest.mark.parametrize("mode", ["append", "replace", "upsert", "scd2"])
def test_the_same_batch_again_changes_nothing(bench, columns, mode):
    spec = LoadSpec(table="shop.sales", mode=mode, keys=("id",))
    request = bench.request(LoadTask(bench.publish(columns, [(1,), (2,)]), spec))
    first = bench.load(request)
    before = state(bench)
    again = bench.load(replace(request, run_id="run-2"))
    assert (first.already_loaded, first.loaded_by_run) == (False, "run-1")
    assert (again.already_loaded, again.loaded_by_run, again.tables) == (True, "run-1", ())
    assert state(bench) == before
    assert len(bench.seen) == 1


def test_a_batch_of_the_same_files_under_another_pipeline_is_another_load(bench, columns):
    task = LoadTask(bench.publish(columns, [(1,)]), SPEC)
    bench.load(bench.request(task))
    assert not bench.load(bench.request(task, pipeline="other")).already_loaded
    assert bench.rows("SELECT count(*) FROM shop.sales") == [(2,)]


def test_the_ledger_holds_the_batch_its_counts_and_its_files(bench, columns):
    request = bench.request(LoadTask(bench.publish(columns, [(1,), (2,)]), SPEC))
    bench.load(request)
    (pipeline, batch, run, files, tables), *others = bench.rows(BOOKS)
    assert (pipeline, batch, run, files, others) == ("sales", request.batch_id, "run-1", 1, [])
    assert json.loads(tables)[0]["inserted"] == 2
    with bench.warehouse.loader() as loader:
        assert loader.loaded_files("sales") == {request.files[0].identity}
        assert loader.loaded_files("other") == frozenset()


def test_files_that_another_batch_loaded_are_refused(bench, columns):
    first = bench.request(LoadTask(bench.publish(columns, [(1,)]), SPEC))
    bench.load(first)
    second = bench.request(LoadTask(bench.publish(columns, [(1,), (2,)]), SPEC))
    both = (*first.files, *second.files)
    before = state(bench)
    with pytest.raises(TargetError, match=r"holds file:///raw/1\.csv, which another batch loaded already"):
        bench.load(replace(second, files=both, batch_id=batch_id(both)))
    assert state(bench) == before


def test_a_file_with_new_content_is_another_file(bench, columns):
    first = bench.request(LoadTask(bench.publish(columns, [(1,)]), SPEC))
    bench.load(first)
    files = (replace(first.files[0], etag="other", generation=1),)
    assert not bench.load(replace(first, files=files, batch_id=batch_id(files))).already_loaded


def test_a_content_older_than_the_one_loaded_since_it_was_listed_is_refused(bench, columns):
    first = bench.request(LoadTask(bench.publish(columns, [(1,)]), SPEC))
    bench.load(first)
    files = (replace(first.files[0], etag="listed before the first was loaded"),)
    before = state(bench)
    with pytest.raises(TargetError, match=r"1\.csv, of which another batch loaded another content since it was listed"):
        bench.load(replace(first, files=files, batch_id=batch_id(files)))
    assert state(bench) == before


def test_many_files_are_recorded_one_by_one(bench, columns):
    request = bench.request(LoadTask(bench.publish(columns, [(1,)]), SPEC))
    files = tuple(replace(request.files[0], uri=f"s3://raw/'{number}.csv") for number in range(450))
    bench.load(replace(request, files=files, batch_id=batch_id(files)))
    with bench.warehouse.loader() as loader:
        assert loader.loaded_files("sales") == {file.identity for file in files}


def test_an_error_before_the_commit_rolls_back_tables_ddl_and_ledger(bench, columns, make_schema):
    bench.load(bench.request(LoadTask(bench.publish(columns, [(1,)]), SPEC)))
    before = state(bench)

    def refuse(counts):
        raise LedgerError("planted")

    wider = bench.publish(make_schema(id="bigint" if bench.warehouse.widens else "integer", note="string"), [(2, "x")])
    new_table = LoadTask(bench.publish(columns, [(1,)]), LoadSpec(table="other.table"))
    request = bench.request(LoadTask(wider, replace_mode(SPEC)), new_table)
    with pytest.raises(LedgerError, match="planted"):
        bench.load(request, refuse)
    assert state(bench) == before
    with bench.warehouse.loader() as loader:
        assert loader.schema_of("other.table") is None
        assert str(loader.schema_of("shop.sales").find("id").type) == "integer"
    assert not bench.load(request).already_loaded


def replace_mode(spec):
    return spec.model_copy(update={"mode": "replace"})


def test_a_failure_in_the_second_table_takes_the_first_with_it(bench, columns, make_schema):
    good = LoadTask(bench.publish(columns, [(1,)]), SPEC)
    bad = LoadTask(bench.publish(make_schema(v="json"), [('{"a":',)]), LoadSpec(table="shop.bad"))
    request = bench.request(good, bad)
    with pytest.raises(
        TargetError, match=r"(loading shop\.bad stopped: a value does|column v: 1 values do) not fit"
    ) as caught:
        bench.load(request)
    assert '{"a"' not in str(caught.value)
    assert caught.value.__cause__ is None
    with bench.warehouse.loader() as loader:
        assert loader.schema_of("shop.sales") is None
        assert loader.loaded_files("sales") == frozenset()


def test_a_missing_file_is_named_and_nothing_is_loaded(bench, columns):
    publication = bench.publish(columns, [(1,), (2,)], files=2)
    publication.local_paths[1].unlink()
    with pytest.raises(TargetError, match=r"(?s)part\[1\]\.parquet|nothing was loaded"):
        bench.load(bench.request(LoadTask(publication, SPEC)))
    with bench.warehouse.loader() as loader:
        assert loader.schema_of("shop.sales") is None


STATEMENTS = {
    "duckdb": (
        'CREATE SCHEMA IF NOT EXISTS "shop"',
        'CREATE TABLE "shop"."sales" ("id" INTEGER)',
        'INSERT INTO "shop"."sales" ("id") SELECT b."id" FROM cloud_etl_batch AS b',
    ),
    "redshift": (
        'LOCK "cloud_etl"."etl_load_ledger"',
        'CREATE SCHEMA IF NOT EXISTS "shop"',
        'CREATE TABLE "shop"."sales" ("id" INTEGER) DISTSTYLE AUTO',
        'INSERT INTO "shop"."sales" ("id") SELECT b."id" FROM cloud_etl_copied_1 AS b',
    ),
}


def test_statements_tell_what_was_run(bench, columns):
    expected = STATEMENTS[bench.warehouse.name]
    result = bench.load(bench.request(LoadTask(bench.publish(columns, [(1,)]), SPEC)))
    assert result.statements[-len(expected) :] == expected


def test_a_warehouse_that_is_not_there_yet_is_empty(bench):
    with bench.warehouse.loader() as loader:
        assert loader.loaded_files("sales") == frozenset()
        assert loader.schema_of("shop.sales") is None
        assert loader.schema_of("a_name_without_a_schema") is None
    assert bench.warehouse.is_untouched
