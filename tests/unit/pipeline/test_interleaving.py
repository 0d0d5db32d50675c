"""A run is paused, or killed, before each single thing that it does in store and warehouse; another one goes on.

Whatever happens, what readers of the manifests see is what the table holds.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.files import FileRef, LoadedFiles, batch_id
from cloud_etl.domain.run import Batch, LoadRequest, LoadTask, RunContext
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import LoadSpec, OutputSpec, PipelineSpec
from cloud_etl.domain.warehouse import DuckDbSpec, WarehouseSpec
from cloud_etl.engines.marked_frame import Written, WrittenFile
from cloud_etl.errors import CloudEtlError, LeaseHeldError
from cloud_etl.load.duckdb import Loader
from cloud_etl.load.duckdb import loader as duckdb_loader
from cloud_etl.load.duckdb import session as duckdb_session
from cloud_etl.pipeline.delivery import Delivery
from cloud_etl.pipeline.recovery import settle_earlier_runs
from cloud_etl.publish import layout, manifest
from cloud_etl.publish.publisher import ParquetPublisher
from cloud_etl.state.lease import Lease
from cloud_etl.storage.folder_store import FolderStore

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CONTRACT = Schema((Column("id", ColumnType("bigint")),))
OUTPUT = OutputSpec(name="sales", load=LoadSpec(table="shop.sales", mode="append"))
SPEC = PipelineSpec.model_construct(pipeline="sales", outputs=(OUTPUT,))
# Rows by the etag of the file that holds them.
ROWS = {"one": [1, 2, 3], "two": [4, 5], "one corrected": [1, 2, 9], "six": [6]}
SETTINGS: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "256MB", "threads": 1}
READS = ("get", "read", "folders", "exists")
WRITES = ("write", "replace", "delete", "delete_prefix", "put_file")


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


class Gate:
    """Stops the thread that it is armed for before its n-th look or write."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.at = 0
        self.kills = False
        self.passed = 0
        self.stopped = threading.Event()
        self.go_on = threading.Event()

    def step(self, *, writes: bool) -> None:
        # Being killed before a look is being killed before the write that follows it.
        if threading.current_thread() is not self.thread or (self.kills and not writes):
            return
        self.passed += 1
        if self.passed < self.at:
            return
        if self.kills:
            raise Killed
        if self.passed == self.at:
            self.stopped.set()
            assert self.go_on.wait(30)


class World:
    """A store and a warehouse that several runs share."""

    def __init__(self, folder: Path, gate: Gate) -> None:
        self.folder = folder
        self.gate = gate
        self.store = FolderStore(folder / "store", S3Spec())
        for name in (*READS, *WRITES):
            setattr(self.store, name, self.gated(getattr(self.store, name), writes=name in WRITES))
        warehouse = WarehouseSpec(duckdb=DuckDbSpec(path="warehouse.duckdb", memory="256MB"))
        # One for each run: a loader lets one thread in at a time, and here one sleeps inside.
        self.loader = lambda: Loader(warehouse, folder, threads=1)
        self.files: list[str] = []
        # Held open, or each look would read the file anew and each close write it.
        self.database = duckdb.connect(str(folder / "warehouse.duckdb"), config=SETTINGS)

    def gated(self, call: Callable[..., object], *, writes: bool) -> Callable[..., object]:
        def stopping(*args: object, **options: object) -> object:
            self.gate.step(writes=writes)
            return call(*args, **options)

        return stopping

    def run(self, run_id: str, hours: int = 0) -> str:
        """One run, as the pipeline does it; gives how it ended."""
        begun = NOW + timedelta(hours=hours)
        run = RunContext(run_id, "sales", "local", date(2026, 1, 31), begun, self.folder / run_id, 1)
        try:
            with Lease(self.store, "sales", run_id, clock=lambda: begun) as lease:
                return self._phases(replace(run, fence=lease.fence), lease)
        except CloudEtlError as exc:
            return type(exc).__name__

    def _phases(self, run: RunContext, lease: Lease) -> str:
        loader = self.loader()
        delivery = Delivery(SPEC, run, self.store, loader, lease)
        settle_earlier_runs(lease, delivery)
        loaded = LoadedFiles.of(loader.loaded_files("sales"))
        refs = [FileRef(f"file:///{etag[:3]}", etag[:3], len(etag), etag, None, NOW) for etag in self.files]
        new = tuple(loaded.next(ref) for ref in refs if not loaded.holds(ref))
        if not new:
            return "nothing to do"
        batch = Batch(batch_id(new), new, (), CONTRACT, (), 0, (), 0)
        with delivery.or_taken_back():
            prepared = ParquetPublisher(self.store, run).prepare(OUTPUT, self._written(run, new), batch, CONTRACT)
            [publication] = delivery.show([prepared], new)
            task = LoadTask(publication, OUTPUT.load)
            request = LoadRequest(run.run_id, "sales", batch.batch_id, new, (task,), NOW, run.resources, run.fence)
            result = delivery.load(request, lambda tables: None)
        delivery.prune()
        return "already loaded" if result.already_loaded else "loaded"

    def _written(self, run: RunContext, files: tuple[FileRef, ...]) -> Written:
        ids = [row for file in files for row in ROWS[str(file.etag)]]
        run.scratch.mkdir(parents=True, exist_ok=True)
        path = run.scratch / "part.parquet"
        table = pa.table({"id": pa.array(ids, pa.int64()), "_row_id": pa.array(range(len(ids)), pa.int64())})
        pq.write_table(table, path)
        return Written((WrittenFile(path, len(ids), None, {}),), ())

    @property
    def published(self) -> list[int]:
        """What a reader of all manifests meets."""
        found: list[int] = []
        for _, folder in layout.runs(self.store, "sales"):
            key = f"{folder}/{layout.MANIFEST}"
            if self.store.exists(key):
                for path in manifest.read_manifest(self.store, key).local_paths:
                    found += pq.read_table(path).column("id").to_pylist()
        return sorted(found)

    @property
    def loaded(self) -> list[int]:
        """What the table holds."""
        return [row for (row,) in self.database.execute("SELECT id FROM shop.sales ORDER BY id").fetchall()]


