"""How much work a command does, in a figure that a busy machine changes little."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from benchmarks.measure import run

_EVENT = "instructions:u"


def effort(command: list[str], cwd: Path, log: Path) -> float:
    """Instructions of the process tree in user mode, where the processor counts them for us; else its CPU seconds.

    Raises:
        RuntimeError: the command failed; its output is in the log.
    """
    counted = log.with_suffix(".perf")
    prefix = ["perf", "stat", "-x", ",", "-o", str(counted), "-e", _EVENT, "--"] if counts_instructions() else []
    measured = run([*prefix, *command], cwd, log)
    if measured.exit_code:
        raise RuntimeError(f"{command[0]} ended with {measured.exit_code}:\n{log.read_text()[-2000:]}")
    return _count(counted.read_text()) or measured.cpu_seconds if prefix else measured.cpu_seconds


@cache
def counts_instructions() -> bool:
    """Whether perf is here, may be used, and the processor (or what plays it) has the counter."""
    if shutil.which("perf") is None:
        return False
    done = subprocess.run(
        ["perf", "stat", "-x", ",", "-e", _EVENT, "true"], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and _count(done.stderr) is not None


def _count(text: str) -> float | None:
    lines = (line.split(",") for line in text.splitlines())
    return next((float(line[0]) for line in lines if len(line) > 2 and line[0].isdigit()), None)
