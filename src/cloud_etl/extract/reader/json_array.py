"""Find the elements of a JSON array in a stream, without parsing them and without holding the array.

Nothing that lies inside a damaged element may come out as an element of its own. So the scan goes on behind an element
only where its end is certain: its brackets pair by kind, its quotes stand where quotes may stand, and a comma or the
end of the array follows. Where that is not so the rest of the file is one broken element, but for one case: an object
without inner brackets whose line ends before it does, above a line that begins with the same key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from cloud_etl.extract.reader.careful import TOO_LONG
from cloud_etl.extract.reader.windows import Window

_BLANK = re.compile(rb"[ \t\r\n]*+")
_READ_BYTES = 1 << 20
_OPEN, _END, _COMMA = b"[],"
_CLOSES = {ord("{"): ord("}"), ord("["): ord("]")}

_STRING = rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+"'
_SCALAR = rb"(?:" + _STRING + rb"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)"
# Brackets inside one another that the pattern of valid values follows; those below are paired one by one.
_NESTED = 3
_LOST = "where this element ends cannot be told; it and the rest of the file are set aside"


def _valid(depth: int) -> bytes:
    """A pattern of valid JSON values; linear, since the first byte of a value tells which alternative it is."""
    if depth < 0:
        return _SCALAR
    value, blank = _valid(depth - 1), _BLANK.pattern
    # Each part stands here once: a comma wants another one behind it, and without a comma the end must follow.
    member = _STRING + blank + rb":" + blank + value + blank + rb"(?:," + blank + rb'(?=")|(?=\}))'
    item = value + blank + rb"(?:," + blank + rb"(?!\])|(?=\]))"
    return (
        rb"(?:" + _SCALAR
        + rb"|\{" + blank + rb"(?:" + member + rb")*+\}"
        + rb"|\[" + blank + rb"(?:" + item + rb")*+\])"
    )  # fmt: skip


_VALUE = re.compile(_valid(_NESTED))
# Tokens of a text that may be damaged. Behind a lost or a surplus quote, strings are what stood between strings: they
# begin or end beside a word or another string, where no quote of a JSON text stands.
_BEHIND = rb"(?=[ \t\r\n,:\]}]|\Z)"
_TOKEN = re.compile(
    rb'(?:[{\[,:]|[}\]](?!")|[ \t\r\n]++|"(?:[^"\\]|\\.)*+"' + _BEHIND + rb'|[^ \t\r\n"{}\[\],:]++' + _BEHIND + rb")++",
    re.DOTALL,
)
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]|\\.)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL)
_SIMPLE = re.compile(rb'(?:"(?:[^"\\]|\\.)*+"|[^",\]\[{}])++', re.DOTALL)
# An object whose line ends before it does, and the next line, which begins with the same key.
_CUT_LINE = re.compile(
    rb'(\{[ \t]*("(?:[^"\\\n]|\\.)++"[ \t]*:)[^\[\]{\n]*[^\[\]{\n: \t]),[ \t\r]*\n[ \t\r]*(?=\{[ \t]*\2)', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Element:
    """The text of a record, and where it stands.

    Attributes:
        line: physical line of an object of its own line, number of the element in an array; both from 1.
        broken: why it is no record, where that was seen before it was parsed.
    """

    line: int
    position: int
    raw: bytes
    broken: str | None = None


class _Before(Enum):
    """What the scan has behind it."""

    START = "nothing stands before the first comma of the array"
    ELEMENT = "no comma stands between this element and the one before it"
    COMMA = "no element stands between two commas"


class ArrayScanner:
    """Cuts an array into its elements; what cannot be an element comes as a broken one."""

    def __init__(self, window: Window, max_record_bytes: int) -> None:
        """Store the window, which stands before the opening bracket."""
        self._window = window
        self._limit = max_record_bytes
        # How far the window's buffer is done with; moving the window itself copies it.
        self._at = 0
        self._number = 0
        self._lost = False

    def elements(self) -> Iterator[Element]:
        """The elements in order."""
        if not self._skip_blank():
            return
        if self._window.buffer[self._at] != _OPEN:
            yield self._rest("the file does not begin with [, so it is no array: correct json: {layout: ...}")
            return
        self._at += 1
        before = _Before.START
        while self._skip_blank():
            byte = self._window.buffer[self._at]
            if byte == _END:
                if before is _Before.COMMA:
                    yield self._of(b",", "no element stands between the last comma and the end of the array")
                self._at += 1
                if self._skip_blank():
                    yield self._rest("text follows the end of the array")
                return
            if byte == _COMMA:
                if before is not _Before.ELEMENT:
                    yield self._of(b",", before.value)
                self._at += 1
                before = _Before.COMMA
            else:
                yield self._element(before.value if before is _Before.ELEMENT else None)
                before = _Before.ELEMENT
        if not self._lost:
            yield self._of(b"", "the array is not closed")

    def _of(self, raw: bytes, broken: str | None) -> Element:
        self._number += 1
        return Element(self._number, self._window.position + self._at, raw.rstrip(b" \t\r\n"), broken)

    def _skip_blank(self) -> bool:
        """Whether there is anything behind the blanks."""
        window = self._window
        while True:
            match = _BLANK.match(window.buffer, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(window.buffer):
                return True
            if window.final:
                return False
            self._read(_READ_BYTES)

    def _read(self, size_bytes: int) -> None:
        """Have that many bytes ahead, or all there are."""
        self._window.advance(self._at)
        self._at = 0
        self._window.fill(size_bytes)

    def _element(self, fault: str | None) -> Element:
        """The element that begins here; a fault that is known already makes it a broken one."""
        window = self._window
        # The end of an element that is too long is looked for this far, wherever the buffer happens to end.
        far = max(self._limit, _READ_BYTES)
        while True:
            end = self._certain_end()
            held = len(window.buffer) - self._at
            if end is not None or window.final or held > 2 * far:
                break
            self._read(max(_READ_BYTES, 2 * held))
        size = end - self._at if end else 0
        if not end or size > far:
            return self._rest(TOO_LONG if max(size, held) > self._limit and end != 0 else _LOST)
        text = window.buffer[self._at : self._at + min(size, self._limit)]
        element = self._of(text, fault if size <= self._limit else TOO_LONG)
        self._at = end
        return element

    def _certain_end(self) -> int | None:
        """Where the element ends; 0 where that cannot be told, None where it is not in the buffer."""
        buffer, final = self._window.buffer, self._window.final
        is_simple = buffer[self._at] not in _CLOSES
        value = _VALUE.match(buffer, self._at)
        if value and (
            not is_simple or buffer[value.end() : value.end() + 1] in (b",", b"]", b" ", b"\t", b"\r", b"\n")
        ):
            return value.end()
        if cut := _CUT_LINE.match(buffer, self._at):
            return cut.end(1)
        end = _simple_end(buffer, self._at, final) if is_simple else _bracket_end(buffer, self._at)
        if not end:
            return end
        behind = _BLANK.match(buffer, end)
        follows = buffer[behind.end() : behind.end() + 1] if behind else b""
        if not follows and not final:
            return None
        is_whole = follows in (b",", b"]") and _TOKEN.fullmatch(buffer, self._at, end) is not None
        return end if is_whole and not (is_simple and buffer.find(b":", self._at, end) >= 0) else 0

    def _rest(self, reason: str) -> Element:
        """Everything up to the end of the file; raw is its beginning."""
        window = self._window
        self._lost = True
        element = self._of(window.buffer[self._at : self._at + self._limit], reason)
        while window.buffer or not window.final:
            self._at = len(window.buffer)
            self._read(_READ_BYTES)
        return element


def _simple_end(buffer: bytes, start: int, final: bool) -> int | None:
    """Where an element without brackets ends: before a comma or a bracket."""
    match = _SIMPLE.match(buffer, start)
    end = match.end() if match else start
    if buffer[end : end + 1] in (b"", b'"') and not final:
        return None
    return end if end > start else 0


def _bracket_end(buffer: bytes, start: int) -> int | None:
    """Where the bracket is closed that stands there; 0 where brackets do not pair by kind, None where it stays open."""
    wanted = bytearray()
    position = start
    while match := _TO_BRACKET.match(buffer, position):
        position = match.end()
        bracket = buffer[position - 1]
        if bracket in _CLOSES:
            wanted.append(_CLOSES[bracket])
        elif bracket != wanted.pop():
            return 0
        if not wanted:
            return position
    return None