@pytest.fixture(autouse=True)
def one_process_may_look_and_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes would wait for one another here; threads of one need the same settings to share the file."""

    @contextmanager
    def connected(database: duckdb_session.Database, *, read_only: bool = False) -> Iterator[duckdb_session.Session]:
        connection = duckdb.connect(str(database.path), config=SETTINGS)
        try:
            yield duckdb_session.Session(connection)
        finally:
            connection.close()

    monkeypatch.setattr(duckdb_loader, "connected", connected)
    # Nobody pulls the plug here, and a thousand synced writes take a minute.
    monkeypatch.setattr(os, "fsync", lambda number: None)


def at_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: list[str], *, kills: bool
) -> Iterator[tuple[World, Gate, Callable[[], str]]]:
    """A world per thing that a run of the first files does, in which that run has come just so far."""
    for at in itertools.count(1):
        gate = Gate()
        (tmp_path / str(at)).mkdir()
        world = World(tmp_path / str(at), gate)
        world.files = ["two"]
        assert world.run("20260131T110000Z-000000") == "loaded"
        with monkeypatch.context() as patched:
            for name in ("rows", "change", "insert"):
                honest = getattr(duckdb_session.Session, name)

                def stopping(
                    self: object, sql: str, *args: object, honest: Callable = honest, gate: Gate = gate
                ) -> object:
                    # What only makes or describes tables is one step with what comes after it.
                    if "cloud_etl.etl_" in sql and not sql.startswith("CREATE"):
                        gate.step(writes=not sql.startswith("SELECT"))
                    return honest(self, sql, *args)

                patched.setattr(duckdb_session.Session, name, stopping)
            ended: list[str] = []

            def work(world: World = world, ended: list[str] = ended) -> None:
                try:
                    ended.append(world.run("20260131T120000Z-aaaaaa"))
                except Killed:
                    ended.append("killed")

            world.files = first
            gate.thread = threading.Thread(target=work)
            gate.at, gate.kills = at, kills
            gate.thread.start()
            while gate.thread.is_alive() and not gate.stopped.wait(0.01):
                pass

            def wake(gate: Gate = gate, ended: list[str] = ended) -> str:
                gate.go_on.set()
                assert gate.thread is not None
                gate.thread.join(30)
                return ended[0]

            yield world, gate, wake
            world.database.close()
            if gate.passed < at:
                assert at > 10, "the gate is not where the work is"
                return


@pytest.mark.parametrize("second", ["the same file", "the file corrected", "no file at all"])
def test_what_is_published_is_what_is_loaded_when_a_sleeping_run_is_overtaken(
    second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"the same file": ["one"], "the file corrected": ["one corrected"], "no file at all": []}[second]
    for world, gate, wake in at_each_step(tmp_path, monkeypatch, ["one"], kills=False):
        world.files = files
        successor = world.run("20260131T130000Z-bbbbbb", hours=1)
        sleeper = wake()
        assert world.published == world.loaded, (gate.at, sleeper, successor)
        assert world.loaded.count(4) == 1
        assert world.run("20260131T140000Z-cccccc", hours=2) in ("loaded", "nothing to do")
        assert world.published == world.loaded, (gate.at, sleeper, successor)
        if files:
            assert set(ROWS[files[0]]) <= set(world.loaded)


@pytest.mark.parametrize("second", ["the same file", "the file corrected", "no file at all", "one file more"])
def test_what_is_published_is_what_is_loaded_after_a_run_was_killed(
    second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "the same file": ["one"],
        "the file corrected": ["one corrected"],
        "no file at all": [],
        "one file more": ["one", "six"],
    }[second]
    for world, gate, wake in at_each_step(tmp_path, monkeypatch, ["one"], kills=True):
        assert wake() in ("killed", "loaded")
        world.files = files
        assert world.run("20260131T130000Z-bbbbbb", hours=1) in ("loaded", "nothing to do")
        assert world.published == world.loaded, gate.at
        for file in files:
            assert set(ROWS[file]) <= set(world.loaded)


def test_a_run_that_publishes_late_and_is_killed_then_is_recognised_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sleeps on another machine, so nobody can tell that it is gone, and wakes after two others have run."""
    for world, gate, wake in at_each_step(tmp_path, monkeypatch, ["one"], kills=False):
        world.files = ["one corrected"]
        for hours in (1, 2):
            world.run(f"20260131T1{2 + hours}0000Z-bbbbbb", hours=hours)
        gate.kills, gate.at = True, gate.at + 3
        wake()
        world.run("20260131T150000Z-cccccc", hours=3)
        assert world.published == world.loaded, gate.at


def test_a_fence_keeps_an_overtaken_run_from_loading_for_good(tmp_path: Path) -> None:
    loader = World(tmp_path, Gate()).loader()
    assert loader.claim("sales", 5, "later") == frozenset()
    with pytest.raises(LeaseHeldError, match="run later has taken sales over"):
        loader.claim("sales", 4, "earlier")
    loader.claim("sales", 5, "later")
    loader.claim("other", 1, "earlier")
