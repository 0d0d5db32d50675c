"""Find the elements of a JSON array in a stream, without parsing them and without holding the array."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cloud_etl.extract.reader.windows import Window

_BLANK = re.compile(rb"[ \t\r\n]*+")
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]|\\.)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL)
_NEXT_LIKE = {mark: re.compile(rb",[ \t\r]*\n[ \t]*(?=" + re.escape(mark) + rb")") for mark in (b"{", b"[")}
_SCALAR = re.compile(rb'(?:"(?:[^"\\]|\\.)*+"|[^",\]\[{}])++', re.DOTALL)
_READ_BYTES = 1 << 20
# Brackets that are remembered; beyond, elements are searched one by one again.
_BRACKETS_KEPT = 1 << 20
_END, _COMMA = b"],"


@dataclass(frozen=True, slots=True)
class Element:
    """The text of a record, and where it stands.

    Attributes:
        line: physical line of an object of its own line, number of the element in an array; both from 1.
        broken: why it is no record, where its end had to be guessed.
    """

    line: int
    position: int
    raw: bytes
    broken: str | None = None


class _Pass:
    """Matches brackets from one place on, and goes on where it stopped when more text has come.

    Attributes:
        ends: position of each opening bracket to the end of what it opens; None while that is open.
    """

    def __init__(self, start: int) -> None:
        """Begin at a bracket; positions count from the beginning of the file's text."""
        self.ends: dict[int, int | None] = {start: None}
        self._open: list[int] = []
        self._position = start

    def follow(self, buffer: bytes, offset: int) -> None:
        """Match what is in the buffer, which begins at that offset."""
        while match := _TO_BRACKET.match(buffer, self._position - offset):
            self._position = offset + match.end()
            if match[1] in b"{[":
                self._open.append(self._position - 1)
                self.ends[self._position - 1] = None
            elif self._open:
                self.ends[self._open.pop()] = self._position


class ArrayScanner:
    """Cuts an array into its elements.

    An element whose brackets or quotes do not match ends before the next line that begins as its own did (the same
    bracket behind a comma and a line end); where there is none, the rest of the file is one broken element.
    """

    def __init__(self, window: Window, max_record_bytes: int, is_json: Callable[[bytes], bool]) -> None:
        """Store the window, which stands before the opening bracket."""
        self._window = window
        self._limit = max_record_bytes
        self._is_json = is_json
        # How far the window's buffer is done with; moving the window itself copies it.
        self._at = 0
        self._number = 0
        self._passes: list[_Pass] = []

    def elements(self) -> Iterator[Element]:
        """The elements in order; what cannot be an element comes as a broken one."""
        self._skip_blank()
        self._at += 1
        while self._skip_blank():
            byte = self._window.buffer[self._at]
            if byte == _END:
                self._at += 1
                if self._skip_blank():
                    yield self._rest("text follows the end of the array")
                return
            if byte == _COMMA:
                self._at += 1
            else:
                yield self._element()
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

    def _element(self) -> Element:
        while True:
            window = self._window
            end = self._end()
            held = len(window.buffer) - self._at
            if end is not None and (end < len(window.buffer) or window.final):
                break
            if window.final or held > self._limit:
                return self._broken()
            self._read(max(_READ_BYTES, 2 * held))
        raw = window.buffer[self._at : end]
        if b"\n" in raw and self._next_like(end) and not self._is_json(raw):
            return self._broken()
        return self._take(raw, end, None)

    def _end(self) -> int | None:
        window = self._window
        start = window.position + self._at
        for known in self._passes:
            if start in known.ends:
                known.follow(window.buffer, window.position)
                end = known.ends[start]
                return None if end is None else end - window.position
        return _end_of(window.buffer, self._at)

    def _next_like(self, stop: int) -> int:
        """Where the next line begins that begins with the bracket at which the window stands, or 0."""
        buffer = self._window.buffer
        pattern = _NEXT_LIKE.get(buffer[self._at : self._at + 1])
        match = pattern.search(buffer, self._at, stop) if pattern else None
        return match.end() if match else 0

    def _broken(self) -> Element:
        end = self._next_like(self._at + self._limit)
        if not end:
            return self._rest("the element is not closed")
        self._remember()
        ahead = self._window.buffer[self._at : end]
        return self._take(ahead.rstrip(b" \t\r\n,"), end, "the element is not closed")

    def _remember(self) -> None:
        """Find the ends of all that follows in one pass: to search each element to the file's end takes for ever."""
        window = self._window
        start = window.position + self._at
        if sum(len(known.ends) for known in self._passes) > _BRACKETS_KEPT:
            self._passes.clear()
        if any(start in known.ends for known in self._passes):
            return
        # An open quote makes text of every other element: what one pass takes for text, the one before it may know.
        self._passes = [_Pass(start), *self._passes[:1]]
        self._passes[0].follow(window.buffer, window.position)

    def _take(self, raw: bytes, end: int, broken: str | None) -> Element:
        element = self._of(raw, broken)
        self._at = end
        return element

    def _rest(self, reason: str) -> Element:
        """Everything up to the end of the file; raw is its beginning."""
        window = self._window
        element = self._of(window.buffer[self._at : self._at + self._limit], reason)
        while window.buffer or not window.final:
            self._at = len(window.buffer)
            self._read(_READ_BYTES)
        return element


def _end_of(buffer: bytes, start: int) -> int | None:
    """Where the element ends that begins there; None where its end is not in the buffer."""
    if buffer[start : start + 1] not in (b"{", b"["):
        match = _SCALAR.match(buffer, start)
        # A stray bracket or quote is an element of its own, so that the scan goes on behind it.
        return match.end() if match else start + 1
    depth = 0
    position = start
    while match := _TO_BRACKET.match(buffer, position):
        depth += 1 if match[1] in b"{[" else -1
        position = match.end()
        if depth == 0:
            return position
    return None
