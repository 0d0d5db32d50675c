"""COPY and UNLOAD as a session runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloud_etl.local_aws.redshift.copy.binary import HEADER, TRAILER, encode
from cloud_etl.local_aws.redshift.copy.columnar import ColumnarReader, check_options
from cloud_etl.local_aws.redshift.copy.copy_parser import parse_copy
from cloud_etl.local_aws.redshift.copy.failures import ScanError
from cloud_etl.local_aws.redshift.copy.journal import Journal, Load, LoadedFile, LoadError, Unload
from cloud_etl.local_aws.redshift.copy.objects import Objects
from cloud_etl.local_aws.redshift.copy.pump import pumped
from cloud_etl.local_aws.redshift.copy.rows.reader import RowReader
from cloud_etl.local_aws.redshift.copy.sources import SourceFile, SourceFiles
from cloud_etl.local_aws.redshift.copy.table import Target, find_target
from cloud_etl.local_aws.redshift.copy.unload import Unloader, refuse_limit
from cloud_etl.local_aws.redshift.copy.unload_parser import parse_unload
from cloud_etl.local_aws.redshift.port import Backend, RedshiftError, SessionInfo

if TYPE_CHECKING:
    import pyarrow as pa

    from cloud_etl.local_aws.redshift.copy.statement import CopyStatement

_JOURNALED_ERRORS = 1_000
_LARGEST_MESSAGE = 64 << 20


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a COPY did.

    Attributes:
        query_id: what pg_last_copy_id() gives.
        notices: INFO lines for the client.
    """

    rows: int
    files: int
    query_id: int
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnloadResult:
    """What an UNLOAD did."""

    rows: int
    files: int
    query_id: int
    notices: tuple[str, ...]


def run_copy(sql: str, backend: Backend, session: SessionInfo, journal: Backend) -> CopyResult:
    """Load what the statement names, inside the client's transaction.

    Args:
        sql: one COPY statement.
        backend: the client's own connection.
        session: who runs it.
        journal: a connection that commits each statement, for the system tables, which outlive a rollback.

    Raises:
        RedshiftError: nothing was loaded; what was wrong is in the system tables too.
    """
    statement = parse_copy(sql)
    if statement.columnar:
        check_options(statement)
    target = find_target(statement, backend)
    copy = _Copy(statement, target, session, Journal(journal, session))
    return copy.run(backend)


def run_unload(
    sql: str, backend: Backend, session: SessionInfo, journal: Backend, translate: Callable[[str], str]
) -> UnloadResult:
    """Write the rows of the statement's query to S3.

    Args:
        sql: one UNLOAD statement.
        backend: the client's own connection.
        session: who runs it.
        journal: as in `run_copy`.
        translate: puts the query into PostgreSQL's words.

    Raises:
        RedshiftError: the query fails, S3 refuses, or the destination holds objects; none is left half-written.
    """
    statement = parse_unload(sql)
    refuse_limit(statement.query)
    unloader = Unloader(
        replace(statement, query=translate(statement.query)), Objects(session.s3, statement.authorization)
    )
    book, done, failed = Journal(journal, session), unloader.written, True
    try:
        unloader.run(backend)
        failed = False
    finally:
        counts = (done.rows, done.files, done.bytes)
        book.write_unload(Unload(statement.target, statement.format, statement.compression, *counts, failed))
    notice = f"UNLOAD completed, {done.rows} record(s) unloaded successfully."
    return UnloadResult(done.rows, done.files, session.query_id, (notice,))


