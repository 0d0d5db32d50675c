"""The careful parser: one record at a time, by the strict grammar, wherever the fast way cannot vouch for a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import Kind
from cloud_etl.extract.reader.dialect import Dialect

if TYPE_CHECKING:
    from numpy.typing import NDArray

SWAP = bytes.maketrans(b"\r\n", b"\n\r")
TOO_LONG = "the record is longer than max_record_bytes"
# Two stray quotes far apart must not cost the lines between them.
_SPAN_LINES = 10
_NUMBER = re.compile(rb"([+-]?[0-9.]+([eE][+-]?[0-9]+)?)?")
_MOMENT = re.compile(rb"(.*[0-9].*)?", re.DOTALL)
_LOOKS: dict[Kind, re.Pattern[bytes]] = {
    "integer": _NUMBER, "bigint": _NUMBER, "decimal": _NUMBER, "double": _NUMBER, "date": _MOMENT, "timestamp": _MOMENT,
    "boolean": re.compile(rb"([A-Za-z]{1,5}|[01])?"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parsed:
    """A record by the strict grammar: where its text ends, where the next begins, and its fields."""

    end: int
    next: int
    fields: list[str | None]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no record begins here; `next` is where to go on.

    Attributes:
        each: the lines up to `next` may be quoted text or records, so each of them is refused.
    """

    code: RejectCode
    message: str
    next: int
    each: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a record of a file looks like.

    Attributes:
        width: number of fields.
        patterns: for a field of a typed column: what its text roughly looks like.
    """

    width: int
    patterns: tuple[re.Pattern[bytes] | None, ...] = ()

    @classmethod
    def of(cls, width: int, kinds: Mapping[int, Kind]) -> Shape:
        """The shape of records whose fields at some places have a type."""
        return cls(width, tuple(_LOOKS.get(kinds.get(place, "string")) for place in range(width)))

    @property
    def holds_text(self) -> NDArray[np.bool_]:
        """For each field, whether its column holds text, which may go over lines."""
        return np.array([pattern is None for pattern in self.patterns], dtype=np.bool_)

    def is_ambiguous(self, span: bytes, dialect: Dialect) -> bool:
        """Whether the first line of a span and a later one could, taken by themselves, be records.

        A line between the first and the last counts where a typed field speaks for it: text has delimiters as well.
        """
        if self.width == 1:
            return False
        first, *between, last = span.split(b"\n")
        if not self.fits(first, dialect):
            return False
        return self.fits(last, dialect) or any(self.fits(line, dialect, by_value=True) for line in between)

    def fits(self, line: bytes, dialect: Dialect, *, by_value: bool = False) -> bool:
        """Whether a line, taken by itself, could be a record; by_value: and a typed field of it has a value."""
        if line.count(dialect.delimiter) != self.width - 1:
            return False
        fields = line.replace(dialect.quote or b"", b"").split(dialect.delimiter)
        typed = [
            (pattern, text)
            for pattern, text in zip(self.patterns, map(bytes.strip, fields), strict=False)
            if pattern is not None and text not in dialect.null_words
        ]
        return all(pattern.fullmatch(text) for pattern, text in typed) and (
            not by_value or any(text for _, text in typed)
        )

    def splits_a_typed_field(self, fields: Sequence[bytes | None]) -> bool:
        """Whether a field goes over lines whose column holds no text."""
        return any(
            pattern is not None and text is not None and b"\n" in text
            for pattern, text in zip(self.patterns, fields, strict=False)
        )


class NeedsMoreError(Exception):
    """The record may go on behind the end of the buffer."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A text that is no record, and how far its quoted fields reach."""

    buffer: bytes
    start: int
    reach: int
    limit: int
    final: bool

    def refuse(self, fault: Refused, dialect: Dialect, shape: Shape) -> Refused:
        """The fault, for one line where the lines below it stand on their own, else for each line of the span.

        Raises:
            NeedsMoreError: the span's last line goes on behind the buffer.
        """
        following = fault.next
        if self.reach < following or self.buffer.count(b"\n", self.start, self.reach) >= _SPAN_LINES:
            return fault
        end = self.buffer.find(b"\n", self.reach, self.limit)
        if end < 0:
            if self.limit == len(self.buffer) and not self.final:
                raise NeedsMoreError
            return fault
        below = self.buffer[following:end].split(b"\n")
        if all(_stands_alone(line + b"\n", dialect, shape) for line in below):
            return fault
        return replace(fault, next=end + 1, each=True)


def _stands_alone(line: bytes, dialect: Dialect, shape: Shape) -> bool:
    blank = shape.width > 1 and (line == b"\n" or (line == b"\r\n" and not dialect.cr_file))
    if blank or (dialect.comment is not None and line.startswith(dialect.comment)):
        return True
    return isinstance(parse_record(line, 0, dialect, shape, True), Parsed)


