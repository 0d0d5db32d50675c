"""Servers in the background: started apart from this terminal, known again by pid and start, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for a later one with the same id.

    Attributes:
        started: when it was started, in the words of the system; empty where the system does not say.
    """

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process runs."""
        return bool(self.started) and _started(self.pid) == self.started

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end, then end it; one that is gone is fine."""
        self._signal(signal.SIGTERM)
        if not self._gone_within(grace_seconds):
            self._signal(signal.SIGKILL)
            self._gone_within(10)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def start(command: Sequence[str], log: Path) -> Process:
    """Start a server that outlives this process and its terminal; it writes into the log, which begins anew."""
    # Only its owner reads it: a server may write down where it is and how to log in.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own servers
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent,
            # What it makes, sockets in the temporary folder among it, is for its owner alone.
            start_new_session=True, umask=0o077,
        )  # fmt: skip
    # Nobody waits for it here: it belongs to the system from now on.
    process.returncode = 0
    return Process(process.pid, _started(process.pid))


def _started(pid: int) -> str:
    """When a process was started; empty for one that is gone, or that ended and waits to be collected."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            # man 5 proc: the name, in brackets, may hold blanks; state is the field after it, the start the 22nd.
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            return ""
        if fields[0] == b"Z":
            _collect(pid)
            return ""
        return f"{_boot()}/{int(fields[19])}"
    answer = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def _collect(pid: int) -> None:
    """Collect a child of this process, so that its id is not held for ever."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
