"""Find the elements of a JSON array in a stream, without parsing them and without holding the array."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cloud_etl.extract.reader.windows import Window

_BLANK = re.compile(rb"[ \t\r\n]*+")
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]|\\.)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL)
_SCALAR = re.compile(rb'(?:"(?:[^"\\]|\\.)*+"|[^",\]\[{}])++', re.DOTALL)
_READ_BYTES = 1 << 20


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


class ArrayScanner:
    """Cuts an array into its elements.

    An element whose brackets or quotes do not match ends before the next line that begins as its own did (same
    indentation, same bracket); where there is none, the rest of the file is one broken element.
    """

    def __init__(self, window: Window, max_record_bytes: int, is_json: Callable[[bytes], bool]) -> None:
        """Store the window, which stands before the opening bracket."""
        self._window = window
        self._limit = max_record_bytes
        self._is_json = is_json

    def elements(self) -> Iterator[Element]:
        """The elements in order; what cannot be an element comes as a broken one."""
        window = self._window
        self._skip_blank()
        window.advance(1)
        number = 0
        while self._skip_blank():
            byte = window.buffer[:1]
            if byte == b"]":
                window.advance(1)
                if self._skip_blank():
                    yield replace(self._rest("text follows the end of the array"), line=number + 1)
                return
            if byte == b",":
                window.advance(1)
                continue
            number += 1
            yield replace(self._element(), line=number)
        yield Element(number + 1, window.position, b"", "the array is not closed")

    def _skip_blank(self) -> bool:
        """Whether there is anything behind the blanks."""
        window = self._window
        while True:
            match = _BLANK.match(window.buffer)
            window.advance(match.end() if match else 0)
            if window.buffer:
                return True
            if window.final:
                return False
            window.fill(_READ_BYTES)

    def _element(self) -> Element:
        window = self._window
        size = _READ_BYTES
        while True:
            end = _end_of(window.buffer)
            if end is not None and (end < len(window.buffer) or window.final):
                break
            if window.final or len(window.buffer) > self._limit:
                return self._broken()
            window.fill(max(size, 2 * len(window.buffer)))
        raw = window.buffer[:end]
        if self._next_like(raw) and not self._is_json(raw):
            return self._broken()
        return self._take(end, None)

    def _next_like(self, text: bytes) -> int:
        """Offset of the next line that begins with a bracket in the first column of its kind, or 0."""
        match = re.search(rb",[ \t\r]*\n[ \t]*(?=" + re.escape(text[:1]) + rb")", text)
        return match.end() if match and text[:1] in (b"{", b"[") else 0

    def _broken(self) -> Element:
        end = self._next_like(self._window.buffer[: self._limit])
        if not end:
            return self._rest("the element is not closed")
        raw = self._window.buffer[:end].rstrip(b" \t\r\n,")
        element = self._take(end, "the element is not closed")
        return Element(element.line, element.position, raw, element.broken)

    def _take(self, end: int, broken: str | None) -> Element:
        window = self._window
        raw = window.buffer[:end].rstrip(b" \t\r\n")
        element = Element(window.line, window.position, raw, broken)
        window.advance(end)
        return element

    def _rest(self, reason: str) -> Element:
        """Everything up to the end of the file; raw is its beginning."""
        window = self._window
        element = Element(window.line, window.position, window.buffer[: self._limit].rstrip(b" \t\r\n"), reason)
        while window.buffer or not window.final:
            window.advance(len(window.buffer))
            window.fill(_READ_BYTES)
        return element


def _end_of(buffer: bytes) -> int | None:
    """Where the element ends that begins the buffer; None where its end is not in the buffer."""
    if buffer[:1] not in (b"{", b"["):
        match = _SCALAR.match(buffer)
        # A stray bracket or quote is an element of its own, so that the scan goes on behind it.
        return match.end() if match else 1
    depth = 0
    position = 0
    while match := _TO_BRACKET.match(buffer, position):
        depth += 1 if match[1] in b"{[" else -1
        position = match.end()
        if depth == 0:
            return position
    return None