def parse_record(buffer: bytes, start: int, dialect: Dialect, shape: Shape | None, final: bool) -> Parsed | Refused:
    """Parse one record that begins at a line start.

    Args:
        buffer: decoded text; ends with a line end where final.
        start: offset of the line.
        dialect: the grammar.
        shape: what records look like; None takes any number of fields (headers).
        final: nothing follows behind the buffer.

    Raises:
        NeedsMoreError: the answer depends on what follows behind the buffer.
    """
    line_end = buffer.find(b"\n", start)
    if line_end < 0:
        line_end = len(buffer)
    if line_end - start > dialect.max_record_bytes:
        return Refused(RejectCode.RECORD_TOO_LONG, TOO_LONG, line_end + 1)
    limit = min(len(buffer), start + dialect.max_record_bytes + 1)
    if shape is not None and (whole := dialect.record(shape.width).match(buffer, start, limit)):
        # The usual case in one go; the loop below finds the same fields, and what is wrong where there is no match.
        *groups, ending = whole.groups()
        values = [dialect.value(*pair) for pair in zip(groups[::2], groups[1::2], strict=True)]
        span = (start, whole.end() - len(ending), whole.end())
        if whole.end() <= line_end + 1 or not shape.splits_a_typed_field(values):
            return _whole(buffer, span, values, dialect, shape)
        fault = Refused(
            RejectCode.UNCLOSED_QUOTE, "a quoted field that holds no text is not closed on its line", line_end + 1
        )
        return _Tried(buffer, start, span[1], limit, final).refuse(fault, dialect, shape)
    field = dialect.field
    position = start
    raw: list[bytes | None] = []
    while True:
        match = field.match(buffer, position, limit)
        if match is None:
            if not final and limit == len(buffer) and _is_open(buffer, position, limit, dialect):
                raise NeedsMoreError
            code, message = _fault(buffer, position, limit, dialect)
            fault = Refused(code, message, line_end + 1)
            reach = _reach(buffer, position, limit, dialect)
            return fault if shape is None else _Tried(buffer, start, reach, limit, final).refuse(fault, dialect, shape)
        raw.append(dialect.value(match[1], match[2]))
        position = match.end()
        if match[3] != dialect.delimiter:
            break
    end = position - len(match[3])
    if shape is not None and len(raw) != shape.width:
        fault = _wrong_width(len(raw), shape.width, end > line_end, line_end + 1)
        return _Tried(buffer, start, end, limit, final).refuse(fault, dialect, shape)
    return _whole(buffer, (start, end, position), raw, dialect, shape)


def _whole(
    buffer: bytes, span: tuple[int, int, int], raw: list[bytes | None], dialect: Dialect, shape: Shape | None
) -> Parsed | Refused:
    """A record with the right number of fields; refused where it may as well be several."""
    start, end, following = span
    spans_lines = buffer.find(b"\n", start, end) >= 0
    if shape is not None and spans_lines and shape.is_ambiguous(buffer[start:end], dialect):
        message = "a quoted field spans lines that look like records of their own"
        lines = buffer[start:end].split(b"\n")
        if len(lines) > _SPAN_LINES and all(shape.fits(line, dialect) for line in lines[:-1]):
            # Too many good records to be one cell: two stray quotes, far apart, must not cost what is between them.
            return Refused(RejectCode.AMBIGUOUS_QUOTE, message, start + len(lines[0]) + 1)
        return Refused(RejectCode.AMBIGUOUS_QUOTE, message, following, each=True)
    return _decoded(buffer, span, raw, dialect)


def _decoded(buffer: bytes, span: tuple[int, int, int], raw: list[bytes | None], dialect: Dialect) -> Parsed | Refused:
    start, end, following = span
    if buffer.find(b"\0", start, end) >= 0:
        return Refused(RejectCode.NUL_BYTE, "the record holds a NUL byte", following)
    if dialect.cr_file:
        raw = [None if text is None else text.translate(SWAP) for text in raw]
    try:
        fields = [None if text is None else text.decode() for text in raw]
    except UnicodeDecodeError:
        return Refused(RejectCode.INVALID_ENCODING, "the record is not text in the declared encoding", following)
    return Parsed(end, following, fields)


def _wrong_width(count: int, width: int, spans_lines: bool, following: int) -> Refused:
    if spans_lines:
        return Refused(RejectCode.UNCLOSED_QUOTE, "a quoted field is not closed on its line", following)
    code = RejectCode.TOO_FEW_FIELDS if count < width else RejectCode.TOO_MANY_FIELDS
    return Refused(code, width_message(count, width), following)


def width_message(count: int, width: int) -> str:
    """The message for a record with a wrong number of fields."""
    return f"the record has {count} fields, the header has {width}"


def _is_open(buffer: bytes, position: int, limit: int, dialect: Dialect) -> bool:
    # What follows can still change the verdict: an unclosed quote, or a closed one (or a CR) at the buffer's very end.
    if dialect.quote is None or not buffer.startswith(dialect.quote, position, limit):
        return buffer.find(b"\n", position, limit) < 0
    match = dialect.quoted_field.match(buffer, position, limit)
    return match is None or limit - match.end() <= max(len(dialect.delimiter), len(dialect.quote))


def _reach(buffer: bytes, position: int, limit: int, dialect: Dialect) -> int:
    """Offset behind the closing quote of the faulty field at a position; the position itself if it has none."""
    closed = None if dialect.quote is None else dialect.quoted_field.match(buffer, position, limit)
    return position if closed is None else closed.end()


def _fault(buffer: bytes, position: int, limit: int, dialect: Dialect) -> tuple[RejectCode, str]:
    if dialect.quote is not None and buffer.startswith(dialect.quote, position, limit):
        if dialect.quoted_field.match(buffer, position, limit) is None:
            return RejectCode.UNCLOSED_QUOTE, "a quoted field is not closed"
        return RejectCode.TEXT_AFTER_QUOTE, "text follows a closing quote"
    line_end = buffer.find(b"\n", position, limit)
    line_end = limit if line_end < 0 else line_end
    quote = -1 if dialect.quote is None else buffer.find(dialect.quote, position, line_end)
    carriage = buffer.find(b"\r", position, line_end)
    if quote >= 0 and (carriage < 0 or quote < carriage):
        return RejectCode.STRAY_QUOTE, "a quote character stands inside an unquoted field"
    return RejectCode.BARE_CARRIAGE_RETURN, "a line end of another kind than the file's stands outside of quotes"
