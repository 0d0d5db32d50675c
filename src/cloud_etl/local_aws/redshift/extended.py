"""The extended query protocol: prepared statements and portals, forwarded one message at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cloud_etl.local_aws.redshift import binding, errors, protocol, rows
from cloud_etl.local_aws.redshift.dialect.statement import Action, Statement
from cloud_etl.local_aws.redshift.dialect.tokens import PARAMETER, tokenize
from cloud_etl.local_aws.redshift.port import RedshiftError
from cloud_etl.local_aws.redshift.protocol import Message, message
from cloud_etl.local_aws.redshift.relay import Answered, Relay
from cloud_etl.local_aws.redshift.rows import Column

_FLUSH = message(b"H")
_LOCAL = (Action.COPY, Action.UNLOAD)
# Parameter types of the driver's that PostgreSQL knows under another number.
_UNKNOWN, _TEXT = 705, 25
_PARAMETER_TYPES = {4000: 3802, 6551: 17, 1188: 1186, 1190: 1186}


@dataclass
class _Prepared:
    statement: Statement | None
    sent: tuple[int, ...] = ()
    columns: list[Column] | None = None


@dataclass
class _Portal:
    prepared: _Prepared
    formats: tuple[int, ...] = ()


@dataclass
class Extended:
    """One session's prepared statements and portals.

    Args:
        relay: to the client and from PostgreSQL.
        translate: a text as statements, under the session's settings.
        run: executes a statement, by itself or by the function it is given.
        bring: gets what a statement needs of another database, given its parameters' values.
    """

    relay: Relay
    translate: Callable[[str], tuple[Statement, ...]]
    run: Callable[[Statement, Callable[[], Answered]], Answered]
    bring: Callable[[Statement, tuple[bytes | None, ...]], None]
    _prepared: dict[str, _Prepared] = field(default_factory=dict)
    _portals: dict[str, _Portal] = field(default_factory=dict)
    _skipping: bool = False

    def handle(self, received: Message) -> None:
        """One message of the client's; after an error all up to Sync are passed over, as the protocol says."""
        if received.kind == b"S":
            self._sync()
        elif received.kind == b"H":
            self.relay.client.flush()
        elif not self._skipping:
            try:
                _HANDLERS[received.kind](self, received.body)
            except RedshiftError as exc:
                self.relay.client.write(errors.to_message(exc))
                self._skipping = True
                self._fail()

    def _fail(self) -> None:
        # PostgreSQL did not see the statement, so its transaction block has to be failed for it.
        if self.relay.backend.status == b"T":
            self._send(message(b"P", b"\0fail;\0" + struct.pack("!h", 0)))
            while self.relay.backend.wire.read().kind != b"E":
                pass

    def _sync(self) -> None:
        self.relay.backend.wire.write(message(b"S"))
        self.relay.backend.wire.flush()
        self.relay.forward((b"Z",))
        self._skipping = False
        self.relay.client.write(message(b"Z", self.relay.backend.status))
        self.relay.client.flush()

    def _send(self, data: bytes) -> None:
        self.relay.backend.wire.write(data + _FLUSH)
        self.relay.backend.wire.flush()

    def _ask(self, data: bytes, *stop: bytes) -> Answered:
        self._send(data)
        answered = self.relay.forward(stop)
        self._skipping = answered.error is not None
        return answered

    def _parse(self, body: bytes) -> None:
        name, at = protocol.text(body)
        end = body.index(b"\0", at)
        statements = self.translate(body[at:end].decode(errors="surrogateescape"))
        if len(statements) > 1:
            raise RedshiftError("cannot insert multiple commands into a prepared statement", sqlstate="42601")
        statement = statements[0] if statements else None
        self._prepared[name] = _Prepared(statement, _types(body[end + 1 :]))
        if statement and statement.action in _LOCAL:
            self.relay.client.write(message(b"1"))
            return
        sql = statement.sql.encode(errors="surrogateescape") if statement else body[at:end]
        types = _known_types(self._prepared[name].sent, statement)
        counted = struct.pack(f"!h{len(types)}i", len(types), *types)
        self._ask(message(b"P", name.encode() + b"\0" + sql + b"\0" + counted), b"1")

    def _bind(self, body: bytes) -> None:
        bind = binding.parse(body)
        prepared = self._prepared.get(bind.statement, _Prepared(None))
        self._portals[bind.portal] = portal = _Portal(prepared, bind.results)
        if prepared.statement and prepared.statement.action in _LOCAL:
            self.relay.client.write(message(b"2"))
            return
        if prepared.columns is None and prepared.statement:
            prepared.columns = self._columns_of(bind.statement)
        portal.formats = rows.readable_formats(prepared.columns or [], bind.results)
        if prepared.statement:
            self.bring(prepared.statement, bind.values)
        changed = replace(binding.for_postgres(bind, prepared.sent), results=portal.formats)
        self._ask(message(b"B", changed.body() if changed != bind else body), b"2")

    def _columns_of(self, name: str) -> list[Column]:
        """Ask for a statement's columns on the server's own account; the client sees none of it."""
        self._send(message(b"D", b"S" + name.encode() + b"\0"))
        while (received := self.relay.backend.wire.read()).kind not in (b"T", b"n", b"E"):
            pass
        if received.kind == b"E":
            self._skipping = True
            raise errors.from_postgres(received.body)
        return rows.parse(received.body) if received.kind == b"T" else []

    def _describe(self, body: bytes) -> None:
        kind, (name, _) = body[:1], protocol.text(body, 1)
        prepared = self._prepared.get(name) if kind == b"S" else None
        if kind == b"P" and name in self._portals:
            prepared = self._portals[name].prepared
        if prepared and prepared.statement and prepared.statement.action in _LOCAL:
            parameters = message(b"t", struct.pack("!h", 0)) if kind == b"S" else b""
            self.relay.client.write(parameters + message(b"n"))
            return
        answered = self._ask(message(b"D", body), b"T", b"n")
        if prepared and not self._skipping and kind == b"S":
            prepared.columns = answered.columns or []

    def _execute(self, body: bytes) -> None:
        name, _ = protocol.text(body)
        portal = self._portals.get(name)
        if portal is None or portal.prepared.statement is None:
            self._ask(message(b"E", body), b"C", b"s", b"I")
            return
        statement = portal.prepared.statement

        def forward() -> Answered:
            columns = rows.with_formats(portal.prepared.columns or [], portal.formats)
            self._send(message(b"E", body))
            answered = self.relay.forward((b"C", b"s", b"I"), tags=(statement.tag,), columns=columns)
            self._skipping = answered.error is not None
            return answered

        self.run(statement, forward)

    def _close(self, body: bytes) -> None:
        kind, (name, _) = body[:1], protocol.text(body, 1)
        known: dict[str, _Prepared] | dict[str, _Portal] = self._prepared if kind == b"S" else self._portals
        known.pop(name, None)
        self._ask(message(b"C", body), b"3")


_HANDLERS: dict[bytes, Callable[[Extended, bytes], None]] = {
    b"P": Extended._parse,
    b"B": Extended._bind,
    b"D": Extended._describe,
    b"E": Extended._execute,
    b"C": Extended._close,
}


def _types(body: bytes) -> tuple[int, ...]:
    (count,) = struct.unpack_from("!h", body)
    return struct.unpack_from(f"!{count}i", body, 2)


def _known_types(sent: tuple[int, ...], statement: Statement | None) -> list[int]:
    """The parameter types of a Parse as PostgreSQL knows them; of those the statement never uses, text."""
    types = list(sent)
    if _UNKNOWN in types and statement:
        used = {token.text for token in tokenize(statement.sql) if token.kind == PARAMETER}
        types = [_TEXT if f"${number + 1}" not in used else kind for number, kind in enumerate(types)]
    return [_PARAMETER_TYPES.get(kind, kind) for kind in types]
