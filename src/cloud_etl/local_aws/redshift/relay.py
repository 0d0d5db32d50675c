"""What PostgreSQL answers, on its way to the client: rows as they are, descriptions and errors in Redshift's form."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloud_etl.local_aws.redshift import errors, protocol, rows
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.port import RedshiftError
from cloud_etl.local_aws.redshift.protocol import ConnectionClosed, Message, Wire, message
from cloud_etl.local_aws.redshift.rows import Column, Converter, Origin

SERVER_VERSION = "8.0.2"
_SETTING = b"cloud_etl_setting\0"
_ORIGINS = b"cloud_etl_origins\0"
_ORIGINS_SQL = (
    b"SELECT nspname, relname, attname, NOT attnotnull, attidentity <> '', current_database() "
    b"FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class ON pg_class.oid = attrelid "
    b"JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace WHERE attrelid = $1 AND attnum = $2\0"
)
_FLUSH = message(b"H")


@dataclass
class Answered:
    """What came back for one request."""

    error: RedshiftError | None = None
    tag: str = ""
    columns: list[Column] | None = None


@dataclass
class Relay:
    """Carries one session's answers.

    Args:
        client: gets them.
        backend: gives them.
        extended: whether the client negotiated the driver's extended column metadata.
    """

    client: Wire
    backend: PostgresConnection
    extended: bool
    _origins: dict[tuple[int, int], Origin] = field(default_factory=dict)
    _origins_parsed: bool = False

    def forward(
        self, stop: Collection[bytes], tags: Sequence[str | None] = (), columns: Sequence[Column] = ()
    ) -> Answered:
        """Carry answers up to the first of these kinds or, in an extended request, an error.

        Args:
            stop: the kinds that end it; ReadyForQuery is left to the caller to send.
            tags: what the client is told instead of PostgreSQL's command tags, in order.
            columns: of the portal whose rows come, where no description comes before them.
        """
        answered = Answered()
        changes = rows.converters(columns)
        wanted = iter(tags)
        while True:
            self.backend.wire.relay_rows(self._sink(changes))
            received = self.backend.wire.read()
            if received.kind == b"T":
                answered.columns = rows.parse(received.body)
                changes = rows.converters(answered.columns)
                self._describe(answered.columns, asked="T" if b"Z" not in stop else "Q")
            elif received.kind == b"Z":
                self.backend.status = received.body
            else:
                self._pass_on(received, answered, wanted)
            if received.kind in stop or (received.kind == b"E" and b"Z" not in stop):
                return answered

    def _sink(self, changes: Mapping[int, Converter]) -> Callable[[bytes], None]:
        return (lambda chunk: self.client.write(rows.convert(chunk, changes))) if changes else self.client.write

    def _pass_on(self, received: Message, answered: Answered, tags: Iterator[str | None]) -> None:
        if received.kind == b"E":
            if protocol.fields(received.body).get("S") == "FATAL":
                raise ConnectionClosed
            answered.error = errors.from_postgres(received.body)
            self.client.write(errors.to_message(answered.error))
        elif received.kind == b"C":
            answered.tag = next(tags, None) or protocol.text(received.body)[0]
            self.client.write(protocol.command_complete(answered.tag))
        elif received.kind == b"S":
            self.client.write(parameter(received))
        else:
            self.client.write(message(received.kind, received.body))

    def _describe(self, columns: Sequence[Column], asked: str) -> None:
        # Between the answers of a simple query nothing can be asked; there only what is known already is told.
        origins = [self._origin(column, may_ask=asked == "T") for column in columns] if self.extended else None
        self.client.write(rows.describe(columns, origins))

    def _origin(self, column: Column, *, may_ask: bool) -> Origin:
        place = (column.table, column.number)
        if not column.table or (place not in self._origins and not may_ask):
            return Origin()
        if place not in self._origins:
            self._origins[place] = self._ask_origin(place)
        return self._origins[place]

    def remember(self, name: str, value: str) -> None:
        """Set a parameter of the session between a client's messages, without an end to what they have begun."""
        wire = self.backend.wire
        texts = b"".join(struct.pack("!i", len(text)) + text for text in (name.encode(), value.encode()))
        wire.write(message(b"P", _SETTING + b"SELECT set_config($1, $2, false)\0" + struct.pack("!hii", 2, 25, 25)))
        wire.write(message(b"B", _SETTING + _SETTING + struct.pack("!hh", 0, 2) + texts + struct.pack("!h", 0)))
        wire.write(message(b"E", _SETTING + struct.pack("!i", 0)))
        wire.write(message(b"C", b"P" + _SETTING) + message(b"C", b"S" + _SETTING) + _FLUSH)
        wire.flush()
        closed = 0
        while closed < 2:
            received = wire.read()
            if received.kind == b"E":
                raise errors.from_postgres(received.body)
            closed += received.kind == b"3"

    def forget_origins(self) -> None:
        """Look columns up anew; a table may have changed."""
        self._origins.clear()

    def _ask_origin(self, place: tuple[int, int]) -> Origin:
        wire = self.backend.wire
        if not self._origins_parsed:
            wire.write(message(b"P", _ORIGINS + _ORIGINS_SQL + struct.pack("!hii", 2, 26, 21)))
        values = b"".join(struct.pack("!i", len(text)) + text for text in (str(number).encode() for number in place))
        wire.write(message(b"B", _ORIGINS + _ORIGINS + struct.pack("!hh", 0, 2) + values + struct.pack("!h", 0)))
        wire.write(message(b"E", _ORIGINS + struct.pack("!i", 0)))
        wire.write(message(b"C", b"P" + _ORIGINS) + _FLUSH)
        wire.flush()
        found = Origin()
        while (received := wire.read()).kind not in (b"3", b"E"):
            if received.kind == b"D":
                found = _origin(received.body)
        self._origins_parsed = self._origins_parsed or received.kind == b"3"
        return found


def _origin(body: bytes) -> Origin:
    at, values = 2, list[str]()
    for _ in range(6):
        (length,) = struct.unpack_from("!i", body, at)
        values.append(body[at + 4 : at + 4 + length].decode())
        at += 4 + length
    schema, table, column, nullable, identity, catalog = values
    return Origin(schema, table, column, catalog, nullable == "t", identity == "t")


def parameter(received: Message) -> bytes:
    """A ParameterStatus of PostgreSQL's with Redshift's version in it."""
    name, after = protocol.text(received.body)
    value = SERVER_VERSION if name == "server_version" else protocol.text(received.body, after)[0]
    return protocol.parameter_status(name, value)
