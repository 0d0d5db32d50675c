"""DuckDB in memory, lent out: opening one takes 35 ms of a processor, so a run opens few and uses them again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    Setting = str | bool | int | float | list[str]
    Settings = Mapping[str, Setting]
    Key = tuple[str, bool, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Pool:
    """The databases of this process, by name and settings: who uses them, and those that wait to be used again.

    Attributes:
        folders: those of the `kept_open` blocks under way.
        opened: how many were opened.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    idle: dict[Key, list[DuckDBPyConnection]] = field(default_factory=dict)
    used: Counter[Key] = field(default_factory=Counter)
    folders: list[Path] = field(default_factory=list)
    opened: int = 0


_pool = _Pool()


@contextmanager
def kept_open(folder: Path) -> Iterator[None]:
    """Inside, databases wait for their next user when they are given back; at the end they are closed.

    Args:
        folder: takes what they spill; it must be there for as long as the block lasts.
    """
    with _pool.lock:
        _pool.folders.append(folder)
    try:
        yield
    finally:
        with _pool.lock:
            _pool.folders.remove(folder)
            waiting = [] if _pool.folders else [one for idle in _pool.idle.values() for one in idle]
            if waiting:
                _pool.idle.clear()
        for database in waiting:
            database.close()


@contextmanager
def memory_database(
    settings: Settings,
    *,
    spill: Path | None = None,
    name: str = "",
    emptied: Callable[[DuckDBPyConnection], None] | None = None,
) -> Iterator[DuckDBPyConnection]:
    """A connection of its own to a database in memory, in UTC, that prints nothing; what is temporary ends with it.

    Args:
        settings: those of DuckDB.
        spill: folder into which it may spill; a database that waits for its next user has one of its own.
        name: connections of one name share their database; those without one do not.
        emptied: takes out of the database what was put in; called by its last user where it is kept.
    """
    key: Key = (name, spill is not None, tuple(sorted((word, str(value)) for word, value in settings.items())))
    database = _taken(key, settings, spill, name)
    is_sound = False
    try:
        with database.cursor() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")
            yield connection
        is_sound = True
    finally:
        if not _given_back(key, database, emptied, is_sound=is_sound):
            database.close()


def _taken(key: Key, settings: Settings, spill: Path | None, name: str) -> DuckDBPyConnection:
    import duckdb

    with _pool.lock:
        _pool.used[key] += 1
        if idle := _pool.idle.get(key):
            return idle.pop()
        _pool.opened += 1
        if spill is not None and _pool.folders:
            # Each its own: the first that ends removes it.
            spill = _pool.folders[-1] / f"spill-{_pool.opened}"
    try:
        folder = {} if spill is None else {"temp_directory": str(spill)}
        return duckdb.connect(f":memory:{name}", config={**settings, **folder})
    except BaseException:
        with _pool.lock:
            _pool.used[key] -= 1
        raise


def _given_back(
    key: Key, database: DuckDBPyConnection, emptied: Callable[[DuckDBPyConnection], None] | None, *, is_sound: bool
) -> bool:
    """Whether it waits for its next user now; what an error left is not trusted."""
    import duckdb

    with _pool.lock:
        _pool.used[key] -= 1
        if not is_sound or not _pool.folders or (key[0] and _pool.used[key]):
            return False
        with suppress(duckdb.Error):
            if emptied is not None:
                emptied(database)
            _pool.idle.setdefault(key, []).append(database)
            return True
        return False
