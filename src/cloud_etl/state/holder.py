"""Who holds a lease, and whether that process is provably gone."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


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
        return cls(run_id, token, socket.gethostname(), pid, process_space(), _start_tick(pid), since, expires_at)

    def is_free(self, now: datetime) -> bool:
        """Whether another run may take the lease."""
        return self.released or now >= self.expires_at or self.is_dead()

    def is_dead(self) -> bool:
        """Whether the holder ran in this very process space and is not there any more."""
        if self.process_space is None or self.process_space != process_space():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False  # Somebody else's process of that id: alive, and not ours to look at.
        # A pid is used again; one that was started at another tick is another process.
        return _start_tick(self.pid) != self.start_tick


def process_space() -> str | None:
    """Name of the space in which process ids are unique: the boot and the pid namespace; None where unknown."""
    try:
        return f"{_BOOT_ID.read_text().strip()}/{_PID_NAMESPACE.stat().st_ino}"
    except OSError:
        return None


def _start_tick(pid: int) -> int | None:
    """Clock tick since boot at which a process was started; None for one that is gone or waits to be reaped."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # man 5 proc: the name, in brackets, may hold blanks; state is the field after it, the start the 22nd.
    fields = status.rpartition(b")")[2].split()
    return None if fields[0] == b"Z" else int(fields[19])
