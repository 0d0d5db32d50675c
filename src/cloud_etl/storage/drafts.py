"""Local files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from cloud_etl.errors import TargetError, system_hint
from cloud_etl.storage.processes import is_gone, process_space, start_tick

# Marks what a killed process left half-written; listings leave it out.
DRAFT_PREFIX = ".cloud-etl-draft-"
# A write takes seconds; what is older than this was left by a process that was killed, on whichever machine.
_LEFT_AFTER_SECONDS = 3600.0
# Process space, process id, its start, and what makes the name new.
_NAMED_PARTS = 4
_swept: set[Path] = set()


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A path beside the target to write to and to rename from; it is gone afterwards whatever happens.

    Raises:
        TargetError: the folder cannot be made or written to; the target is as it was.
    """
    draft = path.with_name(f"{DRAFT_PREFIX}{_writer()}-{secrets.token_hex(6)}")
    with target_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        try:
            yield draft
        finally:
            with suppress(OSError):
                draft.unlink()


def _space() -> str | None:
    space = process_space()
    return None if space is None else hashlib.sha256(space.encode()).hexdigest()[:8]


@cache
def _name_of(pid: int) -> str:
    return f"{_space()}-{pid}-{start_tick(pid)}"


def _writer() -> str:
    """This process, in the name of a draft: whoever finds the draft can tell whether it is still written."""
    return _name_of(os.getpid())


def _is_left(name: str, changed_at: float) -> bool:
    """Whether nobody writes a draft any more; where its writer is unknown, or elsewhere, its age decides."""
    parts = name.removeprefix(DRAFT_PREFIX).split("-")
    if len(parts) == _NAMED_PARTS and parts[0] == _space() and parts[1].isdigit() and parts[2].isdigit():
        return is_gone(process_space(), int(parts[1]), int(parts[2]))
    return time.time() - changed_at > _LEFT_AFTER_SECONDS


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; this process looks once."""
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(DRAFT_PREFIX) and _is_left(entry.name, entry.stat().st_mtime):
                Path(entry.path).unlink(missing_ok=True)


@contextmanager
def target_errors(path: Path) -> Iterator[None]:
    """Turn a fault of the system while a path is written into a TargetError that says what to do."""
    try:
        yield
    except OSError as exc:
        hint = system_hint(exc) or "Nothing stands there half-written."
        raise TargetError(f"{path} could not be written: {exc.strerror or exc}. {hint}") from exc


def write_synced(path: Path, data: bytes) -> None:
    """Write a file; its content is on disk when this returns."""
    with path.open("wb") as target:
        target.write(data)
        target.flush()
        os.fsync(target.fileno())


def sync(path: Path) -> None:
    """Wait until a file's content is on disk."""
    with path.open("rb") as written:
        os.fsync(written.fileno())
