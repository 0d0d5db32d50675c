"""Waiting within a bound, and saying so: since when, and when it is given up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta

from cloud_etl import interrupts

# A line whenever this much time has passed; a wait between two tries has one at its beginning, too.
_SAID_EVERY_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_IDLE_LOOKS = 10
_log = logging.getLogger("cloud_etl.waiting")


class Patience:
    """A budget of seconds for one thing that is waited for."""

    def __init__(self, what: str, most_seconds: float) -> None:
        """Begin to count.

        Args:
            what: what is waited for, as in "waiting for <what>".
            most_seconds: after that it is given up.
        """
        self._what = what
        self._most = most_seconds
        self._begun = time.monotonic()
        self._said: float | None = None

    @property
    def spent_seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self._begun

    def pause(self, seconds: float) -> bool:
        """Wait, not past the end of the budget; gives False, at once, where it is used up."""
        spent = self.spent_seconds
        if spent >= self._most:
            return False
        self.say(spent)
        interrupts.pause(min(seconds, self._most - spent))
        return True

    def say(self, spent: float) -> None:
        """Write a line to the log, unless one was written a moment ago."""
        if self._said is not None and spent - self._said < _SAID_EVERY_SECONDS:
            return
        self._said = spent
        now = datetime.now(UTC)
        since, end = (f"{now + timedelta(seconds=at):%H:%M:%S}" for at in (-spent, self._most - spent))
        _log.warning(
            "still waiting for %s, since %s UTC, %.0f s now; gives up at %s UTC", self._what, since, spent, end
        )


@contextmanager
def waiting(what: str, most_seconds: float) -> Iterator[None]:
    """Have the log say that a call inside is waited for, where it takes long; the call has to end by itself."""
    patience = Patience(what, most_seconds)
    _calls.add(patience)
    try:
        yield
    finally:
        _calls.remove(patience)


class _Calls:
    """The calls of this process that are under way, and one thread for all of them, while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, tuple[Patience, Context]] = {}
        self._thread: threading.Thread | None = None

    def add(self, patience: Patience) -> None:
        """Look after a call, in whose context its lines are written: run and pipeline stand on them."""
        with self._lock:
            self._open[id(patience)] = patience, copy_context()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="waiting", daemon=True)
                self._thread.start()

    def remove(self, patience: Patience) -> None:
        """The call is over."""
        with self._lock:
            del self._open[id(patience)]

    def _watch(self) -> None:
        idle = 0
        while idle < _IDLE_LOOKS:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                idle = 0 if self._open else idle + 1
                if idle == _IDLE_LOOKS:
                    self._thread = None
                found = list(self._open.values())
            for patience, context in found:
                if (spent := patience.spent_seconds) >= _SAID_EVERY_SECONDS:
                    context.run(patience.say, spent)


_calls = _Calls()
