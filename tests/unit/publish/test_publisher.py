from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import LoadSpec, OutputSpec
from cloud_etl.engines.marked_frame import NULL_PARTITION, Fate
from cloud_etl.errors import ObjectExistsError, TargetError
from cloud_etl.publish import manifest

FOLDER = "processed-data/sales_20240501/run_r1"


def table(*ids, **columns):
    return pa.table({"id": pa.array(ids, pa.int32()), **columns, "_row_id": pa.array(range(len(ids)), pa.int64())})


def test_files_are_moved_below_the_run_and_the_manifest_names_them(world):
    frame = world.frame(({}, table(1, 2)), ({}, table(3)))
    publication = world.publish(frame)
    assert world.listing() == [
        f"{FOLDER}/manifest.json",
        f"{FOLDER}/part-00000.parquet",
        f"{FOLDER}/part-00001.parquet",
    ]
    document = json.loads(world.store.read(f"{FOLDER}/manifest.json"))
    assert document["entries"] == [
        {
            "url": world.store.uri(f"{FOLDER}/part-0000{number}.parquet"),
            "mandatory": True,
            "meta": {"content_length": path.stat().st_size, "record_count": rows},
        }
        for number, (path, rows) in enumerate(zip(publication.local_paths, (2, 1), strict=True))
    ]
    assert not any(file.path.exists() for file in frame.files)


def test_the_manifest_tells_where_the_rows_come_from(world):
    world.publish(world.frame(({"region": "n"}, table(1))), partition_by=["region"])
    ours = json.loads(world.store.read(f"{FOLDER}/manifest.json"))["cloud_etl"]
    wanted = {
        "run_id": "r1", "pipeline": "sales", "output": "sales", "rows": 1, "aggregated": False, "batch_id": "b1",
        "schema": [{"name": "id", "type": "integer", "nullable": True}], "partition_by": ["region"],
        "files": [{"uri": "file:///raw/a.csv", "etag": "e1", "version": None, "size_bytes": 10}],
    }  # fmt: skip
    assert {name: ours[name] for name in wanted} == wanted


def test_what_was_published_can_be_read_back(world):
    text = pa.array(['{"a":1}', None])
    frame = world.frame(
        ({"region": "n"}, table(1, 2, extra=text, note=text)), ({"region": "s"}, table(3, 4, extra=text, note=text))
    )
    publication = world.publish(frame, partition_by=["region"])
    assert manifest.latest(world.store, "sales") == publication
    assert publication.schema == Schema(
        (Column("id", ColumnType("integer")), Column("extra", ColumnType("json")), Column("note", ColumnType("string")))
    )
    assert (publication.rows, [dict(file.partition) for file in publication.files]) == (
        4,
        [{"region": "n"}, {"region": "s"}],
    )
    assert [pq.read_metadata(path).num_rows for path in publication.local_paths] == [2, 2]
    assert manifest.fetch(world.store, publication, world.run.scratch) is publication


def test_partitions_are_folders_escaped_as_hive_does(world):
    values = ["a/b", "50%", "k=v", "é x", NULL_PARTITION]
    frame = world.frame(*(({"region": value, "day": "2024-01-01"}, table(1)) for value in values))
    publication = world.publish(frame, partition_by=["day", "region"])
    assert sorted(key.split("/")[3:-1] for key in world.listing() if key.endswith("parquet")) == sorted(
        ["day=2024-01-01", f"region={name}"] for name in ["a%2Fb", "50%25", "k%3Dv", "é x", NULL_PARTITION]
    )
    assert {file.partition["region"] for file in publication.files} == set(values)
    assert all(path.is_file() for path in publication.local_paths)


def test_numbers_begin_anew_in_each_partition(world):
    frame = world.frame(({"r": "a"}, table(1)), ({"r": "b"}, table(2)), ({"r": "a"}, table(3)))
    world.publish(frame, partition_by=["r"])
    assert [key.split("/", 3)[3] for key in world.listing()] == [
        "manifest.json", "r=a/part-00000.parquet", "r=a/part-00001.parquet", "r=b/part-00000.parquet",
    ]  # fmt: skip


def test_only_accepted_rows_are_published(world):
    accepted = world.frame(({}, table(1)))
    rejected = world.frame(({}, table(2, 3)), fate=Fate("check", "rejected", "bad"))
    both = type(accepted)((*accepted.files, *rejected.files), ())
    assert world.publish(both).rows == 1
    assert rejected.files[0].path.exists()


def test_an_output_without_rows_has_a_manifest_a_schema_and_no_files(world):
    empty = world.frame(({}, table()))
    assert world.publish(empty).files == ()
    latest = manifest.latest(world.store, "sales")
    assert (latest.rows, latest.schema.names, latest.local_paths) == (0, ("id",), ())
    assert world.listing() == [f"{FOLDER}/manifest.json"]


def test_an_output_of_which_every_row_was_dropped_and_moved_away_has_the_schema_of_the_frame(world):
    dropped = world.frame(({}, table(1)), fate=Fate("filter", "filtered", "rule"))
    dropped.files[0].path.unlink()
    assert world.publish(dropped).schema == world.empty
    assert manifest.latest(world.store, "sales").schema == world.empty


