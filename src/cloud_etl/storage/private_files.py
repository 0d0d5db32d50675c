"""Files of a run are for its user alone, whatever the umask."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PRIVATE = 0o077
_lock = threading.Lock()
_held: list[int] = []


@contextmanager
def private_files() -> Iterator[None]:
    """Make files with 0600 and folders with 0700 for the length of a block, in this process and those that it starts.

    The mask is one for the whole process: engine and warehouse make most of the files, and take no mode from us. Blocks
    of several threads may overlap; the last one to end puts back what was there.
    """
    with _lock:
        before = os.umask(_PRIVATE)
        _held.append(before if not _held else _held[0])
    try:
        yield
    finally:
        with _lock:
            first = _held.pop()
            if not _held:
                os.umask(first)
