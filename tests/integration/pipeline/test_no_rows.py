"""Batches of which no row comes through, and references without rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from cloud_etl.pipeline.project import Project

ORDERS = """
pipeline: orders
source: {path: orders, format: csv}
schema:
  id: {type: integer, required: true}
  cid: {type: integer}
transform:
  - %s
outputs:
  - {name: orders, load: {table: shop.orders, mode: upsert, keys: [id]}}
  - {name: ids, columns: [id], load: {table: shop.ids}}
  - {name: per_customer, aggregate: {group_by: [cid], metrics: {n: "count(*)"}}, load: {table: shop.per_customer}}
"""
CUSTOMERS = """
pipeline: customers
source: {path: customers, format: csv}
schema: {cid: {type: integer, required: true}, name: {type: string}}
outputs: [{name: customers%s}]
"""
Make = Callable[..., Project]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(step: str, customers: str | None = None) -> Project:
        files = {
            "cloud-etl.yaml": "project: shop\nenvironments:\n  local: {store: ., engine: {memory: 512MB}, "
            "warehouse: {duckdb: {path: w.duckdb}}}\n",
            "pipelines/orders.yaml": ORDERS % step,
            "orders/a.csv": "id,cid\n1,7\n2,7\n",
        }
        if customers is not None:
            files |= {"pipelines/customers.yaml": CUSTOMERS % customers, "customers/none.csv": "cid,name\n"}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return Project.open(tmp_path)

    return make


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(folder / "w.duckdb", read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


@pytest.mark.parametrize("step", ['filter: {none: "id > 5"}', 'sql: "select id, cid, _row_id from input where false"'])
def test_a_batch_of_which_no_row_comes_through_loads_empty_tables(make: Make, tmp_path: Path, step: str) -> None:
    (report,) = make(step).run().pipelines
    assert (report.outcome, report.error) == ("loaded", None)
    assert report.ledger is not None
    assert report.ledger.reconciles
    assert (report.ledger.records_read, report.ledger.output) == (2, 0)
    made = rows(tmp_path, "select table_name from information_schema.tables where table_schema = 'shop' order by 1")
    assert made == [("ids",), ("orders",), ("per_customer",)]
    assert rows(tmp_path, "select count(*) from shop.orders") == [(0,)]


@pytest.mark.parametrize("load", ["", ", load: {table: shop.customers, mode: scd2, keys: [cid]}"])
def test_a_reference_without_rows_matches_nothing(make: Make, tmp_path: Path, load: str) -> None:
    report = make("join: {to: customers, on: cid}", customers=load).run()
    assert [(one.pipeline, one.outcome, one.error) for one in report.pipelines] == [
        ("customers", "loaded", None), ("orders", "loaded", None),
    ]  # fmt: skip
    assert rows(tmp_path, "select id, cid, name from shop.orders order by id") == [(1, 7, None), (2, 7, None)]


def test_a_reference_that_was_never_made_is_named(make: Make) -> None:
    report = make("join: {to: customers, on: cid}", customers="").run(["orders"])
    assert "reference 'customers' does not exist" in (report.pipelines[0].error or "")
    assert "Run customers first" in (report.pipelines[0].error or "")


def test_a_file_without_a_record_does_not_empty_a_table_that_it_replaces(make: Make, tmp_path: Path) -> None:
    project = make('filter: {all: "id > 0"}')
    pipeline = tmp_path / "pipelines/orders.yaml"
    pipeline.write_text(pipeline.read_text().replace("mode: upsert, keys: [id]", "mode: replace"))
    project = Project.open(tmp_path)
    assert project.run().exit_code == 0
    (tmp_path / "orders/b.csv").write_text("id,cid\n")
    (report,) = project.run().pipelines
    assert "mode replace would leave shop.orders without a row" in (report.error or "")
    assert rows(tmp_path, "select count(*) from shop.orders") == [(2,)]
    pipeline.write_text(pipeline.read_text() + "quality: {checks: [{row_count: {min: 0}}]}\n")
    assert Project.open(tmp_path).run().exit_code == 0
    assert rows(tmp_path, "select count(*) from shop.orders") == [(0,)]