def test_a_run_publishes_an_output_once(world):
    world.publish(world.frame(({}, table(1))))
    before = [(key, world.store.read(key)) for key in world.listing()]
    with pytest.raises(ObjectExistsError, match="run r1 has published sales already"):
        world.publish(world.frame(({}, table(2))))
    assert [(key, world.store.read(key)) for key in world.listing()] == before


def test_a_file_whose_rows_are_not_those_counted_is_not_made_visible(world):
    frame = world.frame(({}, table(1, 2)))
    pq.write_table(table(1), frame.files[0].path)
    with pytest.raises(TargetError, match="did not arrive whole"):
        world.publish(frame)
    assert manifest.latest(world.store, "sales") is None


def test_a_file_that_is_cut_on_its_way_is_not_made_visible(world, monkeypatch):
    frame = world.frame(({}, table(1, 2)))
    move = type(world.store).put_file

    def cutting(self, path, key):
        move(self, path, key)
        os.truncate(self.local_path(key), 100)

    monkeypatch.setattr(type(world.store), "put_file", cutting)
    with pytest.raises(TargetError):
        world.publish(frame)
    assert manifest.latest(world.store, "sales") is None


def test_files_of_different_columns_are_refused(world):
    frame = world.frame(({}, table(1)), ({}, table(1, extra=pa.array(["x"]))))
    with pytest.raises(TargetError, match="other columns than the files beside it"):
        world.publish(frame)


def test_files_without_the_partitions_of_the_output_are_refused(world):
    with pytest.raises(TargetError, match="partitioned by region and its files are not"):
        world.publish(world.frame(({}, table(1))), partition_by=["region"])


def test_the_newest_complete_run_is_the_latest_whatever_its_date(world):
    for run_id in ("r3", "r1", "r2"):
        world.publish(world.frame(({}, table(1))), run_id=run_id)
    world.store.delete(f"{FOLDER.removesuffix('r1')}r3/manifest.json")
    assert "run_r2" in manifest.latest(world.store, "sales").manifest_uri
    assert manifest.latest(world.store, "sale") is None


SALES = OutputSpec(name="sales")


def published(world):
    return {key.split("/")[2].removeprefix("run_") for key in world.listing() if key.endswith("manifest.json")}


def test_a_run_withdraws_what_a_failed_run_published_from_the_same_files(world):
    world.publish(world.frame(({}, table(1, 2))), run_id="r1")
    world.publish(world.frame(({}, table(7))), run_id="r2")
    files = world.new_files("r1").files
    assert world.publisher("r3").withdraw(SALES, loaded=(), files=files) == ("r1",)
    assert published(world) == {"r2"}


def test_what_was_loaded_is_never_withdrawn(world):
    world.publish(world.frame(({}, table(1, 2))), run_id="r1")
    files = world.new_files("r1").files
    assert world.publisher("r3").withdraw(SALES, loaded={"r1"}, files=files, runs={"r1"}) == ()
    assert published(world) == {"r1"}


def test_a_killed_runs_publication_is_withdrawn_whatever_became_of_its_files(world):
    world.publish(world.frame(({}, table(1, 2))), run_id="r1")
    assert world.publisher("r3").withdraw(SALES, loaded=(), runs={"r1"}) == ("r1",)
    assert published(world) == set()


def test_a_run_that_was_overtaken_withdraws_nothing_of_its_successor(world):
    world.publish(world.frame(({}, table(1, 2))), run_id="r5")
    files = world.new_files("r5").files
    assert world.publisher("r3").withdraw(SALES, loaded=(), files=files, runs={"r5"}) == ()
    assert published(world) == {"r5"}


def test_a_run_takes_back_its_own_publication_alone(world):
    for run_id in ("r1", "r2"):
        world.publish(world.frame(({}, table(1))), run_id=run_id)
    world.publisher("r2").take_back(SALES)
    assert published(world) == {"r1"}


def test_the_publications_of_another_pipeline_are_left_alone(world):
    world.publish(world.frame(({}, table(1))), run_id="r1")
    world.run = replace(world.run, pipeline="other")
    assert world.publisher("r3").withdraw(SALES, loaded=(), runs={"r1"}) == ()


def age(world, folder, days):
    for info in world.store.list(folder):
        then = time.time() - days * 86_400
        os.utime(world.store.local_path(info.key), (then, then))


def test_pruning_keeps_the_newest_runs_and_the_one_of_this_run(world):
    for run_id in ("r0", "r2", "r3", "r4"):
        world.publish(world.frame(({}, table(1))), run_id=run_id)
    other = OutputSpec(name="sales_20240501")
    world.show("r2", other, world.frame(({}, table(1))), world.batch)
    removed = world.publisher("r2").prune(OutputSpec(name="sales", keep_runs=1))
    assert [folder.rpartition("_")[2] for folder in removed] == ["r3", "r0"]
    assert {key.split("/")[2] for key in world.listing() if "/sales_20240501/" in key} == {"run_r2", "run_r4"}
    assert any("sales_20240501_20240501" in key for key in world.listing())
    assert world.publisher("r2").prune(OutputSpec(name="sales", keep_runs=1)) == ()


