"""A small publisher's world: a folder store, a run, and written frames made by pyarrow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.files import FileRef
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import OutputSpec
from cloud_etl.engines.marked_frame import Fate, Written, WrittenFile
from cloud_etl.publish.publisher import ParquetPublisher
from cloud_etl.storage.object_store import ObjectStore

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
# What the engine knows of an output of which no row came through.
EMPTY = Schema((Column("id", ColumnType("integer")),))


@dataclass
class World:
    """Where to publish, and what."""

    store: ObjectStore
    run: RunContext
    batch: Batch
    frames: Path
    empty: Schema = EMPTY
    written: int = 0

    def frame(self, *parts: tuple[dict[str, str], pa.Table], fate: Fate | None = None) -> Written:
        """A written frame with one file per part."""
        files = []
        for partition, table in parts:
            self.written += 1
            path = self.frames / f"{self.written}" / "part.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(table, path, compression="zstd")
            files.append(WrittenFile(path, table.num_rows, fate, partition))
        return Written(tuple(files), ())

    def publisher(self, run_id: str = "r1") -> ParquetPublisher:
        return ParquetPublisher(self.store, replace(self.run, run_id=run_id, fence=int(run_id[1:])))

    def publish(self, written: Written, run_id: str = "r1", **output: object):
        spec = OutputSpec(**{"name": "sales", **output})
        return self.show(run_id, spec, written, self.new_files(run_id))

    def show(self, run_id: str, spec: OutputSpec, written: Written, batch: Batch):
        publisher = self.publisher(run_id)
        return publisher.show(publisher.prepare(spec, written, batch, self.empty))

    def new_files(self, run_id: str) -> Batch:
        """The batch of a run that found new content under the same name."""
        [ref] = self.batch.files
        return replace(self.batch, files=(replace(ref, etag=run_id.replace("r", "e")),))

    def listing(self) -> list[str]:
        return sorted(info.key for info in self.store.list("processed-data"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    ref = FileRef("file:///raw/a.csv", "raw/a.csv", 10, "e1", None, NOW)
    contract = Schema((Column("id", ColumnType("integer")), Column("extra", ColumnType("json"))))
    run = RunContext("r1", "sales", "local", date(2024, 5, 1), NOW, tmp_path / "scratch", 2)
    batch = Batch("b1", (ref,), (), contract, (), 0, (), 0)
    store = ObjectStore.open(str(tmp_path / "store"), S3Spec(), tmp_path)
    return World(store, run, batch, tmp_path / "frames")
