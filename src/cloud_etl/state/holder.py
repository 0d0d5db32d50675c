"""Who holds a lease, and whether that process is provably gone."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cloud_etl.storage.processes import is_gone, process_space, start_tick


@dataclass(frozen=True, slots=True)
class Lost:
    """A holder that did not release its lease.

    Attributes:
        at: when it was found.
        is_dead: it is provably gone; else it may be asleep, and wake.
    """

    run_id: str
    at: datetime
    is_dead: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """A lease as it is written in the store.

    Attributes:
        token: new with each write by another holder, so that equal contents mean the same holder.
        renewals: how often the holder renewed it; makes each write's content, and so its etag, new.
        released: the holder is done; anyone may take it.
        process_space: names the machine's boot and process namespace in which pid counts; None where unknown.
        start_tick: when the process was started, in clock ticks since boot.
        fence: grows with each holder of the lease. Whoever must not be overtaken compares it: manifests and the
            warehouse remember it.
        unsettled: earlier holders that did not end as they should, of whom something may be left.
    """

    run_id: str
    token: str
    host: str
    pid: int
    process_space: str | None
    start_tick: int | None
    since: datetime
    expires_at: datetime
    renewals: int = 0
    released: bool = False
    fence: int = 0
    unsettled: tuple[Lost, ...] = ()

    @classmethod
    def this_process(cls, run_id: str, token: str, since: datetime, expires_at: datetime) -> Self:
        """This process as the holder of a lease."""
        pid = os.getpid()
        return cls(run_id, token, socket.gethostname(), pid, process_space(), start_tick(pid), since, expires_at)

    def is_free(self, now: datetime) -> bool:
        """Whether another run may take the lease."""
        return self.released or now >= self.expires_at or self.is_dead()

    def is_dead(self) -> bool:
        """Whether the holder ran in this very process space and is not there any more."""
        return is_gone(self.process_space, self.pid, self.start_tick)
