"""A run is killed at every phase; the run after it ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_etl.pipeline.project import Project

Query = Callable[[str], list[tuple[object, ...]]]

KILLED_AT_PHASE = """
import os, signal, sys
from cloud_etl.domain.progress import NoProgress
from cloud_etl.pipeline.project import Project

class Kill(NoProgress):
    def phase(self, pipeline, phase):
        if (pipeline, phase) == ("orders", sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

Project.open(sys.argv[1]).run(progress=Kill())
"""
KILLED_IN_TRANSACTION = """
import os, signal, sys
from cloud_etl.load.duckdb import Loader
from cloud_etl.pipeline.project import Project

honest = Loader.load

def killed(self, request, before_commit):
    def kill(tables):
        before_commit(tables)
        if request.pipeline == "orders":
            os.kill(os.getpid(), signal.SIGKILL)
    result = honest(self, request, kill if sys.argv[2] == "before" else before_commit)
    if request.pipeline == "orders":
        os.kill(os.getpid(), signal.SIGKILL)
    return result

Loader.load = killed
Project.open(sys.argv[1]).run()
"""


def _killed(code: str, shop: Path, where: str) -> None:
    done = subprocess.run([sys.executable, "-c", code, str(shop), where], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("phase", ["extract", "transform", "quality", "publish", "load"])
def test_a_run_killed_at_a_phase_is_made_good_by_the_next(phase: str, shop: Path, rows: Query) -> None:
    _killed(KILLED_AT_PHASE, shop, phase)
    assert rows("select count(*) from information_schema.tables where table_name = 'orders_fact'") == [(0,)]
    report = Project.open(shop).run()
    assert [one.outcome for one in report.pipelines] == ["no_new_files", "loaded"]
    assert rows("select count(*), sum(amount)::varchar from analytics.orders_fact") == [(3, "32.25")]


@pytest.mark.parametrize(("where", "outcome"), [("before", "loaded"), ("after", "no_new_files")])
def test_a_kill_around_the_commit_loads_exactly_once(where: str, outcome: str, shop: Path, rows: Query) -> None:
    _killed(KILLED_IN_TRANSACTION, shop, where)
    report = Project.open(shop).run(["orders"])
    assert report.pipelines[0].outcome == outcome
    assert rows("select count(*), sum(amount)::varchar from analytics.orders_fact") == [(3, "32.25")]
    assert rows("select count(*) from cloud_etl.etl_load_ledger where pipeline = 'orders'") == [(1,)]


def test_an_interrupt_cleans_up_and_says_what_is_left(shop: Path) -> None:
    code = """
import os, signal, sys
from cloud_etl.transform.transformer import DataTransformer
honest = DataTransformer.run
def interrupted(self, spec, batch):
    os.kill(os.getpid(), signal.SIGINT)
    return honest(self, spec, batch)
DataTransformer.run = interrupted
sys.argv = ["cloud-etl", "run", "--all"]
from cloud_etl.cli.main import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=shop)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "interrupted" in done.stderr
    assert "nothing was loaded" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path for path in (shop / "data/.scratch").rglob("*") if path.is_file()] == []
    assert json.loads((shop / "data/leases/customers.json").read_text())["released"] is True
    assert (shop / "data/runs").exists()


STOPPED_AT_PHASE = """
import functools, os, signal, sys
from cloud_etl.domain.progress import NoProgress
from cloud_etl.pipeline import run
from cloud_etl.pipeline.project import Project

class Stop(NoProgress):
    def phase(self, pipeline, phase):
        if (pipeline, phase) == ("orders", sys.argv[2]):
            os.kill(os.getpid(), signal.SIGSTOP)

run.Lease = functools.partial(run.Lease, ttl_seconds=1)
report = Project.open(sys.argv[1]).run(["orders"], progress=Stop())
print(report.pipelines[0].error)
sys.exit(report.exit_code)
"""


