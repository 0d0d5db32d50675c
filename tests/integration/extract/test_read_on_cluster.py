"""What executors make of a batch is what a laptop makes of it: rows, row ids, rejects and counts."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.progress import NoProgress
from cloud_etl.domain.run import RunContext
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import ConfigError, ObjectChangedError
from cloud_etl.extract.cluster import ClusterBatch, ClusterReader, Places
from cloud_etl.extract.cluster.results import NumberedFile, TaskResult
from cloud_etl.extract.cluster.split import packed
from cloud_etl.extract.cluster.task import ReadTasks
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.storage.address import StoreAddress
from cloud_etl.storage.object_store import ObjectStore

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("spark")]
SPEC = {
    "pipeline": "sales",
    "source": {"path": "raw/", "pattern": "*", "format": "csv"},
    "schema": {"id": {"type": "string", "required": True}, "n": {"type": "integer"}, "day": {"type": "date"}},
    "outputs": [{"name": "out"}],
}


class Batch:
    """Raw files in a folder store, and both ways to read them."""

    def __init__(self, folder: Path, files: dict[str, bytes], **settings: object) -> None:
        self.folder = folder
        self.spec = PipelineSpec.model_validate(SPEC | settings)
        self.store = ObjectStore.open("store", S3Spec(), folder)
        for name, data in files.items():
            self.store.write(f"raw/{name}", data)
        started = datetime(2024, 1, 1, tzinfo=UTC)
        self.run = RunContext("run-1", "sales", "test", date(2024, 1, 1), started, folder / "here", 2)
        self.run.scratch.mkdir()
        self.extractor = S3Extractor(self.store, self.spec, self.run, NoProgress())
        self.files = self.extractor.list(frozenset()).files
        self.places = Places(
            StoreAddress(self.store.url, S3Spec(), folder), StoreAddress(f"file://{folder}/work", S3Spec(), folder),
            "sales/run-1",
        )  # fmt: skip

    def here(self):
        return self.extractor.validate(self.extractor.download(self.files))

    def there(self, session) -> ClusterBatch:
        return ClusterReader(session, self.spec, self.run, self.places).read(self.files, NoProgress())

    def work_paths(self, objects) -> list[Path]:
        return [self.folder / "work" / one.key for one in objects]


def rows_of(paths, columns=None) -> list[dict]:
    rows = [row for path in paths for row in pq.read_table(path, columns=columns).to_pylist()]
    return sorted(rows, key=repr)


def dirty(number: int) -> bytes:
    lines = ["id,n,day"]
    lines += [f"a{number}-{row},{row if row % 7 else 'x'},2024-01-{row % 28 + 1:02}" for row in range(50 + number)]
    lines += ['"broken,1,2024-01-01'] if number % 5 == 0 else []
    return "\n".join(lines).encode() + b"\n"


def assert_read_alike(batch: Batch, session) -> None:
    here, there = batch.here(), batch.there(session)
    assert there.counts == here.counts
    assert (there.staged_rows, there.rejected_rows) == (here.staged_rows, here.rejected_rows)
    assert there.staged_rows and there.rejected_rows
    assert there.schema == here.schema
    assert rows_of(batch.work_paths(there.staged)) == rows_of(here.staged)
    columns = ["source_uri", "source_etag", "line", "byte_position", "column", "code", "message", "raw_text", "stage"]
    assert rows_of(batch.work_paths(there.rejects), columns) == rows_of(here.rejects, columns)
    footers = [pq.read_metadata(path).num_rows for path in batch.work_paths(there.staged)]
    assert footers == [one.rows for one in there.staged]


def test_executors_read_what_a_laptop_reads(spark, tmp_path):
    files = {f"{number:02}.csv": dirty(number) for number in range(25)}
    files |= {
        "p.csv.gz": gzip.compress(dirty(3)),
        "q.csv.gz": gzip.compress(dirty(4) * 40)[:-20],
        "r.csv": b"",
        "s.csv": b"x",
    }
    assert_read_alike(Batch(tmp_path, files), spark.session)


JSON_LINES = [
    *(f'{{"id": "a{row}", "n": {row}, "day": "2024-01-0{row % 9 + 1}"}}' for row in range(40)),
    '{"id": "b", "n": 1.5, "day": "2024-01-01"}', '{"id": null, "n": 1}', "{broken",
    '{"id": "c", "more": [1, {"x": 2}]}',
]  # fmt: skip
PARQUET = pa.table({"id": ["a", None, "c"], "n": ["1", "x", "3"], "day": [date(2024, 1, 1)] * 3})


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("source", "files"),
    [
        pytest.param({"format": "json"}, {"a.json": "\n".join(JSON_LINES).encode(), "b.json": b""}, id="JSON lines"),
        pytest.param(
            {"format": "json"},
            {"a.json": f"[{', '.join(JSON_LINES[:42])}]".encode(), "b.json": b'[{"id": "a"}, {"id": '},
            id="JSON arrays",
        ),
        pytest.param(
            {"format": "parquet"},
            {"a.parquet": parquet_bytes(PARQUET), "b.parquet": parquet_bytes(PARQUET)[:-9], "c.parquet": b"PAR1"},
            id="Parquet",
        ),
        pytest.param(
            {"format": "csv", "csv": {"encoding": "utf-16", "delimiter": ";"}},
            {f"{name}.csv": dirty(name).decode().replace(",", ";").encode("utf-16") for name in range(3)},
            id="UTF-16",
        ),
        pytest.param(
            {"format": "csv", "csv": {"encoding": "cp1252"}},
            {"a.csv": "id,n,day\né,1,2024-01-01\n€,x,2024-01-02\n".encode("cp1252"), "b.csv": b"id,n,day\n\x81,1,\n"},
            id="cp1252",
        ),
        pytest.param({"format": "csv"}, {f"{n:03} ü'.csv": dirty(n % 7) for n in range(300)}, id="300 small files"),
    ],
)
def test_executors_read_each_format_as_a_laptop(spark, tmp_path, source, files):
    assert_read_alike(Batch(tmp_path, files, source=SPEC["source"] | source), spark.session)


def test_a_batch_without_rows_has_no_staged_files(spark, tmp_path):
    there = Batch(tmp_path, {"a.csv": b"id,n,day\n"}).there(spark.session)
    assert (there.staged, there.rejects, there.staged_rows) == ((), (), 0)
    assert there.schema.names == ("id", "n", "day")


def test_new_columns_of_some_files_are_columns_of_the_batch(spark, tmp_path):
    large = "id,n,day,Note\n" + "\n".join(f"b{row},1,2024-01-01,long {'x' * 200}" for row in range(12_000))
    files = {"a.csv": b"id,n,day\na,1,2024-01-01\n", "b.csv": large.encode(), "c.csv": b"id,note,more\nc,n,m\n"}
    batch = Batch(tmp_path, files, new_columns="evolve")
    here, there = batch.here(), batch.there(spark.session)
    # Which spelling stands for a new column depends on who met it first.
    assert [name.casefold() for name in there.schema.names] == ["id", "n", "day", "note", "more"]
    assert sorted(map(str.casefold, here.schema.names)) == sorted(map(str.casefold, there.schema.names))
    assert len(there.staged) > 1


def test_an_object_that_was_overwritten_stops_the_batch_in_our_words(spark, tmp_path):
    batch = Batch(tmp_path, {"a.csv": dirty(1), "b.csv": dirty(2)})
    batch.files = (batch.files[0], replace(batch.files[1], etag="another"))
    with pytest.raises(ObjectChangedError, match=r"b\.csv was overwritten after it was listed"):
        batch.there(spark.session)


def test_a_fault_of_the_contract_is_told_as_one(spark, tmp_path):
    schema = SPEC["schema"] | {"n": {"type": "integer", "default": "x"}}
    with pytest.raises(ConfigError, match="default"):
        Batch(tmp_path, {"a.csv": dirty(1)}, schema=schema).there(spark.session)


def test_two_attempts_of_a_task_write_beside_one_another(tmp_path):
    batch = Batch(tmp_path, {"a.csv": dirty(1), "b.csv": dirty(2)})
    numbered = [NumberedFile(*one) for one in enumerate(batch.files)]
    attempts = ReadTasks(packed(numbered), batch.spec, batch.run, batch.places)
    number = pa.RecordBatch.from_arrays([pa.array([0])], ["id"])
    one, two = (TaskResult.decode(next(attempts([number])).column(0)[0].as_py()) for _ in range(2))
    assert one.counts == two.counts
    assert {item.key for item in one.staged}.isdisjoint({item.key for item in two.staged})
    assert len(list((tmp_path / "work/sales/run-1/staged").iterdir())) == len(one.staged) + len(two.staged)
    ids = pq.read_table(batch.work_paths(one.staged)[0]).column("_row_id")
    assert pc.count_distinct(ids).as_py() == len(ids)