@dataclass(slots=True)
class _Copy:
    statement: CopyStatement
    target: Target
    session: SessionInfo
    journal: Journal
    files: list[LoadedFile] = field(default_factory=list)
    errors: list[LoadError] = field(default_factory=list)
    error_count: int = 0
    rows: int = 0

    def run(self, backend: Backend) -> CopyResult:
        failed = True
        try:
            objects = Objects(self.session.s3, self.statement.authorization)
            sources = SourceFiles(self.statement, objects, self.session).find()
            chunks = self._columnar(sources, objects) if self.statement.columnar else self._rows(sources, objects)
            self._load(backend, chunks)
            failed = False
        except ScanError as exc:
            self._note_scan_error(exc)
            raise
        finally:
            self.journal.write_load(self.target, self._summary(failed))
        return CopyResult(self.rows, len(self.files), self.session.query_id, tuple(self._notices()))

    def _load(self, backend: Backend, chunks: Iterator[bytes]) -> None:
        if self.statement.load:
            # Closed here and now, whatever happens: the thread must not read on for a COPY that was refused.
            with closing(pumped(chunks)) as ahead:
                backend.copy_in(f"COPY {self.target.sql} FROM STDIN (FORMAT binary)", ahead)
            return
        for _ in chunks:
            pass

    def _columnar(self, sources: Sequence[SourceFile], objects: Objects) -> Iterator[bytes]:
        reader = ColumnarReader(self.statement, self.target, objects, self.session)
        yield HEADER
        for source in sources:
            before = self.rows
            for arrays in reader.batches(source):
                self.rows += len(arrays[0])
                yield from self._encoded(arrays)
            self.files.append(LoadedFile(source, self.rows - before, 0))
        yield TRAILER

    def _rows(self, sources: Sequence[SourceFile], objects: Objects) -> Iterator[bytes]:
        reader = RowReader(self.statement, self.target.columns, objects)
        yield HEADER
        for source in sources:
            lines = errors = 0
            for batch in reader.batches(source):
                lines, errors = lines + batch.lines, errors + len(batch.errors)
                self._note_errors(batch.errors)
                self.rows += batch.rows
                if batch.rows:
                    yield from self._encoded(batch.arrays)
            self.files.append(LoadedFile(source, lines, errors))
        yield TRAILER

    def _encoded(self, arrays: Sequence[pa.Array]) -> Iterator[bytes]:
        """Halved until it fits into messages of a size that neither side minds."""
        rows = len(arrays[0])
        if rows > 1 and sum(array.nbytes for array in arrays) > _LARGEST_MESSAGE:
            half = rows // 2
            yield from self._encoded([array.slice(0, half) for array in arrays])
            yield from self._encoded([array.slice(half) for array in arrays])
            return
        # A buffer of Arrow is as good as bytes to a socket, and is not copied.
        yield memoryview(encode(self.target.columns, arrays))  # type: ignore[misc]

    def _note_errors(self, found: Sequence[LoadError]) -> None:
        self.error_count += len(found)
        self.errors += found[: max(0, _JOURNALED_ERRORS - len(self.errors))]
        most = max(1, self.statement.max_errors)
        if self.error_count >= most and not self.statement.ignore_all_errors:
            raise RedshiftError(
                f"Load into table '{self.target.table}' failed.  Check 'stl_load_errors' system table for details."
            )

    def _note_scan_error(self, exc: ScanError) -> None:
        """What stopped a columnar COPY goes into the system tables as well."""
        fault = exc.fault
        column = next((one for one in self.target.columns if one.name == fault.column), None)
        kind, length = (column.type, column.shown_length) if column else ("", "")
        self.errors.append(LoadError(fault.uri, 0, fault.column, kind, length, 0, "", "", fault.code, fault.context))
        self.error_count += 1

    def _summary(self, failed: bool) -> Load:
        return Load(
            self.statement.source, self.statement.format, self.rows, self.files, self.errors, self.error_count, failed
        )

    def _notices(self) -> Iterator[str]:
        table = self.target.table
        yield f"Load into table '{table}' completed, {self.rows} record(s) loaded successfully."
        if self.error_count:
            yield (
                f"Load into table '{table}' completed, {self.error_count} record(s) could not be loaded.  "
                "Check 'stl_load_errors' system table for details."
            )
