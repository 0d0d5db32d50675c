"""What ran on the server: kept in memory, a bounded number, written to the system tables when somebody asks."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud_etl.local_aws.redshift import install
from cloud_etl.local_aws.redshift.dialect.tokens import literal

_KEPT = 5_000
_TEXT = 4_000
_TABLES = (
    "sys_query", "stl_query", "svl_qlog", "svl_statementtext", "stl_connection_log", "sys_connection_log", "stv_recents"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ran:
    """One statement that ended.

    Args:
        label: the session's query_group.
        error: what stopped it; None when it succeeded.
        rows: that it returned or changed.
    """

    query_id: int
    pid: int
    user: str
    database: str
    label: str
    verb: str
    text: str
    started: datetime
    ended: datetime
    error: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Connected:
    """One session that began."""

    pid: int
    user: str
    database: str
    at: datetime
    application: str
    driver: str
    system: str
    encrypted: bool


class History:
    """The statements and sessions that no system table holds so far."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._ran: deque[Ran] = deque(maxlen=_KEPT)
        self._connected: deque[Connected] = deque(maxlen=_KEPT)

    def add(self, entry: Ran | Connected) -> None:
        """Keep an entry; the oldest goes when there are too many."""
        with self._lock:
            if isinstance(entry, Ran):
                self._ran.append(entry)
            else:
                self._connected.append(entry)

    def write(self, socket_path: str, database: str) -> None:
        """Write what is kept of a database to its system tables."""
        with self._lock:
            ran = [entry for entry in self._ran if entry.database == database]
            connected = [entry for entry in self._connected if entry.database == database]
            self._ran = deque((entry for entry in self._ran if entry.database != database), _KEPT)
            self._connected = deque((entry for entry in self._connected if entry.database != database), _KEPT)
        statements = [*_query_rows(ran), *_connection_rows(connected)]
        if statements:
            connection = install.internal(socket_path, database)
            try:
                connection.execute(";".join(statements))
            finally:
                connection.close()


def asks(sql: str) -> bool:
    """Whether a statement reads a table that the history is written to."""
    lower = sql.lower()
    return any(table in lower for table in _TABLES)


def _time(at: datetime) -> str:
    return literal(at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))


def _cut(text: str) -> str:
    return literal(text.replace("\0", "").encode("utf-8", "replace").decode()[:_TEXT])


def _user_id(user: str) -> str:
    return f"(SELECT oid::int FROM pg_authid WHERE rolname = {literal(user)})"


def _query_rows(entries: list[Ran]) -> list[str]:
    made = list[str]()
    for one in entries:
        micros = int((one.ended - one.started).total_seconds() * 1e6)
        status = "failed" if one.error else "success"
        error = _cut(one.error[:512]) if one.error else "NULL"
        made.append(
            "INSERT INTO pg_catalog.sys_query_history (user_id, query_id, query_label, transaction_id, session_id, "
            "database_name, query_type, status, result_cache_hit, start_time, end_time, elapsed_time, queue_time, "
            "execution_time, error_message, returned_rows, query_text) VALUES "
            f"({_user_id(one.user)}, {one.query_id}, {_cut(one.label[:320])}, {one.query_id}, {one.pid}, "
            f"{literal(one.database)}, {literal(_kind(one.verb))}, '{status}', false, {_time(one.started)}, "
            f"{_time(one.ended)}, {micros}, 0, {micros}, {error}, {one.rows}, {_cut(one.text)})"
        )
        made.append(
            "INSERT INTO pg_catalog.sys_query_text SELECT "
            f"{_user_id(one.user)}, {one.query_id}, {one.query_id}, {one.pid}, {_time(one.started)}, 0, "
            f"{_cut(one.text)}"
        )
    return made


def _kind(verb: str) -> str:
    first = verb.split(" ")[0]
    if first in ("SELECT", "INSERT", "UPDATE", "DELETE", "COPY", "UNLOAD", "MERGE"):
        return first
    return "DDL" if first in ("CREATE", "ALTER", "DROP", "TRUNCATE") else "UTILITY"


def _connection_rows(entries: list[Connected]) -> list[str]:
    return [
        "INSERT INTO pg_catalog.stl_connection_log (event, recordtime, pid, dbname, username, authmethod, "
        "sslversion, application_name, driver_version, os_version) VALUES "
        f"('authenticated', {_time(one.at)}, {one.pid}, {literal(one.database)}, {literal(one.user)}, 'password', "
        f"'{'TLSv1.2' if one.encrypted else ''}', {_cut(one.application)}, {_cut(one.driver)}, {_cut(one.system)})"
        for one in entries
    ]
