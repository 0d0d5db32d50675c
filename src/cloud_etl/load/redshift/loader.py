"""Loads publications into Amazon Redshift, one transaction per request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cloud_etl.domain.schema import Column, Schema, TextLimits
from cloud_etl.errors import ConfigError, Problem, TargetError, TemporaryError
from cloud_etl.load import bookkeeping
from cloud_etl.load.checks import check_tasks
from cloud_etl.load.ddl import plan_table
from cloud_etl.load.redshift import catalog
from cloud_etl.load.redshift.dialect import FIXED_ENCODINGS, MAX_VARCHAR_BYTES, RedshiftDialect, folded
from cloud_etl.load.redshift.export import export_table
from cloud_etl.load.redshift.jobs import without_schema
from cloud_etl.load.redshift.load import RequestLoad, make_bookkeeping
from cloud_etl.load.redshift.retry import Backoff, Retries
from cloud_etl.load.redshift.session import Connector

if TYPE_CHECKING:
    from types import TracebackType

    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadedBatch, LoadRequest, LoadResult
    from cloud_etl.domain.spec import LoadSpec
    from cloud_etl.domain.warehouse import WarehouseSpec


class Loader:
    """Loads publications into Amazon Redshift.

    A session is opened for each call and closed after it: a run may transform for an hour between two of them, and
    temporary credentials and idle connections do not last so long.
    """

    reads_local_files = False
    grows: tuple[Path, ...] = ()

    def __init__(
        self,
        spec: WarehouseSpec,
        root: Path,
        *,
        read_only: bool = False,
        backoff: Backoff | None = None,
        connector: type[Connector] | None = None,
    ) -> None:
        """Store the settings.

        Args:
            spec: the warehouse.
            root: root of the project, for the path of a CA file.
            read_only: refuse to load, for looks that must change nothing.
            backoff: retries of a load.
            connector: opens the sessions.
        """
        redshift = spec.redshift
        if redshift is None:
            raise ConfigError([Problem("the environment's warehouse is not Redshift; name warehouse.redshift")])
        self._connector = (connector or Connector)(redshift, root)
        self._read_only = read_only
        self._backoff = backoff or Backoff(budget_seconds=redshift.patience.retry_seconds)

    def __enter__(self) -> Self:
        """See that Redshift can be reached and takes the login, before any work is done for it.

        Raises:
            TargetError: it cannot; says host, port, user, credentials, TLS and what to do.
            TemporaryError: a passing fault.
        """
        with self._connector.opened("look") as session:
            session.rows("SELECT 1")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open between two calls."""

    def loaded_files(self, pipeline: str) -> frozenset[str]:
        """Identities (FileRef.identity) of the contents that the pipeline loaded last under each name."""
        with self._connector.opened("look") as session, session.doing(f"reading the ledger of {pipeline}"):
            if catalog.describe(session, bookkeeping.FILES) is None:
                return frozenset()
            return bookkeeping.loaded_files(session, pipeline).identities

    def claim(self, pipeline: str, fence: int, run_id: str) -> frozenset[str]:
        """Keep every run with a lower fence from loading the pipeline, and give the runs that have loaded."""
        retries = Retries(self._backoff)
        while True:
            try:
                with self._connector.opened(run_id) as session, session.doing(f"claiming {pipeline}"):
                    make_bookkeeping(session)
                    with session.transaction():
                        bookkeeping.claim(session, pipeline, fence, run_id)
                    # Only now: what the runs before have committed is seen whole, and nothing can be added.
                    return bookkeeping.loading_runs(session, pipeline)
            except TemporaryError as exc:
                retries.wait(exc)

    def loaded_by(self, run_id: str) -> tuple[LoadedBatch, ...]:
        """What a run loaded, pipeline by pipeline."""
        with self._connector.opened("look") as session, session.doing(f"asking what run {run_id} loaded"):
            if catalog.describe(session, bookkeeping.LEDGER) is None:
                return ()
            return bookkeeping.loaded_by(session, run_id)

    def schema_of(self, table: str) -> Schema | None:
        """Schema of `schema.table`, or None where there is no such table; without columns of other types."""
        with self._connector.opened("look") as session, session.doing(f"looking at {table}"):
            found = catalog.describe(session, table)
        if found is None:
            return None
        columns = (Column(column.name, column.type, column.nullable) for column in found.columns if column.type)
        return Schema(tuple(columns))

    def text_limits(self, spec: LoadSpec) -> TextLimits:
        """65,535 bytes, or what a column of the table holds that the load does not make wider."""
        if not (spec.on_schema_change == "fail" or any(code in FIXED_ENCODINGS for code in spec.encode.values())):
            return TextLimits(MAX_VARCHAR_BYTES)
        with self._connector.opened("look") as session, session.doing(f"looking at {spec.table}"):
            table = catalog.describe(session, spec.table)
        fixed = {
            column.name.lower(): column.width
            for column in (table.columns if table is not None else ())
            if column.width is not None and not RedshiftDialect.can_become_longer(spec, column.name)
        }
        return TextLimits(MAX_VARCHAR_BYTES, fixed)

    def ddl(self, spec: LoadSpec, schema: Schema) -> tuple[str, ...]:
        """Statements that would create or evolve the table; VARCHAR widths are those of columns not yet measured."""
        with self._connector.opened("plan") as session, session.doing(f"looking at {spec.table}"):
            table = catalog.describe(session, spec.table)
            plan = plan_table(spec, folded(schema), table, RedshiftDialect())
            if plan.statements and table is None:
                plan = without_schema(session, spec.table, plan)
        return (*plan.widenings, *plan.statements)

    def export(self, table: str, folder: Path, *, current_only: bool = False) -> tuple[Path, ...]:
        """Write a table as Parquet in the types of staged files."""
        with self._connector.opened("export") as session, session.doing(f"exporting {table}"):
            return export_table(session, table, folder, current_only=current_only)

    def load(self, request: LoadRequest, before_commit: Callable[[tuple[TableCount, ...]], None]) -> LoadResult:
        """Load every task of the request in one transaction, with one row in the load ledger."""
        if self._read_only:
            raise TargetError("the warehouse was opened to look only; nothing was loaded.")
        check_tasks(request, "the pre-flight", local_files=self.reads_local_files)
        return RequestLoad(self._connector, request, before_commit).run(self._backoff)
