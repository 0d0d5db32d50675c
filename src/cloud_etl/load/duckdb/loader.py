"""Loads publications into a DuckDB file, one transaction per request."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from cloud_etl import interrupts
from cloud_etl.domain.run import LoadResult
from cloud_etl.domain.schema import Column, Schema
from cloud_etl.errors import CloudEtlError, ConfigError, Problem, TargetError, TemporaryError
from cloud_etl.load import bookkeeping
from cloud_etl.load.checks import check_tasks
from cloud_etl.load.ddl import IS_CURRENT, plan_table
from cloud_etl.load.dialect import qualified
from cloud_etl.load.duckdb import catalog
from cloud_etl.load.duckdb.names import NO_QUESTION_MARK
from cloud_etl.load.duckdb.session import Database, Session, connected, translated
from cloud_etl.load.duckdb.tables import load_job, plan_job
from cloud_etl.storage.parquet_queries import text

if TYPE_CHECKING:
    from types import TracebackType

    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadedBatch, LoadRequest
    from cloud_etl.domain.spec import LoadSpec
    from cloud_etl.domain.warehouse import WarehouseSpec

T = TypeVar("T")
_LOOK_FOR_SIGNALS_SECONDS = 0.1
_EXPORTED_ROWS_PER_GROUP = 122_880


class Loader:
    """Loads publications into a DuckDB file.

    The file is opened for each call and closed after it: DuckDB lets one process write, or several read, and a run
    should not keep others out while it transforms. Pipelines that run side by side take turns, as processes do.
    """

    reads_local_files = True

    def __init__(self, spec: WarehouseSpec, root: Path, *, read_only: bool = False, threads: int | None = None) -> None:
        """Store the settings.

        Args:
            spec: the warehouse; its path is relative to root.
            root: root of the project.
            read_only: refuse to load, for looks that must change nothing.
            threads: most threads of a load; those of the spec, or all cores, without.
        """
        duckdb = spec.duckdb
        if duckdb is None:
            raise ConfigError([Problem("the environment's warehouse is no DuckDB file; name warehouse.duckdb")])
        threads = threads or duckdb.threads or len(os.sched_getaffinity(0)) or 1
        path = (root / duckdb.path).absolute()
        if "?" in str(path):
            raise ConfigError([Problem(f"warehouse {path} {NO_QUESTION_MARK}")])
        self._database = Database(path, duckdb.memory, threads, duckdb.wait_seconds)
        self._read_only = read_only
        self._turn = threading.Lock()

    @property
    def grows(self) -> tuple[Path, ...]:
        """The file, and beside it the log of a transaction."""
        path = self._database.path
        return path, path.with_name(f"{path.name}.wal")

    def __enter__(self) -> Self:
        """See that the file can be opened, before any work is done for it.

        Raises:
            TemporaryError: another process holds it.
            TargetError: it is no DuckDB database.
        """
        self._look(lambda session: session.rows("SELECT 1"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open between two calls."""

    def loaded_files(self, pipeline: str) -> frozenset[str]:
        """Identities (FileRef.identity) of the contents that the pipeline loaded last under each name."""

        def read(session: Session) -> frozenset[str]:
            if catalog.describe(session, bookkeeping.FILES) is None:
                return frozenset()
            return bookkeeping.loaded_files(session, pipeline).identities

        return self._look(read) or frozenset()

    def claim(self, pipeline: str, fence: int, run_id: str) -> frozenset[str]:
        """Keep every run with a lower fence from loading the pipeline, and give the runs that have loaded."""
        with self._opened(f"claiming {pipeline}") as session, session.transaction():
            _make_bookkeeping(session)
            bookkeeping.claim(session, pipeline, fence, run_id)
            return bookkeeping.loading_runs(session, pipeline)

    def loaded_by(self, run_id: str) -> tuple[LoadedBatch, ...]:
        """What a run loaded, pipeline by pipeline."""

        def read(session: Session) -> tuple[LoadedBatch, ...]:
            if catalog.describe(session, bookkeeping.LEDGER) is None:
                return ()
            return bookkeeping.loaded_by(session, run_id)

        return self._look(read) or ()

    def schema_of(self, table: str) -> Schema | None:
        """Schema of `schema.table`, or None where there is none; columns of types no contract has are left out."""
        found = self._look(lambda session: catalog.describe(session, table))
        if found is None:
            return None
        known = (column for column in found.columns if column.type is not None)
        return Schema(tuple(Column(column.name, column.type, column.nullable) for column in known if column.type))

    def text_limits(self, spec: LoadSpec) -> None:
        """A text may be as long as it is."""

    def ddl(self, spec: LoadSpec, schema: Schema) -> tuple[str, ...]:
        """Statements that would create or evolve the table; empty where it fits already."""
        table = self._look(lambda session: catalog.describe(session, spec.table))
        return plan_table(spec, schema, table, catalog.DIALECT).statements

    def export(self, table: str, folder: Path, *, current_only: bool = False) -> tuple[Path, ...]:
        """Write a table as Parquet in the types of staged files, so that a frame can read it.

        Args:
            table: `schema.table`; it must exist.
            folder: takes the file; made if need be.
            current_only: leave out closed versions of an scd2 table.

        Raises:
            TargetError: there is no such table, or the file cannot be written.
        """
        schema = self.schema_of(table)
        if schema is None:
            raise TargetError(f"table {table} cannot be exported: {self._database.path} has none. Load it first.")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "part-00000.parquet"
        columns = ", ".join(catalog.staged(column) for column in schema.columns)
        where = f" WHERE {IS_CURRENT}" if current_only else ""
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_EXPORTED_ROWS_PER_GROUP}"
        sql = f"COPY (SELECT {columns} FROM {qualified(table)}{where}) TO {text(path)} ({options})"
        self._look(lambda session: session.change(sql), f"exporting {table}")
        return (path,)

    def load(self, request: LoadRequest, before_commit: Callable[[tuple[TableCount, ...]], None]) -> LoadResult:
        """Load every task of the request in one transaction, with one row in the load ledger.

        Raises:
            TargetError: DuckDB refused; the file is as it was before.
            TemporaryError: another process holds the file.
        """
        check_tasks(request, "DuckDB", local_files=self.reads_local_files)
        if self._read_only:
            raise TargetError(f"warehouse {self._database.path} was opened to look only; nothing was loaded.")
        sent: LoadResult | None = None
        try:
            with self._opened(f"loading {request.pipeline}") as session, session.transaction():
                _make_bookkeeping(session)
                earlier = bookkeeping.loading_run(session, request.pipeline, request.batch_id)
                if earlier is not None:
                    return LoadResult(True, earlier, ())
                bookkeeping.refuse_overlap(session, request)
                jobs = [plan_job(session, task, request.pipeline) for task in request.tasks]
                counts = tuple(request.each(load_job(session, job, request.run_at) for job in jobs))
                before_commit(counts)
                insert = partial(session.insert, bookkeeping.FILES)
                bookkeeping.record(session, request, counts, datetime.now(UTC).replace(tzinfo=None), insert)
                sent = LoadResult(False, request.run_id, counts, tuple(session.statements))
        except CloudEtlError:
            if sent is None or not self._came_through(request):
                raise
        assert sent is not None
        return sent

    def _came_through(self, request: LoadRequest) -> bool:
        """Ask the ledger after a commit that ended in an error: DuckDB may have written it and failed at what follows.

        Raises:
            TemporaryError: it cannot be asked.
        """

        def read(session: Session) -> str | None:
            if catalog.describe(session, bookkeeping.LEDGER) is None:
                return None
            return bookkeeping.loading_run(session, request.pipeline, request.batch_id)

        try:
            return self._look(read) == request.run_id
        except CloudEtlError as exc:
            raise TemporaryError(
                f"loading {request.pipeline}: the commit ended in an error, and the load ledger could not be asked "
                f"since ({exc}) It is not known whether batch {request.batch_id} is loaded. Run again: the ledger "
                "decides, and nothing is loaded twice."
            ) from exc

    def _look(self, read: Callable[[Session], T], doing: str = "looking into the warehouse") -> T | None:
        """Read from the file; None where there is no file yet, which a look must not make."""
        if not self._database.path.exists():
            return None
        with self._opened(doing, read_only=True) as session:
            return read(session)

    @contextmanager
    def _opened(self, doing: str, *, read_only: bool = False) -> Iterator[Session]:
        while not self._turn.acquire(timeout=_LOOK_FOR_SIGNALS_SECONDS):
            interrupts.check()
        try:
            with translated(doing), connected(self._database, read_only=read_only) as session:
                yield session
        finally:
            self._turn.release()


def _make_bookkeeping(session: Session) -> None:
    for statement in bookkeeping.ddl(catalog.DIALECT):
        session.rows(statement)
