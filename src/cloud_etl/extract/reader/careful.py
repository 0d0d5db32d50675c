"""The careful parser: one record at a time, by the strict grammar, wherever the fast way cannot vouch for a line."""

from __future__ import annotations

from dataclasses import dataclass

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.record_end import RecordEnd
from cloud_etl.extract.reader.shape import Pairs, Shape

SWAP = bytes.maketrans(b"\r\n", b"\n\r")
TOO_LONG = "the record is longer than max_record_bytes"
# Longer than anything that counts: what ends a line is told by what follows it.
_LOOK_AHEAD = 64


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
        endless: the record goes on behind max_record_bytes; it begins at `next`, and its end must be looked for.
    """

    code: RejectCode
    message: str
    next: int
    each: bool = False
    endless: bool = False


class NeedsMoreError(Exception):
    """The record may go on behind the end of the buffer."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A text that is no record: nothing in it may become one before its quotes are even."""

    buffer: bytes
    start: int
    limit: int
    final: bool

    def refuse(self, code: RejectCode, message: str, dialect: Dialect, shape: Shape | None) -> Refused:
        """The fault, for the first line where it ends outside of quotes, else for each line up to where they close.

        A quote that closes nowhere costs its line only, where what stands below are records beyond doubt.

        Raises:
            NeedsMoreError: they may close behind the buffer.
        """
        behind_line = self.buffer.find(b"\n", self.start, self.limit) + 1 or self.limit
        if shape is None:
            return Refused(code, message, behind_line)
        if behind := self._end(behind_line, dialect):
            return Refused(code, message, behind, each=behind > behind_line)
        if self.limit == len(self.buffer) and not self.final:
            raise NeedsMoreError
        at_end = self.limit == len(self.buffer)
        below = self.buffer[behind_line : self.buffer.rfind(b"\n", self.start, self.limit) + 1]
        if (at_end or code is RejectCode.TEXT_AFTER_QUOTE) and shape.are_records(below, dialect):
            return Refused(code, message, behind_line)
        if at_end:
            return Refused(code, message, self.limit, each=True)
        return Refused(RejectCode.RECORD_TOO_LONG, TOO_LONG, self.start, endless=True)

    def _end(self, behind_line: int, dialect: Dialect) -> int:
        """Offset behind the record's end; 0 where it is not in the buffer."""
        end = RecordEnd(dialect)
        position, behind = self.start, behind_line + _LOOK_AHEAD
        while True:
            behind = min(behind, self.limit)
            length, ended = end.feed(self.buffer[position:behind], behind == self.limit)
            position += length
            if ended:
                return position
            if behind == self.limit:
                return 0
            behind += max(1 << 12, behind - self.start)


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
        endless = shape is not None
        return Refused(RejectCode.RECORD_TOO_LONG, TOO_LONG, start if endless else line_end + 1, endless=endless)
    limit = min(len(buffer), start + dialect.max_record_bytes + 1)
    tried = _Tried(buffer, start, limit, final)
    if shape is not None and (whole := dialect.record(shape.width).match(buffer, start, limit)):
        # The usual case in one go; the loop below finds the same fields, and what is wrong where there is no match.
        *groups, ending = whole.groups()
        pairs: Pairs = list(zip(groups[::2], groups[1::2], strict=True))
        span = (start, whole.end() - len(ending), whole.end())
        if whole.end() <= line_end + 1 or not shape.splits_a_typed_field(pairs):
            return _whole(buffer, span, pairs, dialect, shape)
        message = "a quoted field that holds no text is not closed on its line"
        return tried.refuse(RejectCode.UNCLOSED_QUOTE, message, dialect, shape)
    pairs, position, delimiter = _fields(buffer, (start, limit), dialect)
    if delimiter == dialect.delimiter:
        if not final and limit == len(buffer) and _is_open(buffer, position, limit, dialect):
            raise NeedsMoreError
        return tried.refuse(*_fault(buffer, position, limit, dialect), dialect, shape)
    end = position - len(delimiter)
    if shape is not None and len(pairs) != shape.width:
        return tried.refuse(*_wrong_width(len(pairs), shape.width, end > line_end), dialect, shape)
    return _whole(buffer, (start, end, position), pairs, dialect, shape)


def _fields(buffer: bytes, span: tuple[int, int], dialect: Dialect) -> tuple[Pairs, int, bytes]:
    """Fields up to the record's end, or up to one that is none; where that is, and what stands before it."""
    position, limit = span
    pairs: list[tuple[bytes | None, bytes | None]] = []
    behind = dialect.delimiter
    while behind == dialect.delimiter and (match := dialect.field.match(buffer, position, limit)) is not None:
        pairs.append((match[1], match[2]))
        position, behind = match.end(), match[3]
    return pairs, position, behind


