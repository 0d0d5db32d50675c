"""A load that is killed leaves the warehouse as it was before, or as it is after; never between."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from cloud_etl.domain.run import LoadTask
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import TargetError

SPEC = LoadSpec(table="shop.sales", mode="upsert", keys=("id",))
ROWS = 300_000
CHILD = """
import os, pickle, signal, sys
def die(counts=()):
    os.kill(os.getpid(), signal.SIGKILL)
make, request, where = pickle.load(sys.stdin.buffer)
with make() as loader:
    print("ready", flush=True)
    loader.load(request, die if where == "before the commit" else lambda counts: None)
    die()
"""


@pytest.mark.parametrize(
    ("where", "delay_seconds"),
    [("before the commit", None), ("after the commit", None), ("anywhere", 0.02), ("anywhere", 0.1)],
)
def test_a_killed_load_leaves_before_or_after_and_can_be_run_again(bench, make_schema, where, delay_seconds):
    columns = make_schema(id="integer", name="string")
    bench.load_rows(SPEC, columns, [(1, "old"), (-1, "kept")])
    request = bench.request(LoadTask(bench.publish(columns, [(number, "new") for number in range(ROWS)]), SPEC))
    _load_and_die(pickle.dumps((bench.warehouse.maker(), request, where)), delay_seconds)
    loaded = bool(bench.rows(f"SELECT 1 FROM cloud_etl.etl_load_ledger WHERE batch_id = '{request.batch_id}'"))
    if where != "anywhere":
        assert loaded is (where == "after the commit")
    before, after = [("kept", 1), ("old", 1)], [("kept", 1), ("new", ROWS)]
    look = "SELECT name, count(*) FROM shop.sales GROUP BY name ORDER BY name"
    assert bench.rows(look) == (after if loaded else before)
    assert bench.load(request).already_loaded is loaded
    assert bench.rows(look) == after
    assert bench.rows("SELECT count(*) FROM cloud_etl.etl_loaded_files") == [(2,)]


def _load_and_die(job: bytes, delay_seconds: float | None) -> None:
    """Run the job in a child that kills itself; with a delay it is killed from here, that long after it began."""
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdin.write(job)
        child.stdin.close()
        assert child.stdout.readline() == b"ready\n"
        if delay_seconds is not None:
            time.sleep(delay_seconds)
            child.kill()
        assert child.wait(60) == -9


def test_an_error_behind_the_commit_does_not_deny_the_load(bench, make_schema, monkeypatch):
    if bench.warehouse.name != "duckdb":
        pytest.skip("the answers to COMMIT that Redshift owes are cut in test_redshift_connection.py")
    from cloud_etl.load.duckdb import loader

    @contextmanager
    def failing(database, *, read_only=False):
        with connected(database, read_only=read_only) as session:
            yield session
        if not read_only:
            raise TargetError("the checkpoint found no room")

    connected = loader.connected
    request = bench.request(
        LoadTask(bench.publish(make_schema(id="integer"), [(1,), (2,)]), LoadSpec(table="shop.sales"))
    )
    monkeypatch.setattr(loader, "connected", failing)
    assert not bench.load(request).already_loaded
    monkeypatch.undo()
    assert bench.load(request).already_loaded
    assert bench.rows("SELECT count(*) FROM shop.sales") == [(2,)]
