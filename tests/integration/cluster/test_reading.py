"""Executors read the files of a batch, a large one in slices, and end as a laptop does, also when some of them die."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.progress import NoProgress
from cloud_etl.domain.run import RunContext
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.s3_extractor import S3Extractor

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cluster")]

SPEC = {
    "pipeline": "events",
    "source": {"path": "events/", "pattern": "*", "format": "csv"},
    "schema": {"id": {"type": "string", "required": True}, "n": {"type": "integer"}, "name": {"type": "string"}},
    "outputs": [{"name": "out"}],
}
RANGE_BYTES = 32 << 10

READ = """
import json, os, sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from pyspark.sql import SparkSession
from cloud_etl.domain.progress import NoProgress
from cloud_etl.domain.run import RunContext
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.cluster import ClusterReader, Places, read
from cloud_etl.extract.cluster.split import SplitSizes
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.pipeline.project import Project
from cloud_etl.storage.address import StoreAddress

CHANGED
read.ReadTasks = Changed
spec = PipelineSpec.model_validate(json.loads(sys.argv[1]))
environment, root = Project.open(Path.cwd(), env="local").loaded.resolved().environment, Path.cwd()
store = StoreAddress(environment.store, environment.s3, root)
run = RunContext("run-1", "events", "test", date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), root / "none", 1)
files = S3Extractor(store.open(), spec, run, NoProgress()).list(frozenset()).files
settings = {"spark.executor.memory": "512m", "spark.ui.enabled": "false"}
# Both workers are there before the first task is given out.
settings |= {"spark.scheduler.minRegisteredResourcesRatio": "1.0", "spark.cores.max": "2"}
session = SparkSession.builder.master(environment.engine.master).config(map=settings).getOrCreate()
try:
    reader = ClusterReader(session, spec, run, Places(store, store, "work"), SplitSizes(1, int(sys.argv[2])))
    Path("batch.json").write_text(json.dumps(asdict(reader.read(files, NoProgress())), default=str))
finally:
    session.stop()
"""

# Whoever reads a slice puts the name of its worker's folder into what it writes.
NAMED = """
class Changed(read.ReadTasks):
    def _done(self, files, name):
        return super()._done(files, f"{name}-{Path.cwd().parts[-3]}")
"""
# At the first try one Python worker ends when its files are written, and with another its whole executor.
DYING = """
class Changed(read.ReadTasks):
    def _done(self, files, name):
        from pyspark import TaskContext
        done = super()._done(files, name)
        if TaskContext.get().attemptNumber() == 0 and name.startswith("00000"):
            os._exit(1)
        if TaskContext.get().attemptNumber() == 0 and name.startswith("00001"):
            daemon = Path(f"/proc/{os.getppid()}/status").read_text()
            os.kill(int(daemon.split("PPid:")[1].split()[0]), 9)
        return done
"""


def _lines(count: int) -> bytes:
    rows = [f"a{row},{row if row % 50 else 'x'},{'é' * (row % 9)}" for row in range(count)]
    rows[count // 2 : count // 2] = ["too,few", "\udcff,1,no text"]
    return "\r\n".join(["id,n,name", *rows]).encode("utf-8", "surrogateescape")


def _rows(project, objects, columns, folder) -> list[dict]:
    rows = []
    for number, one in enumerate(objects):
        path = folder / f"{number}.parquet"
        project.store.download(project.store.ref(project.store.find(one["key"])), path)
        rows += pq.read_table(path, columns=columns).to_pylist()
    return sorted(rows, key=repr)


def _assert_read_as_here(project, changed: str, tmp_path) -> dict[str, list[dict]]:
    done = project.run(json.dumps(SPEC), str(RANGE_BYTES), code=READ.replace("CHANGED", changed))
    assert done.returncode == 0, done.stderr[-3000:]
    there = json.loads((project.root / "batch.json").read_text())

    run = RunContext("run-1", "events", "test", date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), tmp_path, 1)
    extractor = S3Extractor(project.store, PipelineSpec.model_validate(SPEC), run, NoProgress())
    here = extractor.validate(extractor.download(extractor.list(frozenset()).files))
    counts = [(one["records_read"], one["staged"], one["rejected"], one["codes"]) for one in there["counts"]]
    assert counts == [(one.records_read, one.staged, one.rejected, one.codes) for one in here.counts]
    staged = sorted((row for path in here.staged for row in pq.read_table(path).to_pylist()), key=repr)
    assert _rows(project, there["staged"], None, tmp_path) == staged
    columns = ["source_uri", "source_etag", "line", "byte_position", "column", "code", "message", "raw_text"]
    rejects = [row for path in here.rejects for row in pq.read_table(path, columns=columns).to_pylist()]
    assert _rows(project, there["rejects"], columns, tmp_path) == sorted(rejects, key=repr)
    return there


def test_the_slices_of_a_file_are_read_by_both_workers_as_a_laptop_reads_the_file(far_retail, tmp_path):
    far_retail.store.write("events/large.csv", _lines(8_000))
    far_retail.store.write("events/two tables.csv", b"\r\n".join([_lines(2_000)] * 2))
    far_retail.store.write("events/small.csv", _lines(10))
    there = _assert_read_as_here(far_retail, NAMED, tmp_path)
    assert len(there["staged"]) > 4
    assert all(any(worker in one["key"] for one in there["staged"]) for worker in ("worker-1", "worker-2"))


def test_what_dies_while_it_reads_is_read_again_and_counted_once(far_retail, tmp_path):
    for number in range(5):
        far_retail.store.write(f"events/{number}.csv", _lines(1_000 + number))
    there = _assert_read_as_here(far_retail, DYING, tmp_path)
    left = [info.key for info in far_retail.store.list("work") if "/staged/" in info.key]
    assert len(left) > len(there["staged"])
