"""Raw files in a folder store, read on a laptop and by the tasks of a cluster in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.progress import NoProgress
from cloud_etl.domain.run import RunContext
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.cluster import ClusterReader, Places
from cloud_etl.extract.cluster.split import SplitSizes
from cloud_etl.extract.cluster.task import ReadTasks, Tasks
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.storage.address import StoreAddress
from cloud_etl.storage.object_store import ObjectStore

SPEC = {
    "pipeline": "sales",
    "source": {"path": "raw/", "pattern": "*", "format": "csv"},
    "schema": {"id": {"type": "string", "required": True}, "n": {"type": "integer"}, "name": {"type": "string"}},
    "outputs": [{"name": "out"}],
}


@dataclass
class InProcess:
    """Stands for a session of Spark: runs the tasks of a job here, one after the other.

    Attributes:
        jobs: that were run.
    """

    jobs: list[Tasks] = field(default_factory=list)

    def range(self, start: int, end: int, step: int, partitions: int) -> InProcess:
        return self

    def mapInArrow(self, tasks: Tasks, schema: str) -> InProcess:  # noqa: N802 - the name is Spark's
        self.jobs.append(tasks)
        return self

    def collect(self) -> list[tuple[str]]:
        tasks = self.jobs[-1]
        numbers = (pa.RecordBatch.from_arrays([pa.array([number])], ["id"]) for number in range(len(tasks.tasks)))
        return [(line,) for batch in tasks(numbers) for line in batch.column(0).to_pylist()]

    @property
    def read_tasks(self) -> list[list]:
        """What each task of the jobs that read was given."""
        return [list(task) for job in self.jobs if isinstance(job, ReadTasks) for task in job.tasks]


@dataclass
class Outcome:
    """What a batch came to, in an order that depends on nothing but its records."""

    rows: list[dict]
    rejects: list[dict]
    counts: list
    columns: tuple[str, ...]


class SplitFiles:
    """Raw files and both ways to read them."""

    def __init__(self, folder: Path, files: dict[str, bytes], **settings: object) -> None:
        self.folder = folder
        self.spec = PipelineSpec.model_validate(SPEC | settings)
        self.store = ObjectStore.open("store", S3Spec(), folder)
        for name, data in files.items():
            self.store.write(f"raw/{name}", data)
        started = datetime(2024, 1, 1, tzinfo=UTC)
        self.run = RunContext("run-1", "sales", "test", date(2024, 1, 1), started, folder / "here", 1)
        self.run.scratch.mkdir()
        self.extractor = S3Extractor(self.store, self.spec, self.run, NoProgress())
        self.files = self.extractor.list(frozenset()).files
        self.session = InProcess()

    def here(self) -> Outcome:
        batch = self.extractor.validate(self.extractor.download(self.files))
        return _outcome(batch.staged, batch.rejects, batch)

    def there(self, range_bytes: int) -> Outcome:
        work = StoreAddress(f"file://{self.folder}/work", S3Spec(), self.folder)
        places = Places(StoreAddress(self.store.url, S3Spec(), self.folder), work, "sales/run-1")
        reader = ClusterReader(self.session, self.spec, self.run, places, SplitSizes(0, range_bytes))
        batch = reader.read(self.files, NoProgress())
        staged, rejects = (
            [self.folder / "work" / one.key for one in objects] for objects in (batch.staged, batch.rejects)
        )
        return _outcome(staged, rejects, batch)


def _outcome(staged, rejects, batch) -> Outcome:
    # Spark gives a file of the cluster the columns of the batch that it lacks.
    empty = dict.fromkeys(batch.schema.names)
    rows = sorted((empty | row for row in _records(staged)), key=lambda row: row["_row_id"])
    lasting = [{name: value for name, value in one.items() if name != "rejected_at"} for one in _records(rejects)]
    return Outcome(rows, sorted(lasting, key=repr), list(batch.counts), batch.schema.names)


def _records(paths) -> list[dict]:
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def new_split_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., SplitFiles]]:
    """Make a batch in a folder of its own."""
    yield lambda files, **settings: SplitFiles(tmp_path_factory.mktemp("split"), files, **settings)
