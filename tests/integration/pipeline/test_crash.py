"""A run is killed at every phase; the run after it ends as if nothing had happened."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
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
