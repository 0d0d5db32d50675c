"""One client's session, from its first packet to its last."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud_etl.local_aws.redshift import auth, errors, install, protocol, transfer, trial
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.dialect.statement import Action, Statement
from cloud_etl.local_aws.redshift.dialect.translate import translate
from cloud_etl.local_aws.redshift.extended import Extended
from cloud_etl.local_aws.redshift.port import RedshiftError, S3Settings, SessionInfo
from cloud_etl.local_aws.redshift.protocol import ConnectionClosed, Wire, message
from cloud_etl.local_aws.redshift.relay import Relay, parameter

# The driver's binary format (2) writes numbers in a way of its own; answered with 1 it reads text, value for value.
_PROTOCOL_VERSION = 1
_EXTENDED = (b"P", b"B", b"D", b"E", b"C", b"S", b"H")
_PASSED_ON = ("application_name", "client_encoding", "options")
_DDL = ("CREATE", "ALTER", "DROP")


@dataclass(frozen=True)
class Host:
    """What all sessions of a server share."""

    socket_path: str
    s3: S3Settings
    tls: ssl.SSLContext
    query_ids: Iterator[int]


class Session:
    """One client."""

    def __init__(self, host: Host, client: socket.socket) -> None:
        """Take the accepted socket; nothing is read yet."""
        self._host = host
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = Wire(client)
        self._backend: PostgresConnection | None = None
        self._case_sensitive = False
        self._user = self._database = ""

    def run(self) -> None:
        """Serve the client until it leaves or the server is stopped."""
        with contextlib.suppress(ConnectionClosed, OSError):
            try:
                self._run()
            except RedshiftError as exc:
                self._client.write(auth.refusal(exc))
                self._client.flush()
        self._close()

    def interrupt(self) -> None:
        """End the session from another thread."""
        with contextlib.suppress(OSError):
            self._client.sock.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        if self._backend is not None:
            self._backend.close()
        self._client.close()

    def _run(self) -> None:
        parameters = self._start_up()
        if parameters is None:
            return
        self._user = parameters.get("user", "")
        self._database = parameters.get("database") or self._user
        admin = install.internal(self._host.socket_path, "postgres")
        try:
            auth.authenticate(self._client, self._user, admin)
        finally:
            admin.close()
        backend = self._connect(parameters)
        relay = Relay(self._client, backend, extended="client_protocol_version" in parameters)
        self._greet(backend, parameters)
        extended = Extended(
            relay,
            translate=lambda sql: self._translate(backend, sql),
            run=lambda statement, forward: self._execute(relay, statement, forward),
        )
        while True:
            received = self._client.read()
            if received.kind == b"Q":
                self._simple(relay, received.body[:-1].decode(errors="surrogateescape"))
            elif received.kind in _EXTENDED:
                extended.handle(received)
            elif received.kind == b"X":
                return

    def _start_up(self) -> dict[str, str] | None:
        while True:
            code, body = self._client.read_startup()
            if code == protocol.SSL_REQUEST:
                self._client.sock.sendall(b"S")
                self._client = Wire(self._host.tls.wrap_socket(self._client.sock, server_side=True))
            elif code == protocol.GSS_REQUEST:
                self._client.sock.sendall(b"N")
            elif code == protocol.CANCEL_REQUEST:
                self._cancel(body)
                return None
            else:
                return protocol.parse_startup(body)

    def _cancel(self, key: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self._host.socket_path)
            sock.sendall(struct.pack("!ii", len(key) + 8, protocol.CANCEL_REQUEST) + key)
            sock.recv(1)

    def _connect(self, parameters: dict[str, str]) -> PostgresConnection:
        passed = {name: parameters[name] for name in _PASSED_ON if name in parameters}
        known = {"user": self._user, "database": self._database, "client_encoding": "UTF8"}
        self._backend = PostgresConnection(self._host.socket_path, known | passed)
        return self._backend

    def _greet(self, backend: PostgresConnection, parameters: dict[str, str]) -> None:
        for received in backend.greeting:
            self._client.write(parameter(received))
        if "client_protocol_version" in parameters:
            asked = parameters["client_protocol_version"]
            version = min(int(asked) if asked.isdigit() else 0, _PROTOCOL_VERSION)
            self._client.write(protocol.parameter_status("server_protocol_version", str(version)))
        self._client.write(message(b"K", backend.key))
        self._ready(backend)

    def _ready(self, backend: PostgresConnection) -> None:
        self._client.write(message(b"Z", backend.status))
        self._client.flush()

    def _translate(self, backend: PostgresConnection, sql: str) -> tuple[Statement, ...]:
        statements = translate(sql, case_sensitive=self._case_sensitive)
        return tuple(
            trial.resolved(backend, statement) if statement.may_use_aliases else statement for statement in statements
        )

    def _simple(self, relay: Relay, sql: str) -> None:
        """A simple query; statements that PostgreSQL can take together stay one implicit transaction."""
        try:
            statements = self._translate(relay.backend, sql)
            if not statements:
                self._client.write(message(b"I"))
            if all(statement.action is Action.FORWARD for statement in statements):
                self._forward_all(relay, statements)
            else:
                self._one_by_one(relay, statements)
        except RedshiftError as exc:
            relay.backend.fail_transaction()
            self._client.write(errors.to_message(exc))
        self._ready(relay.backend)

    def _forward_all(self, relay: Relay, statements: tuple[Statement, ...]) -> None:
        if not statements:
            return
        sql = ";".join(statement.sql for statement in statements).encode(errors="surrogateescape")
        relay.backend.wire.write(message(b"Q", sql + b"\0"))
        relay.backend.wire.flush()
        answered = relay.forward((b"Z",), tags=[statement.tag for statement in statements])
        if answered.error is None:
            for statement in statements:
                self._done(relay, statement)

    def _one_by_one(self, relay: Relay, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            failed: list[str] = []

            def forward(statement: Statement = statement, failed: list[str] = failed) -> str | None:
                relay.backend.wire.write(message(b"Q", statement.sql.encode(errors="surrogateescape") + b"\0"))
                relay.backend.wire.flush()
                error = relay.forward((b"Z",), tags=(statement.tag,)).error
                failed.extend([error.message] if error else [])
                return error.message if error else None

            self._execute(relay, statement, forward)
            if failed:
                return

    def _execute(self, relay: Relay, statement: Statement, forward: Callable[[], str | None]) -> None:
        """Run one statement the way its action says.

        Raises:
            RedshiftError: it may not run here, or COPY or UNLOAD failed.
        """
        if relay.backend.status == b"E" and statement.action in (Action.COPY, Action.UNLOAD):
            raise RedshiftError(
                "current transaction is aborted, commands ignored until end of transaction block", sqlstate="25P02"
            )
        if statement.action is Action.ALONE and relay.backend.in_transaction:
            raise RedshiftError(f"{statement.verb} cannot run inside a transaction block", sqlstate="25001")
        if statement.action in (Action.COPY, Action.UNLOAD):
            self._transfer(relay, statement)
        elif forward() is None:
            if statement.action is Action.COMMIT_AFTER:
                self._commit(relay)
            self._done(relay, statement)

    def _commit(self, relay: Relay) -> None:
        backend = relay.backend
        backend.wire.write(message(b"S"))
        backend.wire.flush()
        backend.finish()
        if backend.status == b"T":
            backend.execute("COMMIT")

    def _done(self, relay: Relay, statement: Statement) -> None:
        for name, value in statement.settings:
            if name == "enable_case_sensitive_identifier":
                self._case_sensitive = (value or "off").lower() in ("on", "true", "yes", "1")
        if statement.verb.split(" ")[0] in _DDL:
            relay.forget_origins()

    def _info(self, backend: PostgresConnection) -> SessionInfo:
        return SessionInfo(
            user=self._user, database=self._database, pid=backend.pid, query_id=next(self._host.query_ids),
            started_at=datetime.now(UTC), s3=self._host.s3,
        )  # fmt: skip

    def _transfer(self, relay: Relay, statement: Statement) -> None:
        run = transfer.copy if statement.action is Action.COPY else transfer.unload
        run(self._client, relay.backend, statement.original, self._info(relay.backend))
