"""A store and a DuckDB warehouse that several runs share, each of which can be stopped before any single step."""

from __future__ import annotations

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
from cloud_etl.errors import CloudEtlError
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
LOADS = {
    "append": LoadSpec(table="shop.sales", mode="append"),
    "upsert": LoadSpec(table="shop.sales", mode="upsert", keys=("id",)),
    "replace": LoadSpec(table="shop.sales", mode="replace"),
    "scd2": LoadSpec(table="shop.sales", mode="scd2", keys=("id",)),
}
# Rows by the etag of the file that holds them.
ROWS = {"one": [1, 2, 3], "two": [4, 5], "one corrected": [1, 2, 9], "six": [6]}
SETTINGS: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "256MB", "threads": 1}
READS = ("get", "read", "folders", "exists")
WRITES = ("write", "replace", "delete", "delete_prefix", "put_file")


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


class Gate:
    """Stops a run before its n-th look or write: for a while, or for good."""

    def __init__(self, at: int, *, kills: bool) -> None:
        self.at, self.kills = at, kills
        self.passed = 0
        self.stopped = threading.Event()
        self.go_on = threading.Event()

    def step(self, *, writes: bool) -> None:
        # Being killed before a look is being killed before the write that follows it.
        if self.kills and not writes:
            return
        self.passed += 1
        if self.passed < self.at:
            return
        if self.kills:
            raise Killed
        if self.passed == self.at:
            self.stopped.set()
            assert self.go_on.wait(30)


_gates: dict[threading.Thread, Gate] = {}


def step(*, writes: bool) -> None:
    """What every look and write of a run passes."""
    if (gate := _gates.get(threading.current_thread())) is not None:
        gate.step(writes=writes)


class Actor:
    """A run in a thread of its own, which has come just so far; without a gate that stops it, to its end."""

    def __init__(self, world: World, run_id: str, hours: int, gate: Gate) -> None:
        self.gate = gate
        self.ended: str | None = None

        def work() -> None:
            try:
                self.ended = world.run(run_id, hours)
            except Killed:
                self.ended = "killed"

        self._thread = threading.Thread(target=work)
        _gates[self._thread] = gate
        self._thread.start()
        while self._thread.is_alive() and not gate.stopped.wait(0.002):
            pass

    def wake(self) -> str:
        """Let it go on; gives how it ended."""
        self.gate.go_on.set()
        self._thread.join(30)
        del _gates[self._thread]
        assert self.ended is not None
        return self.ended


@contextmanager
def small_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sessions of DuckDB share one database held open by the world, and pass the gates with what they ask and write."""

    @contextmanager
    def connected(database: duckdb_session.Database, *, read_only: bool = False) -> Iterator[duckdb_session.Session]:
        connection = duckdb.connect(str(database.path), config=SETTINGS)
        try:
            yield duckdb_session.Session(connection)
        finally:
            connection.close()

    with monkeypatch.context() as patched:
        # Two processes would wait for one another here; threads of one need the same settings to share the file.
        patched.setattr(duckdb_loader, "connected", connected)
        # Nobody pulls the plug here, and a thousand synced writes take a minute.
        patched.setattr(os, "fsync", lambda number: None)
        for name in ("rows", "change", "insert"):
            honest = getattr(duckdb_session.Session, name)

            def stopping(self: object, sql: str, *args: object, honest: Callable[..., object] = honest) -> object:
                # What only makes or describes tables is one step with what comes after it.
                if "cloud_etl.etl_" in sql and not sql.startswith("CREATE"):
                    step(writes=not sql.startswith("SELECT"))
                return honest(self, sql, *args)

            patched.setattr(duckdb_session.Session, name, stopping)
        yield


class World:
    """A store and a warehouse that several runs share."""

    def __init__(self, folder: Path, mode: str = "append") -> None:
        self.folder = folder
        self.output = OutputSpec(
            name="sales", load=LOADS[mode], keep_runs=1000 if mode in ("replace", "scd2") else None
        )
        self.spec = PipelineSpec.model_construct(pipeline="sales", outputs=(self.output,))
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
            step(writes=writes)
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
        delivery = Delivery(self.spec, run, self.store, loader, lease)
        settle_earlier_runs(lease, delivery)
        loaded = LoadedFiles.of(loader.loaded_files("sales"))
        refs = [FileRef(f"file:///{etag[:3]}", etag[:3], len(etag), etag, None, NOW) for etag in self.files]
        new = tuple(loaded.next(ref) for ref in refs if not loaded.holds(ref))
        if not new:
            return "nothing to do"
        batch = Batch(batch_id(new), new, (), CONTRACT, (), 0, (), 0)
        with delivery.or_taken_back():
            prepared = ParquetPublisher(self.store, run).prepare(self.output, self._written(run, new), batch, CONTRACT)
            [publication] = delivery.show([prepared], new)
            task = LoadTask(publication, self.output.load)
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
        paths = [path for one in manifest.lake(self.store, "sales") for path in one.local_paths]
        return sorted(row for path in paths for row in pq.read_table(path).column("id").to_pylist())

    @property
    def published_by(self) -> set[str]:
        """Runs whose publications a reader meets."""
        found = layout.runs(self.store, "sales")
        return {run_id for run_id, folder in found if self.store.exists(f"{folder}/{layout.MANIFEST}")}

    @property
    def loaded_by(self) -> set[str]:
        """Runs that the load ledger knows."""
        found = self.database.execute("SELECT run_id FROM cloud_etl.etl_load_ledger").fetchall()
        return {run_id for (run_id,) in found}

    @property
    def loaded(self) -> list[int]:
        """What the table holds."""
        return [row for (row,) in self.database.execute("SELECT id FROM shop.sales ORDER BY id").fetchall()]
