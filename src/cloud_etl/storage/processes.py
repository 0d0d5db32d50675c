"""Names for processes that outlive them, so that others can tell that one is gone."""

from __future__ import annotations

import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def process_space() -> str | None:
    """Name of the space in which process ids are unique: the boot and the pid namespace; None where unknown."""
    try:
        return f"{_BOOT_ID.read_text().strip()}/{_PID_NAMESPACE.stat().st_ino}"
    except OSError:
        return None


def start_tick(pid: int) -> int | None:
    """Clock tick since boot at which a process was started; None for one that is gone or waits to be reaped."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # man 5 proc: the name, in brackets, may hold blanks; state is the field after it, the start the 22nd.
    fields = status.rpartition(b")")[2].split()
    return None if fields[0] == b"Z" else int(fields[19])


def is_gone(space: str | None, pid: int, tick: int | None) -> bool:
    """Whether a process ran in this very process space and is not there any more."""
    if space is None or space != process_space():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OverflowError:
        return False  # No process has such an id: nothing is known of the one that is meant.
    except PermissionError:
        return False  # Somebody else's process of that id: alive, and not ours to look at.
    # A pid is used again; one that was started at another tick is another process.
    return start_tick(pid) != tick