def _whole(
    buffer: bytes, span: tuple[int, int, int], pairs: Pairs, dialect: Dialect, shape: Shape | None
) -> Parsed | Refused:
    """A record with the right number of fields; refused where it may as well be several."""
    start, end, following = span
    spans_lines = buffer.find(b"\n", start, end) >= 0
    if shape is not None and spans_lines and shape.is_ambiguous(buffer[start:end], pairs, dialect):
        message = "a field spans lines that look like records of their own"
        return Refused(RejectCode.AMBIGUOUS_QUOTE, message, following, each=True)
    return _decoded(buffer, span, pairs, dialect)


def _decoded(buffer: bytes, span: tuple[int, int, int], pairs: Pairs, dialect: Dialect) -> Parsed | Refused:
    start, end, following = span
    if buffer.find(b"\0", start, end) >= 0:
        return Refused(RejectCode.NUL_BYTE, "the record holds a NUL byte", following)
    if dialect.escape is not None and (fault := _escape_fault(buffer, span, pairs, dialect)):
        return Refused(RejectCode.BAD_ESCAPE, fault, following)
    values = [dialect.value(*pair) for pair in pairs]
    if dialect.cr_file:
        values = [None if text is None else text.translate(SWAP) for text in values]
    try:
        fields = [None if text is None else text.decode() for text in values]
    except UnicodeDecodeError:
        return Refused(RejectCode.INVALID_ENCODING, "the record is not text in the declared encoding", following)
    return Parsed(end, following, fields)


def _escape_fault(buffer: bytes, span: tuple[int, int, int], pairs: Pairs, dialect: Dialect) -> str:
    _, end, following = span
    if not dialect.cr_file and buffer[end - 1 : following] == b"\r\n":
        return "the escape character stands before a line end of which it escapes the CR only"
    if any(dialect.is_unclear(*pair) for pair in pairs):
        return "a backslash stands before a letter that would be a line end, a tab or the like to other readers"
    return ""


def _wrong_width(count: int, width: int, spans_lines: bool) -> tuple[RejectCode, str]:
    if spans_lines:
        return RejectCode.UNCLOSED_QUOTE, "a quoted field is not closed on its line"
    return RejectCode.TOO_FEW_FIELDS if count < width else RejectCode.TOO_MANY_FIELDS, width_message(count, width)


def width_message(count: int, width: int) -> str:
    """The message for a record with a wrong number of fields."""
    return f"the record has {count} field{'' if count == 1 else 's'}, the header has {width}"


def _is_open(buffer: bytes, position: int, limit: int, dialect: Dialect) -> bool:
    # What follows can still change the verdict: an unclosed quote, or a closed one (or a CR) at the buffer's very end.
    if dialect.quote is None or not buffer.startswith(dialect.quote, position, limit):
        # Behind an escape that ends the buffer even a line end is text.
        escaped = dialect.escape is not None and _unquoted_end(buffer, position, limit, dialect) >= limit - 1
        return escaped or buffer.find(b"\n", position, limit) < 0
    match = dialect.quoted_field.match(buffer, position, limit)
    return match is None or limit - match.end() <= max(len(dialect.delimiter), len(dialect.quote))


def _unquoted_end(buffer: bytes, position: int, limit: int, dialect: Dialect) -> int:
    match = dialect.unquoted_text.match(buffer, position, limit)
    return position if match is None else match.end()


def _fault(buffer: bytes, position: int, limit: int, dialect: Dialect) -> tuple[RejectCode, str]:
    if dialect.quote is not None and buffer.startswith(dialect.quote, position, limit):
        if dialect.quoted_field.match(buffer, position, limit) is None:
            return RejectCode.UNCLOSED_QUOTE, "a quoted field is not closed"
        return RejectCode.TEXT_AFTER_QUOTE, "text follows a closing quote"
    end = _unquoted_end(buffer, position, limit, dialect)
    if dialect.quote is not None and buffer.startswith(dialect.quote, end, limit):
        return RejectCode.STRAY_QUOTE, "a quote character stands inside an unquoted field"
    if buffer.startswith(b"\r", end, limit):
        return RejectCode.BARE_CARRIAGE_RETURN, "a line end of another kind than the file's stands outside of quotes"
    return RejectCode.BAD_ESCAPE, "the last line end of the file is escaped"
