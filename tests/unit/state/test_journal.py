from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import ObjectMissingError
from cloud_etl.state.journal import Journal, idle_runs, list_runs, new_run_id, note_idle_run
from cloud_etl.storage.folder_store import FolderStore

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", S3Spec())


def run_ids(count: int) -> list[str]:
    return [new_run_id(NOON + timedelta(seconds=second)) for second in range(count)]


def test_a_run_id_is_in_utc():
    zone = timezone(timedelta(hours=5))
    assert new_run_id(NOON.astimezone(zone)).startswith("20260131T120000Z-")


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 10**9))
def test_run_ids_sort_by_time(first, seconds):
    before = first.replace(tzinfo=UTC)
    assert new_run_id(before) < new_run_id(before + timedelta(seconds=seconds))


def test_steps_come_back_in_the_order_in_which_they_ended(store):
    journal = Journal(store, run_ids(1)[0])
    for step in ("extract", "transform", "load"):
        journal.record("sales_data", step, {"rows": 3, "at": NOON})
    entries = journal.entries()
    assert [(entry.sequence, entry.step) for entry in entries] == [(1, "extract"), (2, "transform"), (3, "load")]
    assert entries[0].payload == {"rows": 3, "at": str(NOON)}


def test_a_second_journal_of_the_same_run_overwrites_nothing(store):
    run_id = run_ids(1)[0]
    Journal(store, run_id).record("sales_data", "extract", {"try": 1})
    Journal(store, run_id).record("sales_data", "extract", {"try": 2})
    assert [entry.payload["try"] for entry in Journal(store, run_id).entries()] == [1, 2]


def test_an_entry_is_one_json_object_in_the_store(store):
    run_id = run_ids(1)[0]
    Journal(store, run_id).record("sales_data", "publish", {"files": 2})
    entry = json.loads(store.read(f"runs/{run_id}/journal/0001-sales_data-publish.json"))
    assert (entry["pipeline"], entry["step"], entry["payload"]) == ("sales_data", "publish", {"files": 2})


def test_runs_are_listed_newest_first_and_foreign_folders_left_out(store):
    ids = run_ids(4)
    for run_id in ids:
        Journal(store, run_id).write_report("report.json", run_id.encode())
    store.write("runs/notes/readme.txt", b"x")
    assert list_runs(store) == tuple(reversed(ids))
    assert list_runs(store, 2) == (ids[3], ids[2])


def test_a_killed_run_is_listed_though_it_wrote_no_report(store):
    run_id = run_ids(1)[0]
    Journal(store, run_id).record("p", "extract", {})
    assert list_runs(store) == (run_id,)
    with pytest.raises(ObjectMissingError, match=r"report\.json does not exist"):
        Journal(store, run_id).read("report.json")


def test_an_empty_store_has_no_runs(store):
    assert list_runs(store) == ()


def test_pruning_keeps_the_newest_runs_and_every_reject(store):
    ids = run_ids(5)
    for run_id in ids:
        Journal(store, run_id).write_report("report.json", b"{}")
        for kind in ("dropped-rows", "quarantine", "processed-data"):
            store.write(f"{kind}/sales_data/run_{run_id}/a.parquet", b"x")
    assert Journal(store, ids[4]).prune(keep=2) == (ids[2], ids[1], ids[0])
    assert list_runs(store) == (ids[4], ids[3])
    assert store.folders("dropped-rows/sales_data") == (f"run_{ids[3]}", f"run_{ids[4]}")
    for kind in ("quarantine", "processed-data"):
        assert len(store.folders(f"{kind}/sales_data")) == 5
    assert Journal(store, ids[4]).prune(keep=2) == ()


def test_pruning_never_takes_the_run_that_prunes(store):
    ids = run_ids(3)
    for run_id in ids:
        Journal(store, run_id).write_report("report.json", b"{}")
    assert Journal(store, ids[0]).prune(keep=1) == (ids[1],)
    assert list_runs(store) == (ids[2], ids[0])


def test_runs_without_work_leave_lines_and_nothing_to_prune_by(store):
    ids = run_ids(600)
    Journal(store, ids[0]).write_report("report.json", b"{}")
    for run_id in ids[1:]:
        note_idle_run(store, json.dumps({"run_id": run_id}).encode())
    assert list_runs(store) == (ids[0],)
    assert list(idle_runs(store)) == list(reversed(ids[-500:]))
    assert Journal(store, ids[-1]).prune(keep=1) == ()


def test_lines_of_the_index_that_cannot_be_read_are_left_out(store):
    (run_id,) = run_ids(1)
    deep = b"[" * 100_000
    lines = [
        b'{"run_id": "%b"}' % run_id.encode(),
        b'{"run',
        b"[]",
        b"{}",
        b'{"run_id": "../x"}',
        b'{"run_id": []}',
        deep,
    ]
    store.write("runs/idle.jsonl", b"\n".join(lines))
    assert list(idle_runs(store)) == [run_id]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"pipeline": 1}', b"[" * 100_000, b"\xff", b'{"recorded_at": "x"}'])
def test_entries_of_the_journal_that_cannot_be_read_are_left_out(store, data):
    journal = Journal(store, "run")
    journal.record("sales", "extract", {"n": 1})
    store.write("runs/run/journal/0002-sales-load.json", data)
    assert [(entry.step, entry.payload) for entry in journal.entries()] == [("extract", {"n": 1})]


def test_the_ledgers_of_pruned_runs_are_kept(store):
    ids = run_ids(3)
    for run_id in ids:
        Journal(store, run_id).write_report("ledger.json", run_id.encode())
    assert Journal(store, ids[2]).prune(keep=1) == (ids[1], ids[0])
    assert {info.key: store.read(info.key).decode() for info in store.list("ledgers")} == {
        f"ledgers/{run_id}.json": run_id for run_id in ids[:2]
    }


def test_ids_of_runs_of_one_second_sort_as_they_began():
    found = [new_run_id(NOON + timedelta(microseconds=number)) for number in (0, 1, 15, 16, 999_999)]
    assert found == sorted(found)
