from __future__ import annotations

import contextlib
import functools
import itertools
from dataclasses import replace
from datetime import timedelta

import duckdb
import pyarrow as pa
import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.schema import LINE_BITS
from cloud_etl.domain.spec import LoadSpec, OutputSpec
from cloud_etl.errors import CloudEtlError, LeaseHeldError, TargetError
from cloud_etl.publish import folding, layout, manifest
from cloud_etl.publish.folding import Folding
from cloud_etl.storage.object_store import ObjectStore

APPEND = OutputSpec(name="sales", load=LoadSpec(table="s.sales", mode="append"), fold_publications=3)


def increment(world, number, *rows, **output):
    ids, notes = zip(*rows, strict=True)
    table = pa.table(
        {
            "id": pa.array(ids, pa.int32()),
            "note": pa.array(notes, pa.string()),
            "_row_id": pa.array(range(len(ids)), pa.int64()),
        }
    )
    half = len(rows) // 2
    parts = [({"r": "a"}, table.slice(0, half)), ({"r": "b"}, table.slice(half))]
    parts = [
        (partition, part.append_column("r", pa.array([partition["r"]] * part.num_rows))) for partition, part in parts
    ]
    return world.publish(world.frame(*parts), f"r{number}", **output)


def fold(world, output=APPEND, loaded=("r1", "r2", "r3", "r4"), check=lambda: None, run_id="r9"):
    return Folding(world.store, world.publisher(run_id)._run, output).fold(loaded, check)


def rows(world, columns="id, note"):
    paths = [str(path) for one in manifest.lake(world.store, "sales") for path in one.local_paths]
    return duckdb.sql(f"SELECT {columns} FROM read_parquet({paths}, hive_partitioning = false) ORDER BY ALL").fetchall()


def test_the_oldest_are_folded_once_there_are_enough_and_readers_see_the_same_rows(world):
    for number in (1, 2, 3, 4):
        increment(world, number, (number, "x"), (number + 10, None), partition_by=["r"])
    before = rows(world, "id, note, r")
    [folder] = fold(world)
    assert folder == "processed-data/sales_20240501/run_r1-folded1"
    lake = manifest.lake(world.store, "sales")
    assert [(one.rows, [file.partition["r"] for file in one.files]) for one in lake] == [
        (6, ["a", "b"]), (2, ["a", "b"]),
    ]  # fmt: skip
    assert rows(world, "id, note, r") == before
    assert manifest.latest(world.store, "sales").rows == 2


def test_row_ids_lead_to_the_files_of_the_folded_manifest(world):
    for number in (1, 2, 3):
        increment(world, number, (number, "x"), (number + 10, None))
    fold(world)
    [one] = manifest.described(world.store, [("r1-folded1", "processed-data/sales_20240501/run_r1-folded1")]).values()
    assert [source["etag"] for source in one.sources] == ["e1", "e2", "e3"]
    assert rows(world, f"id, _row_id >> {LINE_BITS}, _row_id & 15") == [
        (1, 0, 0), (2, 1, 0), (3, 2, 0), (11, 0, 1), (12, 1, 1), (13, 2, 1),
    ]  # fmt: skip


def test_of_an_upsert_the_newest_row_of_a_key_stays_wherever_it_lies(world):
    upsert = OutputSpec(name="sales", load=LoadSpec(table="s.sales", mode="upsert", keys=("id",)), fold_publications=3)
    increment(world, 1, (1, "old"), (2, "kept"), (3, "old"), (None, "one"), partition_by=["r"])
    increment(world, 2, (5, "x"), (3, "newer"), partition_by=["r"])
    increment(world, 3, (3, "newest"), (1, "new"), (None, "two"), partition_by=["r"])
    fold(world, upsert)
    assert rows(world) == [(1, "new"), (2, "kept"), (3, "newest"), (5, "x"), (None, "one"), (None, "two")]


def test_what_was_folded_goes_when_its_readers_are_done(world, monkeypatch):
    for number in (1, 2, 3, 4):
        increment(world, number, (number, "x"), (number, "y"))
    fold(world)
    fold(world)
    assert len(list(layout.runs(world.store, "sales"))) == 5
    monkeypatch.setattr(folding, "FOLDED_KEPT", timedelta(0))
    before = rows(world)
    fold(world)
    assert [run_id for run_id, _ in layout.runs(world.store, "sales")] == ["r4", "r1-folded1"]
    assert rows(world) == before


