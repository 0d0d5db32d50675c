"""One connection to the PostgreSQL behind the server: what a session forwards to, what COPY and the catalogue use."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator

from cloud_etl.local_aws.redshift import errors, protocol
from cloud_etl.local_aws.redshift.port import RedshiftError
from cloud_etl.local_aws.redshift.protocol import Message, Wire, message

_ERROR, _READY, _ROW, _COMPLETE = b"E", b"Z", b"D", b"C"
_COPY_IN, _COPY_OUT, _COPY_DATA = b"G", b"H", b"d"


class PostgresConnection:
    """A connection in PostgreSQL's own protocol; implements `port.Backend`."""

    def __init__(self, socket_path: str, parameters: dict[str, str]) -> None:
        """Connect and wait until PostgreSQL is ready.

        Args:
            socket_path: the Unix socket.
            parameters: of the startup packet: user, database and settings.

        Raises:
            RedshiftError: PostgreSQL refuses the user or the database.
        """
        self.socket_path = socket_path
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(socket_path)
        self.wire = Wire(sock)
        self.status = b"I"
        self.greeting: list[Message] = []
        self.key = b""
        self.wire.write(protocol.startup(parameters))
        self.wire.flush()
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def _greet(self) -> None:
        while (received := self.wire.read()).kind != _READY:
            if received.kind == _ERROR:
                raise errors.from_postgres(received.body)
            if received.kind == b"K":
                self.key = received.body
            elif received.kind == b"S":
                self.greeting.append(received)

    @property
    def pid(self) -> int:
        """The process id of the PostgreSQL session."""
        return int(struct.unpack_from("!i", self.key)[0])

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open, sound or failed."""
        return self.status != b"I"

    def _query(self, sql: str) -> None:
        self.wire.write(message(b"Q", sql.encode() + b"\0"))
        self.wire.flush()

    def _until_ready(self) -> Iterator[Message]:
        """Every message up to ReadyForQuery; an error is raised only when PostgreSQL is ready again."""
        failed: RedshiftError | None = None
        while (received := self.wire.read()).kind != _READY:
            if received.kind == _ERROR:
                failed = errors.from_postgres(received.body)
            else:
                yield received
        self.status = received.body
        if failed:
            raise failed

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """Run one statement; all its rows in text format."""
        self._query(sql)
        return [_values(received.body) for received in self._until_ready() if received.kind == _ROW]

    def execute(self, sql: str) -> str:
        """Run one statement; its command tag."""
        self._query(sql)
        tag = ""
        for received in self._until_ready():
            if received.kind == _COMPLETE:
                tag, _ = protocol.text(received.body)
        return tag

    def copy_in(self, sql: str, chunks: Iterable[bytes]) -> int:
        """Feed `COPY t FROM STDIN`; the number of rows."""
        self._query(sql)
        received = self.wire.read()
        while received.kind not in (_COPY_IN, _ERROR):
            received = self.wire.read()
        if received.kind == _ERROR:
            self.finish()
            raise errors.from_postgres(received.body)
        try:
            self._feed(chunks)
        except BaseException as exc:
            self.wire.write(message(b"f", f"{type(exc).__name__}\0".encode()))
            self.wire.flush()
            self.finish()
            raise
        self.wire.write(message(b"c"))
        self.wire.flush()
        tags = [protocol.text(done.body)[0] for done in self._until_ready() if done.kind == _COMPLETE]
        return int(tags[-1].rsplit(" ", 1)[1])

    def _feed(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self.wire.flush()
            self.wire.sock.sendall(b"d" + struct.pack("!i", len(chunk) + 4))
            self.wire.sock.sendall(chunk)

    def finish(self) -> None:
        """Read up to ReadyForQuery."""
        while (received := self.wire.read()).kind != _READY:
            pass
        self.status = received.body

    def copy_out(self, sql: str) -> Iterator[bytes]:
        """What `COPY ... TO STDOUT` sends, chunk by chunk."""
        self._query(sql)
        for received in self._until_ready():
            if received.kind == _COPY_DATA:
                yield received.body

    def fail_transaction(self) -> None:
        """Put an open transaction block into its failed state, as an error in it does."""
        if self.status == b"T":
            self._query("DO $$ BEGIN RAISE EXCEPTION 'failed'; END $$")
            self.finish()

    def close(self) -> None:
        """End the session."""
        try:
            self.wire.write(message(b"X"))
            self.wire.flush()
        except OSError:
            pass
        self.wire.close()


def _values(body: bytes) -> tuple[str | None, ...]:
    (count,) = struct.unpack_from("!h", body)
    at, values = 2, list[str | None]()
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if length < 0 else body[at : at + length].decode())
        at += max(length, 0)
    return tuple(values)
