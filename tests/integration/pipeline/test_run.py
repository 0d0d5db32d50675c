"""The whole way on a small project: what arrives, what is left aside, what a second run does."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cloud_etl.errors import TargetError
from cloud_etl.pipeline.project import Project

Query = Callable[[str], list[tuple[object, ...]]]


def test_every_row_of_the_orders_is_accounted_for(opened: Project, rows: Query) -> None:
    report = opened.run()
    assert report.exit_code == 0
    orders = next(one for one in report.pipelines if one.pipeline == "orders")
    ledger = orders.ledger
    assert ledger is not None
    assert ledger.reconciles
    assert (ledger.records_read, ledger.rejected_by_reader, ledger.staged_footers) == (9, 2, 7)
    assert {step.reason: step.rows for step in ledger.steps if step.rows} == {
        "deduplicate.order_id": 1,
        "drop_nulls.quantity": 1,
        "real_customers": 1,
        "range.quantity": 1,
    }
    assert ledger.output == 3
    assert rows("select order_id, amount from analytics.orders_fact order by 1") == [
        ("o1", Decimal("20.00")),
        ("o2", Decimal("5.50")),
        ("o8", Decimal("6.75")),
    ]
    assert rows("select region, orders, revenue from analytics.orders_by_region order by 1") == [
        ("north", 2, Decimal("26.75")),
        ("south", 1, Decimal("5.50")),
    ]


def test_a_second_run_finds_nothing_new_and_changes_nothing(opened: Project, rows: Query) -> None:
    opened.run()
    before = rows("select * from analytics.orders_fact order by 1")
    report = opened.run()
    assert [one.outcome for one in report.pipelines] == ["no_new_files", "no_new_files"]
    assert report.exit_code == 0
    assert rows("select * from analytics.orders_fact order by 1") == before


def test_the_same_name_with_new_content_is_a_new_file(opened: Project, shop: Path, rows: Query) -> None:
    opened.run()
    path = shop / "data/raw-data/orders/day1.csv"
    path.write_text(path.read_text() + "o9,1,east,1,9.99\n")
    report = opened.run(["orders"])
    assert report.pipelines[0].outcome == "loaded"
    assert rows("select count(*) from analytics.orders_fact") == [(4,)]


def test_references_run_before_those_who_read_them(opened: Project) -> None:
    assert [one.pipeline for one in opened.run().pipelines] == ["customers", "orders"]


def test_a_pipeline_is_skipped_when_one_it_reads_failed(opened: Project, shop: Path, rows: Query) -> None:
    (shop / "data/raw-data/customers/all.jsonl").unlink()
    (shop / "data/raw-data/customers").rmdir()
    report = opened.run()
    assert [(one.pipeline, one.outcome) for one in report.pipelines] == [("customers", "failed"), ("orders", "skipped")]
    assert report.exit_code == 4
    assert "customers" in (report.pipelines[1].error or "")


def test_the_folders_carry_the_date_of_the_run(opened: Project, shop: Path) -> None:
    report = opened.run(["customers"], run_date=date(2024, 2, 29))
    manifest = shop / f"data/processed-data/customer_dim_20240229/run_{report.run_id}/manifest.json"
    entries = json.loads(manifest.read_text())["entries"]
    assert sum(entry["meta"]["record_count"] for entry in entries) == 3


def test_rows_that_left_are_kept_with_their_fate(opened: Project, shop: Path) -> None:
    report = opened.run()
    kept = sorted(
        path.relative_to(shop / "data/dropped-rows/orders").parts[1:3]
        for path in (shop / "data/dropped-rows/orders").rglob("*.parquet")
    )
    assert [status for status, _ in kept] == ["status=duplicate", "status=filtered", "status=null_dropped"]
    quarantined = next(one for one in report.pipelines if one.pipeline == "orders").quarantine
    assert len(quarantined) == 2


def test_scratch_is_empty_after_a_run(opened: Project, shop: Path) -> None:
    opened.run()
    assert [path for path in (shop / "data/.scratch").rglob("*") if path.is_file()] == []


def test_thresholds_refuse_the_batch_before_anything_is_published(shop: Path, rows: Query) -> None:
    orders = shop / "pipelines/orders.yaml"
    orders.write_text(orders.read_text().replace("  checks:", '  fail_when: {rejected_above: "5%"}\n  checks:'))
    report = Project.open(shop).run()
    failed = next(one for one in report.pipelines if one.pipeline == "orders")
    assert (failed.outcome, failed.exit_code) == ("failed", 3)
    assert "quarantine list" in (failed.error or "")
    assert list((shop / "data/processed-data").glob("orders_fact*")) == []
    assert rows("select count(*) from information_schema.tables where table_name = 'orders_fact'") == [(0,)]


@pytest.mark.parametrize("name", ["report.json", "report.html", "ledger.json"])
def test_a_run_leaves_its_report(opened: Project, shop: Path, name: str) -> None:
    report = opened.run()
    assert (shop / "data/runs" / report.run_id / name).stat().st_size > 100


def test_a_batch_of_which_every_record_is_rejected_is_refused(opened: Project, shop: Path) -> None:
    (shop / "data/raw-data/customers/all.jsonl").write_text('{"customer_id": "x"}\n{"customer_id": "y"}\n')
    report = opened.run(["customers"])
    assert (report.exit_code, report.pipelines[0].outcome) == (3, "failed")
    assert "every record was rejected" in (report.pipelines[0].error or "")
    assert not (shop / "data/warehouse.duckdb").exists()


def test_a_project_that_was_moved_loads_nothing_twice(opened: Project, shop: Path) -> None:
    opened.run()
    moved = shop.rename(shop.with_name("moved"))
    assert [one.outcome for one in Project.open(moved).run().pipelines] == ["no_new_files", "no_new_files"]


def test_an_upserted_aggregate_warns_when_late_rows_take_the_place_of_a_group(
    opened: Project, shop: Path, rows: Query, caplog: pytest.LogCaptureFixture
) -> None:
    opened.run()
    assert "load.groups_replaced" not in caplog.text
    (shop / "data/raw-data/orders/late.csv").write_text(
        "order_id,customer_id,region,quantity,price\no9,1,north,1,1.00\n"
    )
    opened.run(["orders"])
    assert rows("select orders, revenue from analytics.orders_by_region where region = 'north'") == [
        (1, Decimal("1.00"))
    ]
    (record,) = [one for one in caplog.records if "load.groups_replaced" in one.getMessage()]
    assert record.levelname == "WARNING"


def test_work_files_that_have_no_place_are_told_with_the_setting(shop: Path) -> None:
    (shop / "file").write_text("")
    project = shop / "cloud-etl.yaml"
    project.write_text(project.read_text().replace("store: ./data", "store: ./data\n    scratch: ./file/below"))
    with pytest.raises(TargetError, match="set the environment's scratch"):
        Project.open(shop).run(["customers"])


def test_a_fault_of_our_own_is_called_so(opened: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("cloud_etl.pipeline.outputs.ParquetPublisher.prepare", broken)
    report = opened.run(["customers"])
    assert (report.exit_code, report.pipelines[0].error) == (
        1, "internal error, RuntimeError: boom. Nothing was loaded. The log holds the traceback: report it.",
    )  # fmt: skip


@pytest.mark.parametrize("umask", [0, 0o022])
def test_all_that_a_run_leaves_behind_is_for_its_user_alone(opened: Project, shop: Path, umask: int) -> None:
    given = {path: path.stat().st_mode for path in shop.rglob("*")}
    before = os.umask(umask)
    try:
        assert opened.run().exit_code == 0
        opened.plan()
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    made = {path: path.lstat() for path in shop.rglob("*") if path not in given}
    modes = {path.relative_to(shop): oct(stat.S_IMODE(found.st_mode)) for path, found in made.items()}
    for path, found in made.items():
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(found.st_mode) == wanted, modes
        assert found.st_uid == os.getuid()
    top = {path.parts[1] if path.parts[0] == "data" and len(path.parts) > 1 else path.parts[0] for path in modes}
    assert {"quarantine", "dropped-rows", "runs", "leases", "processed-data", "logs"} <= top
    assert any(path.suffix == ".duckdb" for path in modes)
    assert {path: path.stat().st_mode for path in given} == given
