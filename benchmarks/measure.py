"""Run a command and measure its whole process tree: CPU seconds, wall time, peak memory. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLES_PER_SECOND = 25
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command cost.

    Attributes:
        cpu_seconds: user and system time of the process and everything it started, from the kernel's accounts.
        peak_rss_bytes: largest sum of resident pages over the tree; pages that processes share count for each.
        peak_pss_bytes: the same with shared pages counted once, sampled at new peaks only.
        read_bytes: bytes that read calls gave to the tree, whether from the disk or from memory; mapped files are none.
    """

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    peak_pss_bytes: int
    read_bytes: int


def run(command: list[str], cwd: Path, log: Path) -> Measured:
    """Run the command to its end, its output in `log`."""
    # Orphans of the tree come back to this process, so that their CPU seconds are waited for as well.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    others = _children()
    started = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=cwd, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    sampler = _Sampler(process.pid)
    sampler.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    sampler.stop()
    cpu = usage.ru_utime + usage.ru_stime + _reap_orphans(others)
    return Measured(process.returncode, wall, cpu, sampler.peak_rss_bytes, sampler.peak_pss_bytes, sampler.read_bytes)


def _reap_orphans(others: frozenset[int]) -> float:
    """CPU seconds of the processes that outlived their parents; a cluster's daemons end before their starter does.

    Args:
        others: children that this process had before.
    """
    cpu = 0.0
    while orphans := _children() - others:
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                _, _, usage = os.wait4(pid, 0)
                cpu += usage.ru_utime + usage.ru_stime
    return cpu


def _children() -> frozenset[int]:
    found = Path("/proc/self/task").glob("*/children")
    return frozenset(int(child) for children in found for child in _read(children).split())


class _Sampler(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak_rss_bytes = 0
        self.peak_pss_bytes = 0
        self._read_by_process: dict[int, int] = {}

    @property
    def read_bytes(self) -> int:
        """Sum over all processes that were seen, each as far as at the last look."""
        return sum(self._read_by_process.values())

    def run(self) -> None:
        last_pss = 0.0
        while not self._ended.wait(1 / SAMPLES_PER_SECOND):
            tree = _tree(self._pid)
            rss = sum(_rss_bytes(pid) for pid in tree)
            for pid in tree:
                self._read_by_process[pid] = max(self._read_by_process.get(pid, 0), _read_calls_bytes(pid))
            # Reading PSS walks the page tables: at new peaks only, and not more than four times a second.
            if rss > self.peak_rss_bytes and time.monotonic() - last_pss > 0.25:
                last_pss = time.monotonic()
                self.peak_pss_bytes = max(self.peak_pss_bytes, sum(_pss_bytes(pid) for pid in tree))
            self.peak_rss_bytes = max(self.peak_rss_bytes, rss)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _tree(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            waiting += [int(child) for child in _read(children).split()]
    return found


def memory_of(pid: int) -> int:
    """Resident bytes of one process, without its children; 0 for one that is gone."""
    return _rss_bytes(pid)


def _rss_bytes(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * PAGE_BYTES if fields else 0


def _pss_bytes(pid: int) -> int:
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _read_calls_bytes(pid: int) -> int:
    lines = _read(Path(f"/proc/{pid}/io")).splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("rchar:")), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process ended between two looks
        return ""
