"""A connection to a DuckDB file whose errors say what to do and never show a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.domain.patience import Patience
from cloud_etl.errors import CloudEtlError, RunInterruptedError, TargetError, TemporaryError, system_hint
from cloud_etl.load.duckdb.names import DATABASE
from cloud_etl.storage.memory_databases import memory_database
from cloud_etl.storage.parquet_queries import text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROLLED_BACK = "The transaction was rolled back; nothing was loaded."
_HELD = "Could not set lock on file"
_OPEN_HERE = ("different configuration", "Unique file handle conflict", "already attached")
_RETRY_SECONDS = 0.5
_NOT_NULL = re.compile(r"NOT NULL constraint failed: (?P<column>[^\n]+)")
# DuckDB quotes values in the messages of these, so neither text nor cause is passed on.
_ABOUT_VALUES = {
    "ConstraintException": (
        "a constraint of the table refused a row",
        "Compare the table's PRIMARY KEY, UNIQUE, CHECK and NOT NULL with the data.",
    ),
    "ConversionException": (
        "a value does not fit the type of its column",
        "A json column takes JSON text only: check it, or cast the column to string in transform.",
    ),
    "OutOfRangeException": ("a value is out of the range of its column", "Cast the column in transform."),
}
_HINTS = {
    "OutOfMemoryException": "Raise warehouse.duckdb.memory, of which a run takes half of engine.memory at most.",
    "IOException": "Check that the files are still there, then run again.",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A DuckDB file, how much of the machine its connection may use, and how long it is waited for."""

    path: Path
    memory: str
    threads: int
    wait_seconds: float = 0.0


class Session:
    """An open connection; keeps the statements that change something.

    Attributes:
        statements: SQL that was run by `change`, in order.
    """

    def __init__(self, connection: DuckDBPyConnection) -> None:
        """Store the connection."""
        self._connection = connection
        self.statements: list[str] = []

    def change(self, sql: str) -> int:
        """Run a statement; gives the rows it inserted, deleted or updated as DuckDB counted them, 0 for DDL."""
        self.statements.append(sql)
        found = self._run(sql)
        return int(str(found[0][0])) if found else 0

    def number(self, sql: str) -> int:
        """Run a query that gives one number."""
        return int(str(self.rows(sql)[0][0]))

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run a statement with `?` for values and give its rows."""
        return self._run(sql, list(values))

    def insert(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Append rows in the order of the table's columns: 10,000 in 0.04 s, where VALUES take 0.8 s to plan."""
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            values = ", ".join(["unnest(?)"] * len(columns))
            self._run(f"INSERT INTO {table} SELECT {values}", columns)

    def _run(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run a statement that a signal may stop; the commit is none of them."""
        interrupts.check()
        with interrupts.stoppable(self._connection.interrupt):
            found: list[tuple[object, ...]] = self._connection.execute(sql, values).fetchall()
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or rolled back on any error."""
        self._connection.execute("BEGIN TRANSACTION")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        import duckdb

        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            # DuckDB ends the transaction itself where a commit fails or the database is invalidated.
            return


@contextmanager
def connected(database: Database, *, read_only: bool = False) -> Iterator[Session]:
    """Open the file, and close it again.

    Raises:
        TemporaryError: another process holds the file.
        TargetError: it cannot be opened, or is no DuckDB database.
    """
    import duckdb

    patience = Patience(f"warehouse {database.path}, which another process holds", database.wait_seconds)
    with ExitStack() as stack:
        while True:
            try:
                connection = stack.enter_context(_opened(database, read_only))
                break
            except (duckdb.Error, OSError) as exc:
                if _HELD not in str(exc) or not patience.pause(_RETRY_SECONDS):
                    raise _unopened(exc, database.path, patience.spent_seconds) from exc
        yield Session(connection)


@contextmanager
def _opened(database: Database, read_only: bool) -> Iterator[DuckDBPyConnection]:
    """A connection to an empty database in memory, with the file beside it as the one that is used."""
    settings: dict[str, str | bool | int] = {
        "memory_limit": database.memory,
        "threads": database.threads,
        "autoinstall_known_extensions": False,
        "temp_directory": f"{database.path}.tmp",
    }
    if not read_only:
        database.path.parent.mkdir(parents=True, exist_ok=True)
    mode = "READ_ONLY" if read_only else "READ_WRITE"
    # Connections of one name share the database in memory, and so the file.
    with memory_database(settings, name=f"{mode} {database.path}", emptied=_let_go) as connection:
        connection.execute(f"ATTACH IF NOT EXISTS {text(database.path)} AS {DATABASE} ({mode})")
        connection.execute(f"USE {DATABASE}")
        yield connection


def _let_go(connection: DuckDBPyConnection) -> None:
    """Close the file: other processes may have it now."""
    connection.execute(f"DETACH {DATABASE}")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn DuckDB's errors into ours.

    Args:
        doing: what was being done to what, to begin the message with: `loading analytics.sales`.
    """
    import duckdb

    try:
        yield
    except duckdb.InterruptException as exc:
        interrupts.check()
        raise RunInterruptedError(f"{doing} was interrupted. {_ROLLED_BACK} Run again to load it.") from exc
    except duckdb.Error as exc:
        about = _ABOUT_VALUES.get(type(exc).__name__)
        if about is None:
            raise _stopped(exc, doing) from exc
        column = _NOT_NULL.search(str(exc))
        what = f"column {column['column']} is NOT NULL and a row has no value" if column else about[0]
        raise TargetError(f"{doing} stopped: {what}. {_ROLLED_BACK} {about[1]}") from None
    except RuntimeError as exc:
        # Where Python's own handler of Ctrl-C is in force, DuckDB replaces what that raises.
        if "interrupt" not in str(exc).lower():
            raise
        raise RunInterruptedError(f"{doing} was interrupted. {_ROLLED_BACK} Run again to load it.") from exc


def _stopped(error: Exception, doing: str) -> CloudEtlError:
    kind, first_line = type(error).__name__, str(error).splitlines()[0]
    # First of all: what a full disk refuses at a commit comes as a failed transaction.
    hint = system_hint(error)
    if hint is not None:
        return TargetError(f"{doing} stopped: {first_line}. {_ROLLED_BACK} {hint}")
    if kind == "TransactionException" and "onflict" in first_line:
        return TemporaryError(f"{doing} met another transaction: {first_line}. {_ROLLED_BACK} Run again.")
    if kind in _HINTS:
        return TargetError(f"{doing} stopped: {first_line}. {_ROLLED_BACK} {_HINTS[kind]}")
    return TargetError(f"{doing} stopped: {kind}: {first_line}. {_ROLLED_BACK}")


def _unopened(error: Exception, path: Path, waited_seconds: float) -> CloudEtlError:
    said = str(error).splitlines()[0]
    if _HELD in said:
        return TemporaryError(
            f"warehouse {path} is held by another process, for {waited_seconds:.0f} s now: {said}. Nothing was loaded. "
            "Close the program that has it open (a notebook, a DuckDB shell, another run) and run again, or have runs "
            "wait for longer with warehouse.duckdb.wait_seconds."
        )
    if any(words in said for words in _OPEN_HERE):
        return TargetError(
            f"warehouse {path} is already open in this process with other settings. Nothing was loaded. "
            "Close that connection first."
        )
    advice = system_hint(error) or "Correct warehouse.duckdb.path, or move the file away: a new one is made."
    return TargetError(f"warehouse {path} cannot be opened: {said}. Nothing was loaded. {advice}")
