"""What lies below a folder: files to read, and entries that must not be read with the reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cloud_etl.storage.drafts import DRAFT_PREFIX
from cloud_etl.storage.keys import key_problem
from cloud_etl.storage.object_store import ObjectInfo

# Our own files in a store's root: the lock and the hashes. Never listed.
HOME = ".cloud-etl"


def scan(root: Path, start: Path) -> Iterator[ObjectInfo]:
    """Every entry below a folder that is no folder; nothing where there is no such folder.

    Links that lead out of the folder come refused: what stands elsewhere in the store is not what was asked for.

    Raises:
        OSError: a folder cannot be read.
    """
    pending = [start]
    within = start.resolve()
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue  # As in S3, a missing folder is empty; one further down was deleted while we looked.
        for entry in entries:
            if entry.name == HOME or entry.name.startswith(DRAFT_PREFIX):
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
            elif (info := look(root, Path(entry.path), within)) is not None:
                yield info


def look(root: Path, path: Path, within: Path) -> ObjectInfo | None:
    """What a path below the root is, without the hash of its content; None when it is gone.

    Args:
        root: of the store.
        path: below it.
        within: the folder that a link may not leave.
    """
    key = path.relative_to(root).as_posix()
    refused = key_problem(key)
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            refused = refused or _link_problem(within, path)
            status = status if refused else path.stat()
    except FileNotFoundError:
        return None
    if refused is None and not stat.S_ISREG(status.st_mode):
        refused = "not a regular file"
    # Whole microseconds: a float of seconds would round them.
    second, nanoseconds = divmod(status.st_mtime_ns, 1_000_000_000)
    modified_at = datetime.fromtimestamp(second, UTC).replace(microsecond=nanoseconds // 1000)
    return ObjectInfo(key, status.st_size, None, None, modified_at, refused)


def _link_problem(within: Path, path: Path) -> str | None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "symbolic link to nothing"
    if not target.is_relative_to(within):
        return "symbolic link that leaves the folder"
    return "symbolic link to a folder; such links are not followed" if target.is_dir() else None
