"""Reading and encoding in a thread of their own, a few chunks ahead of the one that sends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable

_AHEAD = 3
_Item = bytes | BaseException | None


def pumped(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The same chunks, made by a thread while the caller works on those before; what it raises is raised here."""
    items: queue.Queue[_Item] = queue.Queue(_AHEAD)
    given_up = threading.Event()
    thread = threading.Thread(target=_fill, args=(chunks, items, given_up), name="copy-reader", daemon=True)
    thread.start()
    try:
        while (item := items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        given_up.set()
        thread.join()


def _fill(chunks: Iterable[bytes], items: queue.Queue[_Item], given_up: threading.Event) -> None:
    try:
        for chunk in chunks:
            if not _put(items, chunk, given_up):
                return
        _put(items, None, given_up)
    except BaseException as exc:  # noqa: BLE001  it is raised in the thread that waits
        _put(items, exc, given_up)


def _put(items: queue.Queue[_Item], item: _Item, given_up: threading.Event) -> bool:
    # The one who waits may have gone: the server's connection broke, or PostgreSQL refused the statement.
    while not given_up.is_set():
        try:
            items.put(item, timeout=0.2)
            return True
        except queue.Full:
            continue
    return False
