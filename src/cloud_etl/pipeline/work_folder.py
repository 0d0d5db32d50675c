"""The folder for work files of one process: its own while it lives, removed by the next run if it was killed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud_etl.errors import TargetError
from cloud_etl.monitoring.logger import get_logger

_PREFIX = "run-"
_LOCK = "lock"
# A folder without a lock is one whose process is just about to take it, or has died in between.
_GRACE_SECONDS = 60.0

log = get_logger()


@contextmanager
def work_folder(base: Path) -> Iterator[Path]:
    """A new folder below base, for the length of a block; folders that dead processes left there are removed.

    A process holds a lock on its folder that the system drops with the process, however it ends.

    Raises:
        TargetError: the folder cannot be made.
    """
    try:
        base.mkdir(parents=True, exist_ok=True)
        remove_left_behind(base)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        lock = (folder / _LOCK).open("ab")
    except OSError as exc:
        raise TargetError(
            f"the folder for work files {base} cannot be used: {exc.strerror or exc}. Nothing was read. "
            "Make room or give this user the right to write there, or set the environment's scratch."
        ) from exc
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind(base: Path) -> None:
    """Remove the folders of processes that are dead; those of living ones stay."""
    for folder in base.glob(f"{_PREFIX}*"):
        if _is_dead(folder):
            shutil.rmtree(folder, ignore_errors=True)
            log.info("scratch.removed", folder=folder.name)


def _is_dead(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return folder.exists() and time.time() - folder.stat().st_mtime > _GRACE_SECONDS
