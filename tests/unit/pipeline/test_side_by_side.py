from __future__ import annotations

import _thread
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_etl import interrupts
from cloud_etl.errors import RunInterruptedError
from cloud_etl.pipeline.side_by_side import take_turns


@st.composite
def turns(draw: st.DrawFn) -> dict[str, frozenset[str]]:
    """Up to seven names, each of which waits for some of those before it."""
    names = [f"p{number}" for number in range(draw(st.integers(1, 7)))]
    return {
        name: frozenset(draw(st.sets(st.sampled_from(names[:at])))) if at else frozenset()
        for at, name in enumerate(names)
    }


@settings(max_examples=60, deadline=None)
@given(turns(), st.integers(1, 4))
def test_each_has_its_turn_once_after_those_it_waits_for_and_never_too_many_at_once(
    order: dict[str, frozenset[str]], jobs: int
) -> None:
    lock, told, under_way, most = threading.Lock(), list[tuple[str, str]](), set[str](), [0]

    def work(name: str) -> None:
        with lock:
            assert order[name] <= {one for what, one in told if what == "ended"}
            under_way.add(name)
            most[0] = max(most[0], len(under_way))
            told.append(("begun", name))
        time.sleep(0)
        with lock:
            under_way.remove(name)
            told.append(("ended", name))

    take_turns(order, work, jobs)
    assert sorted(name for what, name in told if what == "ended") == sorted(order)
    assert len(told) == 2 * len(order)
    assert most[0] <= jobs


def test_those_that_wait_for_nobody_are_under_way_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)
    take_turns({"a": frozenset(), "b": frozenset()}, lambda name: both.wait() and None, jobs=2)


def test_one_at_a_time_stays_in_the_thread_of_the_caller() -> None:
    seen = set[str]()
    take_turns({"a": frozenset(), "b": frozenset()}, lambda name: seen.add(threading.current_thread().name), jobs=1)
    assert seen == {threading.current_thread().name}


def test_no_other_is_begun_after_one_that_raised() -> None:
    begun = []

    def work(name: str) -> None:
        begun.append(name)
        raise RuntimeError(name)

    with interrupts.ended_in_order(str), pytest.raises(RuntimeError, match="a"):
        take_turns({"a": frozenset(), "b": frozenset({"a"})}, work, jobs=2)
    assert begun == ["a"]
    assert not interrupts.requested()


def test_ctrl_c_of_a_host_program_ends_the_work_of_all_threads_and_is_forgotten_then() -> None:
    ended, both = [], threading.Barrier(2, timeout=10)

    def work(name: str) -> None:
        if both.wait() == 0:
            _thread.interrupt_main()
        try:
            interrupts.pause(30)
        except RunInterruptedError:
            ended.append(name)

    order = {"a": frozenset[str](), "b": frozenset[str](), "c": frozenset({"a"})}
    with interrupts.ended_in_order(str), pytest.raises(KeyboardInterrupt):
        take_turns(order, work, jobs=3)
    assert sorted(ended) == ["a", "b"]
    interrupts.check()