def test_every_increment_is_kept_where_nothing_else_is_said(world):
    for run_id in ("r1", "r2", "r3", "r4", "r5"):
        world.publish(world.frame(({}, table(1))), run_id=run_id)
    for mode in ("append", "upsert", "scd2"):
        output = OutputSpec(name="sales", load=LoadSpec(table="a.sales", mode=mode, keys=("id",)))
        assert world.publisher("r5").prune(output, loaded={"r1"}) == ()
    assert world.publisher("r5").prune(OutputSpec(name="sales")) == ()
    whole = OutputSpec(name="sales", load=LoadSpec(table="a.sales", mode="replace"))
    assert [folder.rpartition("_")[2] for folder in world.publisher("r5").prune(whole)] == ["r2", "r1"]


def test_pruning_removes_incomplete_runs_only_after_a_day(world):
    for run_id in ("r1", "r2", "r3"):
        world.publish(world.frame(({}, table(1))), run_id=run_id)
    for run_id in ("r1", "r2"):
        world.store.delete(f"processed-data/sales_20240501/run_{run_id}/manifest.json")
    age(world, "processed-data/sales_20240501/run_r1", 1.1)
    age(world, "processed-data/sales_20240501/run_r2", 0.9)
    assert world.publisher("r3").prune(OutputSpec(name="sales")) == (FOLDER,)
    assert {key.split("/")[2] for key in world.listing()} == {"run_r2", "run_r3"}


def test_many_tiny_files_are_folded_and_every_row_is_there(world):
    parts = [({"r": "a"}, table(number, number + 100)) for number in range(40)] + [({"r": "b"}, table(7))]
    publication = world.publish(world.frame(*parts), partition_by=["r"])
    assert [(file.partition["r"], file.rows) for file in publication.files] == [("a", 80), ("b", 1)]
    folded = pq.read_table(publication.local_paths[0])
    assert sorted(folded.column("id").to_pylist()) == sorted([*range(40), *range(100, 140)])
    assert folded.column_names == ["id", "_row_id"]
    assert pq.read_metadata(publication.local_paths[0]).row_group(0).column(0).compression == "ZSTD"


def test_a_few_tiny_files_stay_as_they_are(world):
    assert len(world.publish(world.frame(*(({}, table(number)) for number in range(32)))).files) == 32


@pytest.mark.parametrize(
    "data",
    [
        b'{"entries": []}', b"", b"[]", b"1", b"[" * 100_000, b"\xff", b'{"cloud_etl": []}',
        b'{"cloud_etl": {"schema": 1}}',
        b'{"entries": [{"url": 1, "meta": {"content_length": 1, "record_count": 1}}], "cloud_etl": {"schema": [],'
        b' "partitions": [{}], "output": "o", "rows": 1, "aggregated": false}}',
        b'{"entries": [{"url": "file:///../../x", "meta": {"content_length": 1, "record_count": "1"}}], "cloud_etl": '
        b'{"schema": [], "partitions": [{}], "output": "o", "rows": 1, "aggregated": false}}',
        b'{"entries": [], "cloud_etl": {"schema": [], "partitions": [], "output": "o", "rows": "x", '
        b'"aggregated": false}}',
        b'{"entries": [], "cloud_etl": {"pipeline": "sales", "files": [], "fence": "x"}}',
    ],
)  # fmt: skip
def test_a_manifest_of_another_kind_is_refused(world, data):
    from cloud_etl.errors import SourceError

    world.store.write(f"{FOLDER}/manifest.json", data)
    assert manifest.claimed(world.store, f"{FOLDER}/manifest.json") is None
    with pytest.raises(SourceError, match="is no manifest of cloud-etl"):
        manifest.latest(world.store, "sales")


class Remote:
    """A store whose objects are no files of this machine."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def local_path(self, key):
        return None


def test_files_stay_on_this_machine_where_the_store_is_elsewhere(world, tmp_path):
    world.store = Remote(world.store)
    frame = world.frame(({}, table(1, 2)), ({}, table(3)))
    publication = world.publish(frame)
    assert publication.local_paths == tuple(file.path for file in frame.files)
    latest = manifest.latest(world.store, "sales")
    assert (latest.local_paths, latest.files) == ((), publication.files)
    fetched = manifest.fetch(world.store, latest, tmp_path / "copies")
    assert [pq.read_metadata(path).num_rows for path in fetched.local_paths] == [2, 1]


def test_a_published_file_that_changed_since_is_not_fetched(world, tmp_path):
    from cloud_etl.errors import SourceError

    world.store = Remote(world.store)
    publication = world.publish(world.frame(({}, table(1, 2))))
    world.store.write(f"{FOLDER}/part-00000.parquet", b"short")
    latest = manifest.latest(world.store, "sales")
    with pytest.raises(SourceError, match="is not as its manifest says"):
        manifest.fetch(world.store, latest, tmp_path / "copies")
    assert latest.files == publication.files
