"""The folder for work files of one process: its own while it lives, removed by the next run if it was killed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud_etl.errors import TargetError
from cloud_etl.monitoring.logger import get_logger

_PREFIX = "run-"
_LOCK = "cloud-etl.lock"
# What the lock was called before, in a folder that has the name which the system makes up.
_EARLIER_LOCK = "lock"
_MADE_UP = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
# A folder without a lock is one whose process is just about to take it, or has died in between.
_GRACE_SECONDS = 60.0

log = get_logger()


@contextmanager
def work_folder(base: Path) -> Iterator[Path]:
    """A new folder below base, for the length of a block; folders that dead processes left there are removed.

    A process holds a lock on its folder that the system drops with the process, however it ends.

    Raises:
        TargetError: the folder cannot be made, or is somebody else's.
    """
    try:
        base.mkdir(parents=True, exist_ok=True)
        _require_trusted(base)
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


def private_base() -> Path:
    """The folder of this user in the temporary folder of the machine, where anybody may have made one of that name."""
    wanted = Path(tempfile.gettempdir()) / f"cloud-etl-{os.getuid()}"
    try:
        wanted.mkdir(mode=0o700)
    except FileExistsError:
        found = wanted.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            wanted.chmod(0o700)
            return wanted
        raise TargetError(
            f"{wanted} is no folder of this user: somebody else made it, or it is a link. Nothing was read, and "
            "nothing was written there. Have it removed, or set TMPDIR or the environment's scratch to a folder of "
            "your own."
        ) from None
    except OSError as exc:
        raise TargetError(
            f"the folder for work files {wanted} cannot be made: {exc.strerror or exc}. Nothing was read. "
            "Make room, or set TMPDIR or the environment's scratch."
        ) from exc
    return wanted


def _require_trusted(folder: Path) -> None:
    """Refuse a folder in which a stranger can put links and files in the place of ours.

    Where only some may make folders, as in a project that a group shares, whoever made it is trusted as they are.

    Raises:
        TargetError: all may write to it, or another user made it, or a link to it, where all may.
    """
    if _all_may_write(folder) and not folder.stat().st_mode & stat.S_ISVTX:
        whose = "can be changed by every user"
    elif (owner := folder.lstat().st_uid) not in (os.getuid(), 0) and _all_may_write(folder.parent):
        whose = f"was made by user {owner}"
    else:
        return
    raise TargetError(
        f"the folder for work files {folder} {whose}, who could read and change what a run puts there. Nothing was "
        "read, and nothing was written there. Set the environment's scratch to a folder of your own, or take the right "
        "from the others: chmod o-w."
    )


def _all_may_write(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IWOTH)


def remove_left_behind(base: Path) -> None:
    """Remove the folders of processes that are dead; those of living ones, and what no run made, stay."""
    for folder in base.glob(f"{_PREFIX}*"):
        if _is_ours(folder) and _is_dead(folder):
            shutil.rmtree(folder, ignore_errors=True)
            log.info("scratch.removed", folder=folder.name)


def _is_ours(folder: Path) -> bool:
    """Whether a run of this user made it: a folder, no link, closed to others, and nothing in it or a lock of a run."""
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            return False
        lock = _lock_of(folder)
        if os.path.lexists(lock):
            held = lock.lstat()
            return stat.S_ISREG(held.st_mode) and held.st_size == 0
        return not any(folder.iterdir())
    except OSError:
        return False


def _lock_of(folder: Path) -> Path:
    earlier = folder / _EARLIER_LOCK
    is_earlier = _MADE_UP.fullmatch(folder.name) and os.path.lexists(earlier) and not os.path.lexists(folder / _LOCK)
    return earlier if is_earlier else folder / _LOCK


def _is_dead(folder: Path) -> bool:
    try:
        with _lock_of(folder).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return folder.exists() and time.time() - folder.stat().st_mtime > _GRACE_SECONDS
