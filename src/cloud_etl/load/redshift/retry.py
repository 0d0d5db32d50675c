"""How often a load is tried again, and how long it waits in between."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.patience import Patience

if TYPE_CHECKING:
    from cloud_etl.errors import TemporaryError


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double, each drawn from zero to its length, so that loads which collided do not collide again."""

    retries: int = 6
    first_seconds: float = 0.5
    most_seconds: float = 30.0
    # No try begins after that: each may itself take long to find that nobody answers. `patience.retry_seconds`.
    budget_seconds: float = 600.0


class Retries:
    """The retries of one load, whatever stopped it."""

    def __init__(self, backoff: Backoff) -> None:
        """Store how often and how long."""
        self._backoff = backoff
        self._used = 0
        self._patience = Patience("Redshift", backoff.budget_seconds)

    def wait(self, error: TemporaryError) -> None:
        """Wait before the next try.

        Raises:
            TemporaryError: the one that was given, where there is no try left.
        """
        if self._used >= self._backoff.retries:
            raise error
        longest = min(self._backoff.most_seconds, self._backoff.first_seconds * 2**self._used)
        self._used += 1
        if not self._patience.pause(random.uniform(0, longest)):  # noqa: S311  # jitter, no secret
            raise error
