"""One request into Redshift: staged first, then one transaction with the ledger row; retried where that is safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloud_etl.domain.run import LoadResult
from cloud_etl.errors import ConnectionLostError, RunInterruptedError, TemporaryError, UnreachableError
from cloud_etl.load import bookkeeping
from cloud_etl.load.dialect import qualified
from cloud_etl.load.redshift import catalog
from cloud_etl.load.redshift.dialect import RedshiftDialect
from cloud_etl.load.redshift.jobs import Job, Output, load_job, plan_again, plan_jobs
from cloud_etl.load.redshift.parquet_files import read_files
from cloud_etl.load.redshift.retry import Backoff, Retries
from cloud_etl.load.redshift.staging import stage

if TYPE_CHECKING:
    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadRequest
    from cloud_etl.load.redshift.session import Connector, Session

    BeforeCommit = Callable[[tuple[TableCount, ...]], None]

_ANALYZED_ROWS = 100_000
_ANALYZED_SHARE = 0.1


class RequestLoad:
    """Loads one request. `run` may be called once.

    Source: docs/adr/0011-redshift-loader.md
    """

    def __init__(self, connector: Connector, request: LoadRequest, before_commit: BeforeCommit) -> None:
        """Store what to load."""
        self._connector = connector
        self._spec = connector.spec
        self._request = request
        self._before_commit = before_commit
        self._outputs: tuple[Output, ...] = ()
        # What the last try would have committed; it was, where the ledger holds our run.
        self._sent: LoadResult | None = None
        self._was_connected = False

    def run(self, backoff: Backoff) -> LoadResult:
        """Load, and try again after passing faults.

        Raises:
            TemporaryError: the last of them.
        """
        self._outputs = tuple(
            Output(task, read_files(task, self._request), number) for number, task in enumerate(self._request.tasks, 1)
        )
        retries = Retries(backoff)
        while True:
            try:
                return self._attempt(retries)
            except UnreachableError as exc:
                if not self._was_connected:
                    raise
                # The server answered before: it restarts, and settings are not to blame.
                self._wait(retries, self._unknown(ConnectionLostError(str(exc))))
            except TemporaryError as exc:
                self._wait(retries, self._unknown(exc))

    def _wait(self, retries: Retries, error: TemporaryError) -> None:
        try:
            retries.wait(error)
        except RunInterruptedError as exc:
            if self._sent is None:
                raise
            raise RunInterruptedError(f"interrupted; {error}", exc.signal_number) from exc

    def _attempt(self, retries: Retries) -> LoadResult:
        request = self._request
        with self._connector.opened(request.run_id) as session, session.doing(f"loading {request.pipeline}"):
            self._was_connected = True
            make_bookkeeping(session)
            earlier = self._settled(session) if self._sent else self._earlier(session)
            if earlier is not None:
                return earlier
            self._sent = None
            jobs = self._planned(session)
            for job in jobs:
                stage(session, job.staging, job.task, job.output.files, self._spec.copy_role)
            try:
                result = self._commit_until_done(session, jobs, retries)
            finally:
                _drop_staging(session, jobs)
            self._analyze(session, result)
            return replace(result, statements=tuple(session.statements))

    def _commit_until_done(self, session: Session, jobs: tuple[Job, ...], retries: Retries) -> LoadResult:
        """Commit in the session that holds the staged rows, so that a collision costs no second COPY."""
        while True:
            try:
                return self._commit(session, jobs)
            except ConnectionLostError:
                raise
            except TemporaryError as exc:
                # The server said no: what was sent is surely not committed.
                self._sent = None
                retries.wait(exc)
                jobs = self._planned(session)

    def _planned(self, session: Session) -> tuple[Job, ...]:
        """Plan against the tables as they are, and make text columns wide enough."""
        jobs = plan_jobs(session, self._outputs, self._spec, self._request.pipeline)
        for statement in (statement for job in jobs for statement in job.plan.widenings):
            # Redshift does not change a column's type in a transaction; a longer VARCHAR harms nobody.
            session.change(statement)
        return jobs

    def _commit(self, session: Session, jobs: tuple[Job, ...]) -> LoadResult:
        request = self._request
        with session.transaction():
            _lock(session, jobs)
            earlier = self._earlier(session)
            if earlier is not None:
                return earlier
            bookkeeping.refuse_overlap(session, request)
            current = tuple(plan_again(session, job, self._spec, request.pipeline) for job in jobs)
            counts = tuple(request.each(load_job(session, job, request.run_at) for job in current))
            self._before_commit(counts)
            bookkeeping.record(session, request, counts, datetime.now(UTC).replace(tzinfo=None))
            self._sent = LoadResult(False, request.run_id, counts)
        return self._sent

    def _earlier(self, session: Session) -> LoadResult | None:
        """What the ledger knows of the batch; our own row means that a commit whose answer was lost came through."""
        run = bookkeeping.loading_run(session, self._request.pipeline, self._request.batch_id)
        if run is None:
            return None
        return self._sent if self._sent and run == self._request.run_id else LoadResult(True, run, ())

    def _settled(self, session: Session) -> LoadResult | None:
        """Ask the ledger after a commit whose answer was lost; the lock waits for the end of that transaction."""
        jobs = plan_jobs(session, self._outputs, self._spec, self._request.pipeline)
        with session.transaction():
            _lock(session, jobs)
            return self._earlier(session)

    def _unknown(self, error: TemporaryError) -> TemporaryError:
        """Say where it is not known whether the load was committed."""
        if self._sent is None:
            return error
        return ConnectionLostError(
            f"loading {self._request.pipeline}: the answer to COMMIT did not come, and the load ledger could not be "
            f"asked since ({error}) It is not known whether batch {self._request.batch_id} is loaded. "
            "Run again: the ledger decides, and nothing is loaded twice."
        )

    def _analyze(self, session: Session, result: LoadResult) -> None:
        """Bring the statistics of tables up to date that changed by a good part; the load is committed already."""
        for table in result.tables:
            changed = table.inserted + table.deleted
            if changed >= _ANALYZED_ROWS and changed >= _ANALYZED_SHARE * table.rows_after:
                # A failure leaves older statistics, which is no fault of the load.
                session.attempt(f"ANALYZE {qualified(table.table)}")


def make_bookkeeping(session: Session) -> None:
    """Make the bookkeeping's tables where they are not there; where they are, no right to make them is needed."""
    tables = bookkeeping.TABLES
    if all(catalog.describe(session, table) is not None for table in tables):
        return
    for statement in bookkeeping.ddl(RedshiftDialect()):
        fault = session.attempt(statement)
        if fault is not None and any(catalog.describe(session, table) is None for table in tables):
            raise TemporaryError(
                f"the load ledger cannot be made: {fault.message}. Nothing was loaded. If this stays, have a DBA run: "
                f"{'; '.join(bookkeeping.ddl(RedshiftDialect()))}"
            )


def _lock(session: Session, jobs: tuple[Job, ...]) -> None:
    """Lock the tables first of all, in one order: later statements then see all that others have committed.

    Where a table is still to be made the ledger stands in for it, so that two loads do not make it at once.
    """
    tables = [job.task.spec.table for job in jobs if job.exists]
    if len(tables) < len(jobs) or not jobs:
        tables.append(bookkeeping.LEDGER)
    session.change(f"LOCK {', '.join(qualified(table) for table in sorted(tables, key=str.lower))}")


def _drop_staging(session: Session, jobs: tuple[Job, ...]) -> None:
    for job in jobs:
        if not job.staging.is_temporary:
            session.attempt(f"DROP TABLE IF EXISTS {job.staging.name}")
