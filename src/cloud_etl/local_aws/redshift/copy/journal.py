"""What COPY and UNLOAD leave in the system tables, by a connection of its own, so that it outlives a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cloud_etl.local_aws.redshift.copy.table import literal

if TYPE_CHECKING:
    from cloud_etl.local_aws.redshift.copy.sources import SourceFile
    from cloud_etl.local_aws.redshift.copy.table import Target
    from cloud_etl.local_aws.redshift.port import Backend, SessionInfo

Value = str | int | float | datetime | None
# Redshift keeps so many characters.
_RAW_LINE, _RAW_FIELD, _REASON = 1_024, 1_024, 100
_FILE_NAME = 256


@dataclass(frozen=True, slots=True)
class LoadError:
    """One record, or one file, that could not be loaded.

    Attributes:
        line: number of the record's first line, 0 for columnar files.
        position: of the field in the line, in characters.
    """

    uri: str
    line: int
    column: str
    column_type: str
    column_length: str
    position: int
    raw_line: str
    raw_field: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """One file that was read to its end."""

    source: SourceFile
    lines: int
    errors: int


@dataclass(frozen=True, slots=True)
class Load:
    """A COPY as the system tables show it."""

    source: str
    file_format: str
    rows: int
    files: Sequence[LoadedFile]
    errors: Sequence[LoadError]
    error_count: int
    failed: bool


@dataclass(frozen=True, slots=True)
class Unload:
    """An UNLOAD as the system tables show it."""

    target: str
    file_format: str
    compression: str
    rows: int
    files: int
    size_bytes: int
    failed: bool


class Journal:
    """Writes the rows of one statement."""

    def __init__(self, backend: Backend, session: SessionInfo) -> None:
        """Store the connection, which must commit each statement by itself."""
        self._backend = backend
        self._session = session
        self._started = datetime.now(tz=session.started_at.tzinfo)

    def write_load(self, target: Target, load: Load) -> None:
        """Write history, commits and errors of a COPY."""
        size = sum(file.source.size_bytes for file in load.files)
        self._insert(
            "sys_load_history",
            [
                {
                    **self._common(), "table_name": target.table, "data_source": load.source,
                    "file_format": load.file_format, "loaded_rows": 0 if load.failed else load.rows,
                    "loaded_bytes": 0 if load.failed else size, "source_file_count": len(load.files),
                    "source_file_bytes": size, "file_count_scanned": len(load.files), "file_bytes_scanned": size,
                    "error_count": load.error_count, **self._outcome(load.failed),
                }
            ],
        )  # fmt: skip
        if not load.failed:
            self._insert("stl_load_commits", [self._commit(file, load) for file in load.files])
        self._insert("sys_load_error_detail", [self._error_detail(target, error) for error in load.errors])
        self._insert("stl_load_errors", [self._load_error(target, error) for error in load.errors])

    def write_unload(self, unload: Unload) -> None:
        """Write the history of an UNLOAD."""
        self._insert(
            "sys_unload_history",
            [
                {
                    **self._common(), "file_format": unload.file_format, "compression_type": unload.compression,
                    "unloaded_location": unload.target, "unloaded_rows": unload.rows,
                    "unloaded_files_count": unload.files, "unloaded_files_size": unload.size_bytes,
                    **self._outcome(unload.failed),
                }
            ],
        )  # fmt: skip

    def _common(self) -> dict[str, Value]:
        session = self._session
        return {
            "user_id": 100, "query_id": session.query_id, "transaction_id": session.query_id,
            "session_id": session.pid, "database_name": session.database,
        }  # fmt: skip

    def _outcome(self, failed: bool) -> dict[str, Value]:
        ended = datetime.now(tz=self._started.tzinfo)
        duration = int((ended - self._started).total_seconds() * 1e6)
        status = "aborted" if failed else "completed"
        return {"status": status, "start_time": self._started, "end_time": ended, "duration": duration}

    def _commit(self, file: LoadedFile, load: Load) -> dict[str, Value]:
        return {
            "userid": 100, "query": self._session.query_id, "slice": 0, "name": "", "filename": file.source.address.uri,
            "byte_offset": -1, "lines_scanned": file.lines, "errors": file.errors, "curtime": self._started,
            "status": 1, "file_format": load.file_format, "is_partial": 0, "start_offset": 0,
        }  # fmt: skip

    def _error_detail(self, target: Target, error: LoadError) -> dict[str, Value]:
        return {
            **self._common(), "table_id": target.oid, "start_time": self._started,
            "file_name": error.uri[:_FILE_NAME], "line_number": error.line, "column_name": error.column,
            "column_type": error.column_type, "column_length": error.column_length, "position": error.position,
            "error_code": error.code, "error_message": error.reason,
        }  # fmt: skip

    def _load_error(self, target: Target, error: LoadError) -> dict[str, Value]:
        return {
            "userid": 100, "slice": 0, "tbl": target.oid, "starttime": self._started, "session": self._session.pid,
            "query": self._session.query_id, "filename": error.uri[:_FILE_NAME], "line_number": error.line,
            "colname": error.column, "type": error.column_type, "col_length": error.column_length,
            "position": error.position, "raw_line": error.raw_line[:_RAW_LINE],
            "raw_field_value": error.raw_field[:_RAW_FIELD], "err_code": error.code,
            "err_reason": error.reason[:_REASON], "is_partial": 0, "start_offset": 0,
        }  # fmt: skip

    def _insert(self, table: str, rows: Sequence[dict[str, Value]]) -> None:
        if not rows:
            return
        columns = ", ".join(rows[0])
        values = ", ".join(f"({', '.join(_sql(value) for value in row.values())})" for row in rows)
        self._backend.execute(f"insert into redshift_catalog.{table} ({columns}) values {values}")


def _sql(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return literal(value.strftime("%Y-%m-%d %H:%M:%S.%f"))
    # Text of a file may hold what PostgreSQL cannot: NUL, and halves of surrogate pairs that stand for wrong bytes.
    return literal(value.replace("\0", "").encode("utf-8", "replace").decode())
