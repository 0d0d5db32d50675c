"""How the statements of a session run: forwarded, or by the server itself; and what is remembered of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloud_etl.local_aws.redshift import errors, history, transfer, trial
from cloud_etl.local_aws.redshift.dialect.statement import Action, Statement
from cloud_etl.local_aws.redshift.dialect.translate import translate
from cloud_etl.local_aws.redshift.elsewhere import Elsewhere
from cloud_etl.local_aws.redshift.history import History, Ran
from cloud_etl.local_aws.redshift.port import RedshiftError, S3Settings, SessionInfo
from cloud_etl.local_aws.redshift.protocol import message
from cloud_etl.local_aws.redshift.relay import Answered, Relay

_DDL = ("CREATE", "ALTER", "DROP")
_TRANSFERS = (Action.COPY, Action.UNLOAD)
_ABORTED = "current transaction is aborted, commands ignored until end of transaction block"
_ON = ("on", "true", "yes", "1")

Forward = Callable[[], Answered]


@dataclass(frozen=True, slots=True)
class Host:
    """What all sessions of a server share."""

    socket_path: str
    s3: S3Settings
    query_ids: Iterator[int]
    history: History


@dataclass
class Executor:
    """Runs one session's statements.

    Args:
        host: of the session.
        relay: to its client and from its PostgreSQL.
        user: who connected.
        database: to what.
    """

    host: Host
    relay: Relay
    user: str
    database: str
    _settings: dict[str, str] = field(default_factory=dict)
    _last_query_id: int = -1

    def translate(self, sql: str) -> tuple[Statement, ...]:
        """A text as statements for PostgreSQL, under the session's settings and over its tables.

        Raises:
            RedshiftError: Redshift would refuse a statement before running it, or the dialect is not emulated so far.
        """
        backend = self.relay.backend
        case_sensitive = self._settings.get("enable_case_sensitive_identifier", "off").lower() in _ON
        try:
            statements = translate(sql, case_sensitive=case_sensitive)
        except (IndexError, StopIteration, ValueError) as exc:
            # A text that ends before it says what its first words promise.
            raise RedshiftError("syntax error: the statement is not complete", sqlstate="42601") from exc
        if history.asks(sql):
            self.host.history.write(self.host.socket_path, self.database)
        if "pg_last_query_id" in sql.lower() and backend.status != b"E":
            backend.rows(f"SELECT set_config('redshift.last_query_id', '{self._last_query_id}', false)")
        return tuple(trial.resolved(backend, one) if one.may_use_aliases else one for one in statements)

    def simple(self, sql: str) -> None:
        """A simple query; statements that PostgreSQL can take together stay one implicit transaction."""
        try:
            statements = self.translate(sql)
            if not statements:
                self.relay.client.write(message(b"I"))
            elif all(statement.action is Action.FORWARD for statement in statements):
                self._together(statements)
            else:
                self._one_by_one(statements)
        except RedshiftError as exc:
            self.relay.backend.fail_transaction()
            self.relay.client.write(errors.to_message(exc))

    def _send(self, sql: str, tags: list[str | None]) -> Answered:
        wire = self.relay.backend.wire
        wire.write(message(b"Q", sql.encode(errors="surrogateescape") + b"\0"))
        wire.flush()
        return self.relay.forward((b"Z",), tags=tags)

    def bring(self, statement: Statement, values: Sequence[bytes | None] = ()) -> None:
        """Get what a SHOW asks of another database, see `elsewhere.py`."""
        Elsewhere(self.relay, self.user, self.database).bring(statement, values)

    def _together(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            self.bring(statement)
        started = datetime.now(UTC)
        answered = self._send(";".join(one.sql for one in statements), [one.tag for one in statements])
        for statement in statements:
            self._note(statement, next(self.host.query_ids), started, answered)

    def _one_by_one(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            if self.execute(statement, lambda one=statement: self._send(one.sql, [one.tag])).error:  # type: ignore[misc]
                return

    def execute(self, statement: Statement, forward: Forward) -> Answered:
        """Run one statement the way its action says.

        Args:
            statement: to run.
            forward: sends it to PostgreSQL and the answer to the client.

        Raises:
            RedshiftError: it may not run here, or COPY or UNLOAD failed.
        """
        query_id, started = next(self.host.query_ids), datetime.now(UTC)
        try:
            self._check(statement)
            answered = self._transfer(statement, query_id) if statement.action in _TRANSFERS else forward()
        except RedshiftError as exc:
            self._note(statement, query_id, started, Answered(exc))
            raise
        if answered.error is None and statement.action is Action.COMMIT_AFTER:
            self._commit()
        self._note(statement, query_id, started, answered)
        return answered

    def _check(self, statement: Statement) -> None:
        backend = self.relay.backend
        if backend.status == b"E" and statement.action in _TRANSFERS:
            raise RedshiftError(_ABORTED, sqlstate="25P02")
        if statement.action is Action.ALONE and backend.in_transaction:
            raise RedshiftError(f"{statement.verb} cannot run inside a transaction block", sqlstate="25001")

    def _transfer(self, statement: Statement, query_id: int) -> Answered:
        backend = self.relay.backend
        session = SessionInfo(self.user, self.database, backend.pid, query_id, datetime.now(UTC), self.host.s3)
        run = transfer.copy if statement.action is Action.COPY else transfer.unload
        run(self.relay.client, backend, statement.original, session)
        return Answered(tag=statement.verb)

    def _commit(self) -> None:
        backend = self.relay.backend
        backend.wire.write(message(b"S"))
        backend.wire.flush()
        backend.finish()
        if backend.in_transaction:
            backend.execute("COMMIT")

    def _note(self, statement: Statement, query_id: int, started: datetime, answered: Answered) -> None:
        label = self._settings.get("query_group", "default")
        ended = datetime.now(UTC)
        rows = answered.tag.rpartition(" ")[2]
        self.host.history.add(
            Ran(
                query_id, self.relay.backend.pid, self.user, self.database, label, statement.verb, statement.original,
                started, ended, answered.error.message if answered.error else None, int(rows) if rows.isdigit() else 0,
            )
        )  # fmt: skip
        self._last_query_id = query_id
        if answered.error:
            return
        for name, value in statement.settings:
            if value is None:
                self._settings.pop(name, None)
            else:
                self._settings[name] = value
        if statement.verb.split(" ")[0] in _DDL:
            self.relay.forget_origins()
