"""A Bind message taken apart, and its values in the forms PostgreSQL reads."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloud_etl.local_aws.redshift import protocol

_INTERVAL, _INTERVAL_Y2M, _INTERVAL_D2S = 1186, 1188, 1190
_INTERVALS = (_INTERVAL, _INTERVAL_Y2M, _INTERVAL_D2S)
_TEXT = 0
_REDSHIFT_INTERVAL = struct.Struct("!qi")


@dataclass(frozen=True, slots=True)
class Bind:
    """What a Bind asks for.

    Args:
        formats: of the values: none, one for all, or one each.
        values: None stands for NULL.
        results: formats of the columns, as `formats`.
    """

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    results: tuple[int, ...]

    def body(self) -> bytes:
        """The message's body again."""
        made = bytearray(f"{self.portal}\0{self.statement}\0".encode())
        made += struct.pack(f"!h{len(self.formats)}h", len(self.formats), *self.formats)
        made += struct.pack("!h", len(self.values))
        for value in self.values:
            made += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
        made += struct.pack(f"!h{len(self.results)}h", len(self.results), *self.results)
        return bytes(made)

    def format_of(self, number: int) -> int:
        """The format of one value."""
        if not self.formats:
            return _TEXT
        return self.formats[number] if len(self.formats) > 1 else self.formats[0]


def parse(body: bytes) -> Bind:
    """A Bind message's body."""
    portal, at = protocol.text(body)
    statement, at = protocol.text(body, at)
    formats, at = _shorts(body, at)
    (count,) = struct.unpack_from("!h", body, at)
    at += 2
    values = list[bytes | None]()
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if length < 0 else body[at : at + length])
        at += max(length, 0)
    results, _ = _shorts(body, at)
    return Bind(portal, statement, formats, tuple(values), results)


def _shorts(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    (count,) = struct.unpack_from("!h", body, at)
    return struct.unpack_from(f"!{count}h", body, at + 2), at + 2 + 2 * count


def for_postgres(bind: Bind, sent: Sequence[int]) -> Bind:
    """The values as PostgreSQL reads them.

    Args:
        bind: as the client sent it.
        sent: the parameter types of the client's Parse.
    """
    values = list(bind.values)
    for number, kind in enumerate(sent[: len(values)]):
        value = values[number]
        if value is not None and kind in _INTERVALS and bind.format_of(number) != _TEXT:
            values[number] = _interval(kind, value)
    return replace(bind, values=tuple(values))


def _interval(kind: int, value: bytes) -> bytes:
    if kind == _INTERVAL_Y2M:
        return struct.pack("!qii", 0, 0, struct.unpack("!i", value)[0])
    if kind == _INTERVAL_D2S:
        return struct.pack("!qii", struct.unpack("!q", value)[0], 0, 0)
    # An interval of Redshift's has no days of their own: microseconds, then months.
    if len(value) != _REDSHIFT_INTERVAL.size:
        return value
    microseconds, months = _REDSHIFT_INTERVAL.unpack(value)
    return struct.pack("!qii", microseconds, 0, months)
