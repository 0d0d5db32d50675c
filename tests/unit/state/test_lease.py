from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import LeaseHeldError, TargetError, TemporaryError
from cloud_etl.state.holder import Holder
from cloud_etl.state.lease import Lease
from cloud_etl.storage.folder_store import FolderStore
from cloud_etl.storage.processes import process_space

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
needs_proc = pytest.mark.skipif(process_space() is None, reason="this system does not tell process spaces apart")


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", S3Spec())


def lease(store: FolderStore, run_id: str, clock: Clock) -> Lease:
    return Lease(store, "sales_data", run_id, ttl_seconds=60, clock=clock)


def test_a_second_run_is_told_who_holds_the_lease(store, clock):
    with lease(store, "first", clock), pytest.raises(LeaseHeldError) as caught, lease(store, "second", clock):
        pytest.fail("two runs hold the lease")
    message = str(caught.value)
    assert "first" in message and "since 2026-01-31 12:00:00 UTC" in message and "2026-01-31 12:01:00 UTC" in message
    assert f"process {os.getpid()}" in message
    assert caught.value.exit_code == 6


def test_pipelines_do_not_share_a_lease(store, clock):
    with lease(store, "first", clock), Lease(store, "customer_data", "second", 60, clock) as other:
        other.check()


def test_a_released_lease_is_taken_at_once(store, clock):
    with lease(store, "first", clock):
        pass
    with lease(store, "second", clock) as second:
        second.check()


def test_an_error_inside_releases_the_lease(store, clock):
    with pytest.raises(ZeroDivisionError), lease(store, "first", clock):
        _ = 1 / 0
    with lease(store, "second", clock):
        pass


def test_an_expired_lease_is_taken_and_its_holder_notices_before_it_commits(store, clock):
    with lease(store, "first", clock) as first:
        first.check()
        clock.forward(61)
        with lease(store, "second", clock) as second:
            with pytest.raises(LeaseHeldError, match="run by second"):
                first.check()
            second.check()
    with lease(store, "third", clock):
        pass


def test_the_one_who_lost_the_lease_does_not_release_the_others(store, clock):
    with lease(store, "first", clock):
        clock.forward(61)
        second = lease(store, "second", clock)
        second.__enter__()
    second.check()
    with pytest.raises(LeaseHeldError), lease(store, "third", clock):
        pass
    second.__exit__(None, None, None)


def test_an_expired_lease_that_nobody_took_is_still_ours(store, clock):
    with lease(store, "first", clock) as first:
        clock.forward(3600)
        first.check()
        with pytest.raises(LeaseHeldError), lease(store, "second", clock):
            pass


def test_each_holder_has_a_higher_fence_than_the_one_before(store, clock):
    fences = []
    for run_id in ("first", "second", "third"):
        with lease(store, run_id, clock) as held:
            fences.append(held.fence)
    store.delete("leases/sales_data.json")
    clock.forward(1)
    with lease(store, "fourth", clock) as held:
        fences.append(held.fence)
    assert fences == sorted(set(fences))


def test_a_holder_that_did_not_release_is_handed_on_until_it_is_settled(store, clock):
    lease(store, "first", clock).__enter__()
    clock.forward(61)
    lease(store, "second", clock).__enter__()
    clock.forward(61)
    with lease(store, "third", clock) as third:
        assert [one.run_id for one in third.unsettled] == ["first", "second"]
        third.settle(third.unsettled[1:])
    with lease(store, "fourth", clock) as fourth:
        assert [(one.run_id, one.is_dead) for one in fourth.unsettled] == [("second", False)]
        fourth.settle(())
    with lease(store, "fifth", clock) as fifth:
        assert fifth.unsettled == ()


def test_a_check_renews(store, clock):
    with lease(store, "first", clock) as first:
        for _ in range(3):
            clock.forward(50)
            first.check()
        clock.forward(50)
        with pytest.raises(LeaseHeldError), lease(store, "second", clock):
            pass


def test_a_thread_renews_while_the_run_works(store):
    with Lease(store, "sales_data", "first", ttl_seconds=0.3):
        before = store.read("leases/sales_data.json")
        for _ in range(100):
            if store.read("leases/sales_data.json") != before:
                break
            threading.Event().wait(0.05)
        else:
            pytest.fail("the lease was not renewed")


def test_a_deleted_lease_stops_its_holder(store, clock):
    with lease(store, "first", clock) as first:
        store.delete("leases/sales_data.json")
        with pytest.raises(LeaseHeldError, match="was deleted"):
            first.check()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"run_id": 1}', b"\xff"])
def test_a_lease_that_cannot_be_read_is_left_alone(store, clock, content):
    store.write("leases/sales_data.json", content)
    with pytest.raises(TargetError, match="delete that object"), lease(store, "first", clock):
        pass
    assert store.read("leases/sales_data.json") == content


@pytest.mark.parametrize("state", ["nothing there", "expired", "released"])
def test_of_many_takers_exactly_one_wins(store, clock, state):
    if state != "nothing there":
        crashed = lease(store, "crashed", clock)
        crashed.__enter__()
        if state == "released":
            crashed.__exit__(None, None, None)
    clock.forward(61 if state == "expired" else 0)
    together = threading.Barrier(8)
    takers = [lease(store, f"taker-{number}", clock) for number in range(8)]

    def attempt(taker: Lease) -> bool:
        together.wait()
        try:
            taker.__enter__()
        except LeaseHeldError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, takers))
    assert sum(won) == 1
    takers[won.index(True)].check()
    takers[won.index(True)].__exit__(None, None, None)


