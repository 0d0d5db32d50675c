"""Ctrl-C and SIGTERM: noted at once, obeyed where it is safe, and never without an end.

A signal handler runs between any two instructions, also of an import, of a log line, of a library that holds a lock.
What it raises there is swallowed, or leaves the lock held for ever. So the handler only notes the signal. The work asks
at safe places (`check`), waits so that it can be woken (`pause`), and says how a long call into other code can be
stopped (`stoppable`). A thread watches that the process really ends.

Source: docs/adr/0016-signals.md
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

from cloud_etl.errors import RunInterruptedError

if TYPE_CHECKING:
    from types import FrameType

# Container platforms kill after ten seconds at the earliest: by then the last words have been said.
PATIENCE_SECONDS = 7.0
_LAST_WORDS_SECONDS = 2.0
_STOP_AGAIN_SECONDS = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"
_BEFORE = "interrupted; no run was under way"
_AFTER = "interrupted after the work was done"


class _State:
    """What is known of signals; there is one for the process, as there is one set of handlers."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.seen = 0
        self.words: Callable[[], str] | None = None
        self.is_over = False
        self.is_passed_on = False
        self.woken = threading.Event()
        self.stops: list[Callable[[], None]] = []
        self.stopping = threading.Lock()


_state = _State()


def requested() -> bool:
    """Whether the process was asked to end."""
    return _state.number is not None


def check() -> None:
    """A safe place to end at.

    Raises:
        RunInterruptedError: the process was asked to end.
    """
    if _state.number is not None:
        name = signal.Signals(_state.number).name
        raise RunInterruptedError(f"ended by {name}; nothing was loaded", _state.number)


def pause(seconds: float) -> None:
    """Wait, unless the process is asked to end.

    Raises:
        RunInterruptedError: it was.
    """
    check()
    _state.woken.wait(seconds)
    check()


@contextlib.contextmanager
def stoppable(stop: Callable[[], None]) -> Iterator[None]:
    """Calls inside block for long; when the process is asked to end, another thread calls stop to make them fail.

    It is called again and again until the block is left: what it stops may not have begun when it is first called.
    """
    state = _state
    state.stops.append(stop)
    try:
        yield
    finally:
        # It is not called any more once this is left: a commit may come next.
        with state.stopping:
            state.stops.remove(stop)


@contextlib.contextmanager
def ended_in_order(last_words: Callable[[], str]) -> Iterator[None]:
    """Work inside ends at the next safe place; outside, a signal ends the process at once.

    Args:
        last_words: called where no safe place is reached in time: gives up what is held, and says what is left.
    """
    outer, _state.words = _state.words, last_words
    try:
        yield
    finally:
        _state.words = outer
        _state.is_over = outer is None
        if _state.is_passed_on and outer is None:
            # The process of the host program goes on, and with it runs that come later.
            _state.is_passed_on, _state.number = False, None
            _state.woken.clear()


def pass_on(number: int = signal.SIGINT) -> None:
    """Ask the work of all threads to end, as a signal does.

    For a thread that waits for others in a host program, whose own handler has just raised KeyboardInterrupt in it. It
    holds until the work that is `ended_in_order` is over.
    """
    if _state.number is None:
        _state.is_passed_on, _state.number = True, number
        _state.woken.set()
        _stop_all(_state)


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Take over Ctrl-C and SIGTERM for the length of a block; called from the main thread."""
    global _state  # handlers are one for the process, too
    _state = _State()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # Python writes the number from the C handler, so that the watch also hears it while this thread is in other code.
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _note)
    threading.Thread(target=_watch, args=(reading, _state), name="signals", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(writing)


def leave(code: int) -> NoReturn:
    """End the process with what is written so far; threads that hang in other code are not waited for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _note(number: int, frame: FrameType | None) -> None:
    """The handler: nothing that waits, allocates much or raises."""
    _state.seen += 1
    _state.number = _state.number or number
    if _state.seen > 1:
        _end_at_once(number)


def _end_at_once(number: int, words: str = "ended by a second signal; the next run sees to what is left") -> NoReturn:
    # Not through sys.stderr, whose lock somebody may hold.
    with contextlib.suppress(OSError):
        cursor = _SHOW_CURSOR + b"\r" if os.isatty(2) else b""
        os.write(2, cursor + words.encode("utf-8", "replace") + b"\n" if words else cursor)
    os._exit(128 + number)


def _watch(reading: int, state: _State) -> None:
    """Wait for the first signal, then see that the process ends: at once, or in order and in time."""
    number = _heard(reading)
    if number is None:
        return
    state.number = state.number or number
    if state.words is None and not state.is_over:
        _end_at_once(number, _BEFORE)
    state.woken.set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    threading.Thread(target=_keep_stopping, args=(state,), name="stops", daemon=True).start()
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            again = _heard(reading)
            if again is None:
                return
            _end_at_once(again)
    words = state.words
    _end_at_once(number, _AFTER if words is None else _said(words))


def _keep_stopping(state: _State) -> None:
    while True:
        _stop_all(state)
        time.sleep(_STOP_AGAIN_SECONDS)


def _stop_all(state: _State) -> None:
    with state.stopping:
        for stop in reversed(state.stops):
            with contextlib.suppress(Exception):  # it may not have begun, or be over
                stop()


def _heard(reading: int) -> int | None:
    """The number of the next signal; None where nobody handles them any more."""
    while data := os.read(reading, 1):
        if data[0] in _SIGNALS:
            return data[0]
    os.close(reading)
    return None


def _said(words: Callable[[], str]) -> str:
    """The last words, or what can be said where even they take too long."""
    told = ["interrupted; nothing more is known than the log says. Run again: what is not loaded yet is taken"]

    def tell() -> None:
        with contextlib.suppress(Exception):
            told.append(words())

    thread = threading.Thread(target=tell, name="last-words", daemon=True)
    thread.start()
    thread.join(_LAST_WORDS_SECONDS)
    return told[-1]
