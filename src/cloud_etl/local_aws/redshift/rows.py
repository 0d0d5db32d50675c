"""What a client is told about a result's columns, and the few values that Redshift writes otherwise."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloud_etl.local_aws.redshift import protocol

_FIXED = struct.Struct("!ihihih")
_BYTEA, _JSONB = 17, 3802
_SUPER, _VARBYTE = 4000, 6551
_TYPES = {_JSONB: _SUPER, _BYTEA: _VARBYTE}
_ABSTIME = 702
_INTERVAL, _YEAR_TO_MONTH, _DAY_TO_SECOND = 1186, 1188, 1190
# Bits of an interval's modifier: year and month; day, hour, minute and second; all.
_YEARS_MONTHS, _DAYS_SECONDS, _ANY_FIELD = 0x0006, 0x1C08, 0x7FFF
_MICROSECONDS_A_DAY = 86_400_000_000
_POSTGRES_EPOCH = 946_684_800
_FIRST_SECOND, _LAST_SECOND = -(2**31), 2**31 - 4
_INFINITE = {2**63 - 1: _LAST_SECOND, -(2**63): _FIRST_SECOND}
_TEXT, _BINARY = 0, 1
_ACLITEM, _ACLITEMS = 1033, 1034
_TEXT_ONLY = (_ACLITEM, _ACLITEMS)
# A string, or a separator with the space PostgreSQL writes after it.
_JSON_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|([,:]) ')


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a RowDescription, its type as PostgreSQL has it."""

    name: bytes
    table: int
    number: int
    type: int
    length: int
    modifier: int
    format: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The table column a result column comes from, as the driver's extended metadata names it."""

    schema: str = ""
    table: str = ""
    column: str = ""
    catalog: str = ""
    nullable: bool = True
    identity: bool = False


def parse(body: bytes) -> list[Column]:
    """The columns of a RowDescription's body."""
    (count,) = struct.unpack_from("!h", body)
    at, columns = 2, list[Column]()
    for _ in range(count):
        end = body.index(b"\0", at)
        columns.append(Column(body[at:end], *_FIXED.unpack_from(body, end + 1)))
        at = end + 1 + _FIXED.size
    return columns


def describe(columns: Sequence[Column], origins: Sequence[Origin] | None) -> bytes:
    """A RowDescription in Redshift's types.

    Args:
        columns: as PostgreSQL described them.
        origins: one per column for a client that negotiated extended metadata, else None.
    """
    body = struct.pack("!h", len(columns))
    for at, column in enumerate(columns):
        kind = _interval_kind(column) if column.type == _INTERVAL else _TYPES.get(column.type, column.type)
        body += column.name + b"\0"
        body += _FIXED.pack(column.table, column.number, kind, column.length, column.modifier, column.format)
        if origins is not None:
            body += _extended(origins[at])
    return protocol.message(b"T", body)


def _extended(origin: Origin) -> bytes:
    names = "".join(f"{name}\0" for name in (origin.schema, origin.table, origin.column, origin.catalog)).encode()
    searchable = 1 << 12
    return names + struct.pack("!h", int(origin.nullable) | (int(origin.identity) << 4) | searchable)


def with_formats(columns: Sequence[Column], formats: Sequence[int]) -> list[Column]:
    """The columns in the formats a Bind asked for: none, one for all, or one each."""
    if not formats:
        return list(columns)
    each = formats if len(formats) == len(columns) else [formats[0]] * len(columns)
    return [replace(column, format=asked) for column, asked in zip(columns, each, strict=True)]


def readable_formats(columns: Sequence[Column], formats: tuple[int, ...]) -> tuple[int, ...]:
    """The formats with text where PostgreSQL has no binary form; to a client that asks for one, text is as good."""
    if _BINARY not in formats or not any(column.type in _TEXT_ONLY for column in columns):
        return formats
    asked = with_formats(columns, formats)
    return tuple(_TEXT if column.type in _TEXT_ONLY else column.format for column in asked)


Converter = Callable[[bytes], bytes]


def compact_json(value: bytes) -> bytes:
    """JSON as Redshift writes a SUPER: no space after a comma or a colon."""
    return _JSON_SPACE.sub(lambda found: found.group(1) or found.group(2), value)


def converters(columns: Sequence[Column]) -> dict[int, Converter]:
    """What to do to the values of a result, by column; empty when its rows pass as they are."""
    found: dict[int, Converter] = {}
    for at, column in enumerate(columns):
        if column.type == _JSONB:
            found[at] = compact_json if column.format == _TEXT else _compact_binary_json
        elif column.type == _BYTEA and column.format == _TEXT:
            found[at] = _hex
        elif column.type == _INTERVAL and column.format == _BINARY:
            found[at] = _INTERVALS[_interval_kind(column)]
        elif column.type == _ABSTIME and column.format == _BINARY:
            found[at] = _seconds
    return found


def _compact_binary_json(value: bytes) -> bytes:
    return compact_json(value[1:])


def _interval_kind(column: Column) -> int:
    """INTERVAL YEAR TO MONTH and DAY TO SECOND are types of their own; PostgreSQL tells them by the modifier."""
    fields = (column.modifier >> 16) & _ANY_FIELD if column.modifier >= 0 else _ANY_FIELD
    if fields & ~_YEARS_MONTHS == 0:
        return _YEAR_TO_MONTH
    return _DAY_TO_SECOND if fields & ~_DAYS_SECONDS == 0 else _INTERVAL


def _months(value: bytes) -> bytes:
    return value[12:16]


def _microseconds(value: bytes) -> bytes:
    micros, days = struct.unpack_from("!qi", value)
    return struct.pack("!q", micros + days * _MICROSECONDS_A_DAY)


def _whole(value: bytes) -> bytes:
    return _microseconds(value) + _months(value)


_INTERVALS: dict[int, Converter] = {_YEAR_TO_MONTH: _months, _DAY_TO_SECOND: _microseconds, _INTERVAL: _whole}


def _seconds(value: bytes) -> bytes:
    """An abstime: seconds since 1970, its first and its last value standing for the infinities."""
    (micros,) = struct.unpack("!q", value)
    seconds = _INFINITE.get(micros, micros // 1_000_000 + _POSTGRES_EPOCH)
    return struct.pack("!i", max(min(seconds, _LAST_SECOND), _FIRST_SECOND))


def _hex(value: bytes) -> bytes:
    return value[2:]


def convert(chunk: bytes, changes: Mapping[int, Converter]) -> bytes:
    """Whole DataRow messages with some columns' values changed."""
    made = bytearray()
    at = 0
    while at < len(chunk):
        (length,) = struct.unpack_from("!i", chunk, at + 1)
        made += _row(chunk[at + 5 : at + 1 + length], changes)
        at += 1 + length
    return bytes(made)


def _row(body: bytes, changes: Mapping[int, Converter]) -> bytes:
    (count,) = struct.unpack_from("!h", body)
    at, made = 2, bytearray(body[:2])
    for number in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        end = at + 4 + max(length, 0)
        if length >= 0 and number in changes:
            value = changes[number](body[at + 4 : end])
            made += struct.pack("!i", len(value)) + value
        else:
            made += body[at:end]
        at = end
    return protocol.message(b"D", bytes(made))
