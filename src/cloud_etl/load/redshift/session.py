"""A session whose errors say what was being done, and that tells a DBA whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.load.redshift import failures
from cloud_etl.load.redshift.credentials import log_in
from cloud_etl.load.redshift.data_api import DataApiTransport
from cloud_etl.load.redshift.dialect import literal
from cloud_etl.load.redshift.driver import connect
from cloud_etl.load.redshift.transport import Fault

if TYPE_CHECKING:
    from cloud_etl.domain.warehouse import RedshiftSpec
    from cloud_etl.load.redshift.transport import Transport


class Session:
    """An open session; keeps the statements that change something.

    Attributes:
        statements: SQL that was run by `change`, in order.
    """

    def __init__(self, transport: Transport) -> None:
        """Store the transport."""
        self._transport = transport
        self._doing = "asking Redshift"
        self.statements: list[str] = []

    def change(self, sql: str) -> int:
        """Run a statement; gives the rows it inserted, deleted or updated as Redshift counted them, 0 for DDL."""
        interrupts.check()
        self.statements.append(sql)
        answer = self._transport.run(sql)
        if isinstance(answer, Fault):
            raise failures.error(answer, self._doing)
        return max(0, answer.rows_changed)

    def number(self, sql: str) -> int:
        """Run a query that gives one number."""
        return int(str(self.rows(sql)[0][0]))

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run a statement with `?` for values and give its rows."""
        answer = self._transport.run(sql, values)
        if isinstance(answer, Fault):
            raise failures.error(answer, self._doing)
        return answer.rows

    def attempt(self, sql: str) -> Fault | None:
        """Run a statement that may fail; gives what the server said, for callers that add to it."""
        self.statements.append(sql)
        answer = self._transport.run(sql)
        return answer if isinstance(answer, Fault) else None

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Have errors inside begin with what was being done."""
        before, self._doing = self._doing, what
        try:
            yield
        finally:
            self._doing = before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or rolled back on any error."""
        self.rows("BEGIN")
        try:
            yield
            self.rows("COMMIT")
        except Exception:
            # A rollback that fails has nobody to tell: the connection is gone, and the transaction with it. After an
            # interruption a statement may still be running: then closing the session is what ends the transaction.
            self._transport.run("ROLLBACK")
            raise

    def close(self) -> None:
        """End the session."""
        self._transport.close()


class Connector:
    """Opens sessions of one warehouse."""

    def __init__(self, spec: RedshiftSpec, root: Path) -> None:
        """Store the warehouse, and the root of the project for the path of a CA file."""
        self.spec = spec
        self._root = root

    def transport(self) -> Transport:
        """Connect: by the driver, or by the Data API.

        Raises:
            TargetError: Redshift cannot be reached or refuses the login; says host, user, credentials and TLS.
            TemporaryError: a passing fault.
        """
        if self.spec.transport == "data_api":
            return DataApiTransport(self.spec)
        return connect(self.spec, log_in(self.spec), self._root)

    @contextmanager
    def opened(self, label: str) -> Iterator[Session]:
        """Open a session, and close it again.

        Args:
            label: what a DBA finds in the query group behind its name: the run id.
        """
        spec = self.spec
        session = Session(self.transport())
        try:
            with session.doing(f"opening a session in database {spec.database}"):
                session.rows(f"SET query_group TO {literal(f'{spec.query_group}:{label}')}")
                session.rows(f"SET statement_timeout TO {spec.statement_timeout_seconds * 1000}")
            yield session
        finally:
            session.close()
