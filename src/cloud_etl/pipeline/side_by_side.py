"""Pipelines that run side by side: each in a thread of its own, after those it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context

from cloud_etl import interrupts

_LOOK_SECONDS = 0.2


def take_turns(turns: Mapping[str, frozenset[str]], work: Callable[[str], None], jobs: int) -> None:
    """Do the work of each name, after that of the names it waits for; what can begin does so in the given order.

    One at a time is done in the thread of the caller, where signals and programs that hold the interpreter meet
    nothing unusual.

    Args:
        turns: for each name those before it that must be through first.
        work: does the work of a name; when it is asked to end it notes so and returns.
        jobs: how many are under way at the same time at most.

    Raises:
        BaseException: what one of them raised, or what came to the waiting thread; those under way are through then,
            and no other was begun.
    """
    if jobs == 1:
        for name in turns:
            work(name)
        return
    waiting, through = dict(turns), set[str]()
    under_way: dict[Future[None], str] = {}
    crew = _Crew(work)
    with ThreadPoolExecutor(jobs, thread_name_prefix="pipeline") as pool:
        try:
            while waiting or under_way:
                ready = [name for name, before in waiting.items() if before <= through]
                for name in ready[: jobs - len(under_way)]:
                    del waiting[name]
                    under_way[pool.submit(copy_context().run, crew.do, name)] = name
                # In short waits: a thread that is waiting does not always hear of a signal.
                for future in wait(under_way, _LOOK_SECONDS, FIRST_COMPLETED).done:
                    through.add(under_way.pop(future))
                    future.result()
        except BaseException:
            interrupts.pass_on()
            crew.dismiss()
            raise


class _Crew:
    """Those who work. The pool may lose sight of one that begins just when an interrupt comes, and would not wait."""

    def __init__(self, work: Callable[[str], None]) -> None:
        self._work = work
        self._lock = threading.Condition()
        self._busy = 0
        self._is_over = False

    def do(self, name: str) -> None:
        with self._lock:
            if self._is_over:
                return
            self._busy += 1
        try:
            self._work(name)
        finally:
            with self._lock:
                self._busy -= 1
                self._lock.notify_all()

    def dismiss(self) -> None:
        """Let nobody begin any more, and wait for the others."""
        with self._lock:
            self._is_over = True
            self._lock.wait_for(lambda: not self._busy)
