"""A run is paused, or killed, before each single thing that it does in store and warehouse; another one goes on.

Whatever happens, what readers of the manifests see is what the table holds. Here a sample of the steps is tried, drawn
anew for each case by CLOUD_ETL_SEED; `CLOUD_ETL_STEPS=all` tries every step, `CLOUD_ETL_CAMPAIGN=300` that many
random histories of runs that are killed, paused and woken.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.pipeline.worlds import LOADS, ROWS, Actor, Gate, World, small_steps

from cloud_etl.errors import LeaseHeldError

SEED = int(os.environ.get("CLOUD_ETL_SEED", "7"))
STEPS = os.environ.get("CLOUD_ETL_STEPS", "4")
HISTORIES = int(os.environ.get("CLOUD_ETL_CAMPAIGN", "8"))
# What no sample may leave out is tried with a step that is not there: the run comes to its end.
BEYOND = 1_000


@pytest.fixture(autouse=True)
def gated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with small_steps(monkeypatch):
        yield


def begun(folder: Path, mode: str = "append") -> World:
    """A world in which one file is loaded."""
    folder.mkdir()
    world = World(folder, mode)
    world.files = ["two"]
    assert world.run("20260131T110000Z-000000") == "loaded"
    return world


def at_steps(tmp_path: Path, case: str, *, kills: bool) -> Iterator[tuple[World, Gate, Callable[[], str]]]:
    """A world for each step tried, in which a run of the file `one` has come just so far."""

    def stopped(at: int) -> tuple[World, Actor]:
        world = begun(tmp_path / str(at))
        world.files = ["one"]
        return world, Actor(world, "20260131T120000Z-aaaaaa", 0, Gate(at, kills=kills))

    world, actor = stopped(BEYOND)
    yield world, actor.gate, actor.wake
    last = actor.gate.passed
    assert last > 10, "the gate is not where the work is"
    steps = range(1, last + 1)
    chance = random.Random(f"{SEED} {case}")
    for at in steps if STEPS == "all" else sorted(chance.sample(steps, int(STEPS))):
        world, actor = stopped(at)
        yield world, actor.gate, actor.wake
        world.database.close()


@pytest.mark.parametrize("second", ["the same file", "the file corrected", "no file at all"])
def test_what_is_published_is_what_is_loaded_when_a_sleeping_run_is_overtaken(second: str, tmp_path: Path) -> None:
    files = {"the same file": ["one"], "the file corrected": ["one corrected"], "no file at all": []}[second]
    for world, gate, wake in at_steps(tmp_path, second, kills=False):
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
def test_what_is_published_is_what_is_loaded_after_a_run_was_killed(second: str, tmp_path: Path) -> None:
    files = {
        "the same file": ["one"],
        "the file corrected": ["one corrected"],
        "no file at all": [],
        "one file more": ["one", "six"],
    }[second]
    for world, gate, wake in at_steps(tmp_path, second, kills=True):
        assert wake() in ("killed", "loaded")
        world.files = files
        assert world.run("20260131T130000Z-bbbbbb", hours=1) in ("loaded", "nothing to do")
        assert world.published == world.loaded, gate.at
        for file in files:
            assert set(ROWS[file]) <= set(world.loaded)


def test_a_run_that_publishes_late_and_is_killed_then_is_recognised_by_the_next(tmp_path: Path) -> None:
    """It sleeps on another machine, so nobody can tell that it is gone, and wakes after two others have run."""
    for world, gate, wake in at_steps(tmp_path, "late", kills=False):
        world.files = ["one corrected"]
        for hours in (1, 2):
            world.run(f"20260131T1{2 + hours}0000Z-bbbbbb", hours=hours)
        gate.kills, gate.at = True, gate.at + 3
        wake()
        world.run("20260131T150000Z-cccccc", hours=3)
        assert world.published == world.loaded, gate.at


def test_a_publication_between_which_and_its_load_a_run_was_killed_goes_when_the_file_is_corrected(
    tmp_path: Path,
) -> None:
    world = begun(tmp_path / "world")
    world.files = ["one"]
    for at in range(1, BEYOND):
        actor = Actor(world, f"20260131T12{at:04}Z-aaaaaa", at, Gate(at, kills=True))
        assert actor.wake() == "killed"
        if world.published != world.loaded:
            break
    assert world.published == [1, 2, 3, 4, 5]
    assert world.loaded == [4, 5]
    world.files = ["one corrected"]
    assert world.run("20260228T130000Z-bbbbbb", hours=600) == "loaded"
    assert world.published == world.loaded == [1, 2, 4, 5, 9]


@pytest.mark.parametrize("mode", LOADS)
def test_no_history_of_runs_that_are_killed_paused_and_woken_parts_publications_and_tables(
    mode: str, tmp_path: Path
) -> None:
    for number in range(HISTORIES // len(LOADS)):
        history = _history(tmp_path / str(number), mode, random.Random(f"{SEED} {mode} {number}"))
        for text in history:
            print(mode, number, text)


def _history(folder: Path, mode: str, chance: random.Random) -> Iterator[str]:
    world = begun(folder, mode)
    sleepers: list[Actor] = []
    for hours in range(1, chance.randint(3, 9)):
        world.files = chance.choice([["two"], ["one"], ["one corrected"], ["one", "six"], ["two", "one corrected"]])
        # Six characters of the id tell who it was; all sleep on this machine, and are not taken for dead.
        run_id = f"20260131T{12 + hours:02}0000Z-{hours:06}"
        what = chance.choice(["kill", "kill", "pause", "run"])
        gate = Gate(BEYOND if what == "run" else chance.randint(1, 60), kills=what == "kill")
        actor = Actor(world, run_id, hours * 24, gate)
        if what == "pause" and actor.ended is None:
            sleepers.append(actor)
            yield f"{run_id} {world.files} pause at {gate.at}"
        else:
            yield f"{run_id} {world.files} {what} at {gate.at}: {actor.wake()}"
        if sleepers and chance.random() < 0.4:
            woken = sleepers.pop(chance.randrange(len(sleepers)))
            if chance.random() < 0.3:
                woken.gate.kills, woken.gate.at = True, woken.gate.passed + chance.randint(1, 8)
            yield f"woken: {woken.wake()}"
    for sleeper in sleepers:
        yield f"woken at last: {sleeper.wake()}"
    world.files = ["one", "two"]
    yield world.run("20260131T235959Z-ffffff", hours=1_000)
    assert world.published_by == world.loaded_by
    assert world.run("20260131T235959Z-fffffe", hours=1_001) == "nothing to do"
    if mode == "append":
        assert world.published == world.loaded
    # In mode replace the table holds the last batch alone.
    assert mode == "replace" or {1, 2, 3} <= set(world.loaded)
    world.database.close()


def test_a_fence_keeps_an_overtaken_run_from_loading_for_good(tmp_path: Path) -> None:
    loader = World(tmp_path).loader()
    assert loader.claim("sales", 5, "later") == frozenset()
    with pytest.raises(LeaseHeldError, match="run later has taken sales over"):
        loader.claim("sales", 4, "earlier")
    loader.claim("sales", 5, "later")
    loader.claim("other", 1, "earlier")
