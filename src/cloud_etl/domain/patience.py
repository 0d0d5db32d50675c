"""Waiting within a bound, and saying so."""

from __future__ import annotations

import logging
import time

from cloud_etl import interrupts

# A line for the first wait, and then one whenever this much time has passed.
_SAID_EVERY_SECONDS = 10.0
_log = logging.getLogger("cloud_etl.waiting")


class Patience:
    """A budget of seconds for one thing that is waited for."""

    def __init__(self, what: str, most_seconds: float) -> None:
        """Begin to count.

        Args:
            what: what is waited for, as in "waiting for <what>".
            most_seconds: after that `pause` waits no more.
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
        if self._said is None or spent - self._said >= _SAID_EVERY_SECONDS:
            self._said = spent
            _log.warning("waiting for %s, %.0f s of at most %.0f s", self._what, spent, self._most)
        interrupts.pause(min(seconds, self._most - spent))
        return True