def _published_rows(shop: Path) -> int:
    manifests = [
        json.loads(path.read_text()) for path in shop.glob("data/processed-data/orders_fact_*/*/manifest.json")
    ]
    return sum(one["cloud_etl"]["rows"] for one in manifests)


@pytest.mark.parametrize(("phase", "code"), [("publish", 6), ("load", 0)])
def test_a_run_that_sleeps_past_its_lease_takes_nothing_from_its_successor(
    phase: str, code: int, shop: Path, rows: Query
) -> None:
    Project.open(shop).run(["customers"])
    command = [sys.executable, "-c", STOPPED_AT_PHASE, str(shop), phase]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sleeper:
        try:
            os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
            time.sleep(1.2)
            report = Project.open(shop).run(["orders"])
            assert [one.outcome for one in report.pipelines] == ["loaded"]
        finally:
            sleeper.send_signal(signal.SIGCONT)
        said, complaints = sleeper.communicate(timeout=120)
    # At its load it finds that the very same batch is loaded, which is all that it wanted.
    assert sleeper.returncode == code, complaints
    assert ("orders is being run by" in said) is bool(code)
    assert rows("select count(*) from analytics.orders_fact") == [(3,)]
    assert _published_rows(shop) == 3
    assert Project.open(shop).run(["orders"]).exit_code == 0
    assert _published_rows(shop) == 3


def test_what_a_killed_run_published_is_gone_when_its_file_was_corrected(shop: Path, rows: Query) -> None:
    Project.open(shop).run(["customers"])
    _killed(KILLED_AT_PHASE, shop, "load")
    assert _published_rows(shop) == 3
    path = shop / "data/raw-data/orders/day1.csv"
    path.write_text("order_id,customer_id,region,quantity,price\no1,1,north,2,10.00\n")
    Project.open(shop).run()
    assert _published_rows(shop) == 1
    assert rows("select count(*) from analytics.orders_fact") == [(1,)]


def test_what_a_killed_run_published_is_gone_when_its_file_is_gone(shop: Path) -> None:
    Project.open(shop).run(["customers"])
    _killed(KILLED_AT_PHASE, shop, "load")
    (shop / "data/raw-data/orders/day1.csv").unlink()
    assert [one.outcome for one in Project.open(shop).run(["orders"]).pipelines] == ["no_new_files"]
    assert _published_rows(shop) == 0


def test_a_run_killed_after_its_commit_is_reported_by_the_next(shop: Path) -> None:
    Project.open(shop).run(["customers"])
    before = {path.name for path in (shop / "data/runs").iterdir()}
    _killed(KILLED_IN_TRANSACTION, shop, "after")
    [killed] = {path.name for path in (shop / "data/runs").iterdir()} - before
    assert [one.outcome for one in Project.open(shop).run(["orders"]).pipelines] == ["no_new_files"]
    report = Project.open(shop).records().run(killed)
    [orders] = [one for one in report.pipelines if one.pipeline == "orders"]
    assert orders.outcome == "loaded"
    assert orders.ledger is not None and orders.ledger.reconciles
    assert (orders.ledger.records_read, {table.table: table.inserted for table in orders.tables}) == (
        9,
        {"analytics.orders_fact": 3, "analytics.orders_by_region": 2},
    )
    assert {group.loaded for group in Project.open(shop).records().rejects_by_code("orders")} == {True}


def test_a_run_killed_before_its_commit_is_reported_as_not_loaded(shop: Path) -> None:
    Project.open(shop).run(["customers"])
    before = {path.name for path in (shop / "data/runs").iterdir()}
    _killed(KILLED_IN_TRANSACTION, shop, "before")
    [killed] = {path.name for path in (shop / "data/runs").iterdir()} - before
    Project.open(shop).run(["orders"])
    records = Project.open(shop).records()
    [orders] = [one for one in records.run(killed).pipelines if one.pipeline == "orders"]
    assert (orders.outcome, orders.exit_code, orders.tables) == ("failed", 137, ())
    assert {group.run_id: group.loaded for group in records.rejects_by_code("orders")}[killed] is False
