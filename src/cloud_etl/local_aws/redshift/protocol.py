"""PostgreSQL's wire protocol, version 3: framed messages over a socket, and those the server writes itself."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PROTOCOL_3_0 = 196608
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102

_READ_BYTES = 1 << 18
_FLUSH_BYTES = 1 << 16
_HEADER = 5
_DATA_ROW = ord("D")
_LARGEST_STARTUP = 10_000


class ConnectionClosed(Exception):  # noqa: N818  it is an event of every session, not an error
    """The other side closed its connection."""


@dataclass(frozen=True, slots=True)
class Message:
    """One framed message: its type byte and what follows the length."""

    kind: bytes
    body: bytes


class Wire:
    """One socket with a read and a write buffer; what is written leaves on flush, or when the buffer is full."""

    def __init__(self, sock: socket.socket) -> None:
        """Take the connected socket; nothing is read yet."""
        self.sock = sock
        self._read = bytearray()
        self._at = 0
        self._write = bytearray()

    def _fill(self, size: int) -> None:
        if self._at:
            del self._read[: self._at]
            self._at = 0
        while len(self._read) < size:
            chunk = self.sock.recv(_READ_BYTES)
            if not chunk:
                raise ConnectionClosed
            self._read += chunk

    def read_exactly(self, size: int) -> bytes:
        """The next bytes, waiting for them."""
        if len(self._read) - self._at < size:
            self._fill(size)
        data = bytes(self._read[self._at : self._at + size])
        self._at += size
        return data

    def read_startup(self) -> tuple[int, bytes]:
        """The code and body of a startup packet, which alone has no type byte."""
        (length,) = struct.unpack("!i", self.read_exactly(4))
        if not 8 <= length <= _LARGEST_STARTUP:
            raise ConnectionClosed
        (code,) = struct.unpack("!i", self.read_exactly(4))
        return code, self.read_exactly(length - 8)

    def read(self) -> Message:
        """The next message, waiting for it."""
        header = self.read_exactly(_HEADER)
        return Message(header[:1], self.read_exactly(int.from_bytes(header[1:], "big") - 4))

    def has_buffered(self) -> bool:
        """Whether bytes were received that nobody has read."""
        return len(self._read) > self._at

    def relay_rows(self, sink: Callable[[bytes], None]) -> None:
        """Give whole DataRow messages to sink, as raw bytes and many at a time, until the next message is another."""
        while True:
            if len(self._read) - self._at < _HEADER:
                self._fill(_HEADER)
            buffer, start = self._read, self._at
            at, end = start, len(self._read)
            while at + _HEADER <= end and buffer[at] == _DATA_ROW:
                after = at + 1 + int.from_bytes(buffer[at + 1 : at + _HEADER], "big")
                if after > end:
                    break
                at = after
            if at > start:
                sink(bytes(memoryview(buffer)[start:at]))
                self._at = at
            elif buffer[start] == _DATA_ROW:
                self._fill(1 + int.from_bytes(buffer[start + 1 : start + _HEADER], "big"))
            else:
                return

    def write(self, data: bytes) -> None:
        """Append whole messages to what leaves next."""
        self._write += data
        if len(self._write) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send everything written so far."""
        if self._write:
            self.sock.sendall(self._write)
            self._write.clear()

    def close(self) -> None:
        """Close the socket; the other side sees the end of the stream."""
        self.sock.close()


def message(kind: bytes, body: bytes = b"") -> bytes:
    """One framed message."""
    return kind + struct.pack("!i", len(body) + 4) + body


def startup(parameters: Mapping[str, str]) -> bytes:
    """The startup packet of a client."""
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, PROTOCOL_3_0) + body


def parse_startup(body: bytes) -> dict[str, str]:
    """The parameters of a startup packet's body."""
    words = body.rstrip(b"\0").decode(errors="replace").split("\0")
    return dict(zip(words[::2], words[1::2], strict=False))


def parameter_status(name: str, value: str) -> bytes:
    """A ParameterStatus message."""
    return message(b"S", f"{name}\0{value}\0".encode())


def command_complete(tag: str) -> bytes:
    """A CommandComplete message."""
    return message(b"C", tag.encode() + b"\0")


def fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse by their letter."""
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}


def error(severity: str, values: Mapping[str, str]) -> bytes:
    """An ErrorResponse with these fields by letter."""
    return message(b"E", _fields({"S": severity, **values}))


def notice(severity: str, text: str, sqlstate: str = "00000") -> bytes:
    """A NoticeResponse."""
    return message(b"N", _fields({"S": severity, "C": sqlstate, "M": text}))


def _fields(values: Mapping[str, str]) -> bytes:
    return b"".join(f"{letter}{text}\0".encode() for letter, text in values.items()) + b"\0"


def text(body: bytes, at: int = 0) -> tuple[str, int]:
    """The zero-terminated string at a position, and the position after it."""
    end = body.index(b"\0", at)
    return body[at:end].decode(), end + 1