def test_only_what_follows_one_another_with_the_same_columns_is_folded(world):
    for number in (1, 2):
        increment(world, number, (number, "x"), (number, "y"))
    world.publish(world.frame(({}, pa.table({"id": pa.array([3], pa.int32()), "_row_id": pa.array([0])}))), "r3")
    increment(world, 4, (4, "x"), (4, "y"))
    assert fold(world) == ()
    assert len(list(layout.runs(world.store, "sales"))) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"keep_runs": 5},
        {"load": LoadSpec(table="s.sales", mode="replace")},
        {"load": LoadSpec(table="s.sales", mode="scd2", keys=("id",))},
    ],
)
def test_where_few_runs_are_kept_or_versions_are_told_apart_by_them_nothing_is_folded(world, change):
    for number in (1, 2, 3):
        increment(world, number, (number, "x"), (number, "y"))
    assert fold(world, APPEND.model_copy(update=change)) == ()


def test_what_was_never_loaded_is_left_alone_and_a_folded_set_is_never_withdrawn(world):
    for number in (1, 2, 3, 4):
        increment(world, number, (number, "x"), (number, "y"))
    assert fold(world, loaded=("r1", "r3")) == ()
    fold(world, loaded=("r1", "r2", "r3"))
    withdrawn = world.publisher("r9").withdraw(APPEND, loaded=(), runs=("r4", "r1-folded1"))
    assert withdrawn == ("r4",)


def test_a_run_that_lost_the_pipeline_shows_nothing(world):
    for number in (1, 2, 3):
        increment(world, number, (number, "x"), (number, "y"))

    def lost():
        raise LeaseHeldError("another run")

    with pytest.raises(LeaseHeldError):
        fold(world, check=lost)
    assert len(manifest.lake(world.store, "sales")) == 3


def test_rows_that_do_not_add_up_are_not_shown(world):
    for number in (1, 2, 3):
        increment(world, number, (number, "x"), (number, "y"))
    key = "processed-data/sales_20240501/run_r2/manifest.json"
    world.store.write(key, world.store.read(key).replace(b'"record_count": 1', b'"record_count": 2', 1))
    with pytest.raises(TargetError, match="changed their 7 rows to 6"):
        fold(world)
    assert len(manifest.lake(world.store, "sales")) == 3


class Killed(BaseException):
    """The process is gone."""


class Gated:
    """The writes of a store, before the n-th of which something happens."""

    def __init__(self, store, at, happens):
        self.store, self.at, self.happens, self.passed = store, at, happens, 0
        self.honest = {name: getattr(store, name) for name in ("write", "put_file", "delete", "delete_prefix")}

    def __enter__(self):
        for name in self.honest:
            setattr(self.store, name, functools.partial(self.step, name))
        return self

    def __exit__(self, *_):
        self.open()

    def open(self):
        for name, call in self.honest.items():
            setattr(self.store, name, call)

    def step(self, name, *args, **options):
        self.passed += 1
        if self.passed == self.at:
            self.open()
            self.happens()
        return self.honest[name](*args, **options)


@pytest.mark.parametrize("is_killed", [True, False])
def test_readers_see_every_row_once_whenever_a_run_is_killed_or_overtaken(world, tmp_path, monkeypatch, is_killed):
    """Before each single write of a run that folds; another run then does the same, and removes what was folded."""
    monkeypatch.setattr(folding, "FOLDED_KEPT", timedelta(0))
    for at in itertools.count(1):
        new = replace(
            world, store=ObjectStore.open(str(tmp_path / f"{at}"), S3Spec(), tmp_path), frames=tmp_path / f"f{at}"
        )
        for number in (1, 2, 3, 4):
            increment(new, number, (number, "x"), (number + 10, "y"))
        before = rows(new)

        def happens(new=new, before=before):
            assert rows(new) == before
            if is_killed:
                raise Killed
            fold(new)
            fold(new)
            assert rows(new) == before

        with Gated(new.store, at, happens) as gate, contextlib.suppress(Killed, CloudEtlError):
            fold(new, run_id="r8")
            fold(new, run_id="r8")
        for _ in range(2):
            assert rows(new) == before, at
            fold(new)
        assert [one.rows for one in manifest.lake(new.store, "sales")] == [6, 2]
        if gate.passed < at:
            assert at > 6
            return
