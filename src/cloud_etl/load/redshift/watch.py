"""A statement that runs for long: whether its session still lives is asked on a second connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FIRST_LOOK_SECONDS = 30.0
_SLOWEST_LOOK_SECONDS = 120.0
_UNANSWERED_LOOK_SECONDS = 5.0


@contextmanager
def watched(is_there: Callable[[], bool | None], silent_seconds: float, cut: Callable[[str], None]) -> Iterator[None]:
    """Cut a connection whose statement nobody works at any more.

    A proxy on the way may acknowledge what it is sent and pass nothing on, or have forgotten the connection: no
    time-out of TCP notices that, and the statement's own is an hour.

    Args:
        is_there: asks on a second connection whether the session lives; None where nobody answers.
        silent_seconds: how long nobody may answer.
        cut: ends the connection; takes the reason.
    """
    done = threading.Event()
    args = (done, is_there, silent_seconds, cut)
    threading.Thread(target=_watch, args=args, name="redshift-watch", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _watch(
    done: threading.Event, is_there: Callable[[], bool | None], silent_seconds: float, cut: Callable[[str], None]
) -> None:
    pause = _FIRST_LOOK_SECONDS
    unanswered_since: float | None = None
    while not done.wait(pause):
        begun = time.monotonic()
        there = is_there()
        if done.is_set():
            return
        if there:
            unanswered_since = None
            pause = min(_SLOWEST_LOOK_SECONDS, max(pause, _FIRST_LOOK_SECONDS) * 2)
        elif there is False:
            cut("its session is not there any more; on the way to it somebody keeps the connection open")
            return
        else:
            unanswered_since = unanswered_since or begun
            pause = _UNANSWERED_LOOK_SECONDS
            if (silent := time.monotonic() - unanswered_since) >= silent_seconds:
                cut(f"the server has answered nobody for {silent:.0f} s, on a second connection neither")
                return