def test_of_many_processes_exactly_one_takes_an_expired_lease(store, tmp_path):
    gone = Holder("crashed", "token", "elsewhere", 1, None, None, NOON, NOON + timedelta(seconds=60))
    store.write("leases/p.json", json.dumps(dataclasses.asdict(gone), default=datetime.isoformat).encode())
    code = (
        "import pathlib, sys, time\n"
        "from cloud_etl.domain.environment import S3Spec\n"
        "from cloud_etl.errors import LeaseHeldError\n"
        "from cloud_etl.state.lease import Lease\n"
        "from cloud_etl.storage.folder_store import FolderStore\n"
        "lease = Lease(FolderStore(pathlib.Path(sys.argv[1]), S3Spec()), 'p', sys.argv[2])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try:\n"
        "    with lease:\n"
        "        print('won', flush=True); sys.stdin.readline()\n"
        "except LeaseHeldError:\n"
        "    print('lost', flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    takers = [
        subprocess.Popen([*command, f"taker-{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    for taker in takers:
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        taker.stdin.write("go\n")
        taker.stdin.flush()
    answers = [taker.stdout.readline().strip() for taker in takers]
    for taker in takers:
        taker.communicate()
    assert sorted(answers) == ["lost", "lost", "lost", "won"]


@needs_proc
def test_the_lease_of_a_killed_process_of_this_machine_is_free_at_once(store):
    code = (
        "import os, pathlib, sys\n"
        "from cloud_etl.domain.environment import S3Spec\n"
        "from cloud_etl.state.lease import Lease\n"
        "from cloud_etl.storage.folder_store import FolderStore\n"
        "Lease(FolderStore(pathlib.Path(sys.argv[1]), S3Spec()), 'sales_data', 'killed', 3600).__enter__()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = store.local_folder()
    assert subprocess.run([sys.executable, "-c", code, str(root)], check=False).returncode == -9
    assert json.loads(store.read("leases/sales_data.json"))["run_id"] == "killed"
    with Lease(store, "sales_data", "next"):
        pass


@needs_proc
def test_only_a_process_that_is_provably_gone_is_dead():
    alive = Holder.this_process("run", "token", NOON, NOON + timedelta(seconds=60))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not alive.is_dead()
    assert dataclasses.replace(alive, pid=ended.pid).is_dead()
    assert dataclasses.replace(alive, start_tick=1).is_dead(), "the pid was given to another process"
    assert not dataclasses.replace(alive, pid=ended.pid, process_space="another machine").is_dead()
    assert not dataclasses.replace(alive, pid=ended.pid, process_space=None).is_dead()


def test_a_lost_answer_to_our_own_write_is_not_taken_for_another_run(tmp_path, clock):
    class LossyStore(FolderStore):
        """Does what it is asked, and then says what S3 says when the client tries again after a lost answer."""

        def write(self, key: str, data: bytes, *, once: bool = False) -> str:
            super().write(key, data, once=once)
            return super().write(key, data, once=once)

        def replace(self, key: str, data: bytes, etag: str) -> str:
            super().replace(key, data, etag)
            return super().replace(key, data, etag)

    store = LossyStore(tmp_path / "store", S3Spec())
    with lease(store, "first", clock) as first:
        first.check()
        with pytest.raises(LeaseHeldError, match="run by first"), lease(store, "second", clock):
            pass
    with lease(store, "second", clock) as second:
        second.check()


def test_a_store_that_is_away_does_not_hide_the_error_of_the_run(tmp_path, clock):
    class AwayStore(FolderStore):
        away = False

        def replace(self, key: str, data: bytes, etag: str) -> str:
            if self.away:
                raise TemporaryError("the store cannot be reached")
            return super().replace(key, data, etag)

    store = AwayStore(tmp_path / "store", S3Spec())
    with pytest.raises(ZeroDivisionError), lease(store, "first", clock) as first:
        store.away = True
        with pytest.raises(TemporaryError):
            first.check()
        _ = 1 / 0


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "1"}, {"fence": "x"}, {"fence": 1 << 62}, {"fence": -1}, {"expires_at": "2026-01-01T00:00:00"},
        {"since": None},
        {"unsettled": [1]}, {"unsettled": {}}, {"run_id": None}, {"expires_at": 10**400}, {"start_tick": 1.5},
    ],
)  # fmt: skip
def test_a_damaged_lease_is_told_and_left(store, change):
    with Lease(store, "sales", "run-1"):
        pass
    whole = json.loads(store.read("leases/sales.json"))
    for data in (
        json.dumps({**whole, **change}).encode(),
        b"[" * 100_000,
        b"\xff",
        store.read("leases/sales.json")[:-9],
    ):
        store.write("leases/sales.json", data)
        with (
            pytest.raises(TargetError, match="is not a lease that this version can read"),
            Lease(store, "sales", "run-2"),
        ):
            pass
        assert store.read("leases/sales.json") == data


@pytest.mark.parametrize("pid", [2**40, -1, 0])
def test_a_lease_of_a_process_that_cannot_be_lasts_until_it_ends(store, pid):
    with Lease(store, "sales", "run-1"):
        data = {**json.loads(store.read("leases/sales.json")), "pid": pid}
        store.write("leases/sales.json", json.dumps(data).encode())
        with contextlib.suppress(LeaseHeldError), Lease(store, "sales", "run-2"):
            pass
