"""Sort the physical lines of a window: proven records, lines that are no record, lines to look at closely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.extract.reader.dialect import CR, LF, Dialect
from cloud_etl.extract.reader.quotes import Quotes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]


class Line(IntEnum):
    """What a physical line is.

    RECORD begins a proven record, and SPANNED belongs to one that began above; TAKEN and CONTINUED are the same for
    records that were looked at closely. NOTHING is a blank line.
    """

    RECORD = 0
    NOTHING = 1
    DOUBTFUL = 2
    TAKEN = 3
    CONTINUED = 4
    SPANNED = 5
    COMMENT = 6


@dataclass(frozen=True, slots=True)
class Lines:
    """The physical lines of a window.

    Attributes:
        starts: offset of each line.
        ends: offset of each line's LF.
        kinds: a Line for each.
        spans: doubtful lines that begin a proven record over several lines, each with its last line.
    """

    starts: Places
    ends: Places
    kinds: NDArray[np.uint8]
    spans: dict[int, int] = field(default_factory=dict)

    def take_spans(self, begins: Sequence[int]) -> None:
        """Mark the lines of spans that are taken as they are."""
        first = np.array(begins, dtype=np.int64)
        last = np.array([self.spans[number] for number in begins], dtype=np.int64)
        self.kinds[first] = Line.RECORD
        while len(first := first + 1):
            first, last = first[first <= last], last[first <= last]
            self.kinds[first] = Line.SPANNED


# Lines looked at in one go: those of a few bytes cost many times their text.
WINDOW_LINES = 1 << 17


def line_ends(window: bytes) -> Places:
    """Offset of each LF."""
    return np.flatnonzero(np.frombuffer(window, dtype=np.uint8) == LF)


def is_plain(window: bytes, ends: Places, dialect: Dialect, width: int) -> bool:
    """Whether every line is a record that pyarrow splits right, proven by the bytes that do not occur.

    Without a quote or an escape nothing protects a delimiter or a line end: only the field count is left to check.
    """
    carriage = b"\r" in window
    if carriage and (dialect.cr_file or window.count(b"\r") != window.count(b"\r\n")):
        return False
    if any(mark is not None and mark in window for mark in (dialect.quote, dialect.escape)):
        return False
    if b"\0" in window or not is_text(window):
        return False
    if dialect.comment is not None and dialect.comment in window:
        return False
    lengths = np.diff(ends, prepend=-1) - 1
    # A line of one byte is looked at closely where it may be a lone CR.
    shortest = -1 if width == 1 else int(carriage)
    return bool(lengths.max() <= dialect.max_record_bytes and lengths.min() > shortest)


def is_text(window: bytes) -> bool:
    """Whether the bytes are valid UTF-8."""
    if window.isascii():
        return True
    import pyarrow as pa

    value = pa.py_buffer(window)
    offsets = pa.py_buffer(np.array([0, len(window)], dtype=np.int32))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, offsets, value]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def line_starts(ends: Places) -> Places:
    """Offset of each line, from the offsets of their LF."""
    starts = np.empty_like(ends)
    if len(ends):
        starts[0] = 0
        np.add(ends[:-1], 1, out=starts[1:])
    return starts


def sort_lines(window: bytes, ends: Places, dialect: Dialect, columns: NDArray[np.bool_]) -> Lines:
    """Sort the lines of a window that ends with LF; columns says of each field of a record whether it holds text."""
    data = np.frombuffer(window, dtype=np.uint8)
    starts = line_starts(ends)
    lines = Lines(starts, ends, np.zeros(len(ends), dtype=np.uint8))
    _mark_bytes(window, data, lines)
    _mark_carriage_returns(window, data, lines, dialect)
    if dialect.escape is not None and dialect.escape in window:
        _mark(lines, np.flatnonzero(data == dialect.escape[0]), Line.DOUBTFUL)
    lines.kinds[ends - starts > dialect.max_record_bytes] = Line.DOUBTFUL
    _mark_quotes(window, data, lines, dialect, columns)
    if len(columns) > 1:
        _mark_blank(data, lines, dialect)
    _mark_comments(window, data, lines, dialect)
    return lines


def _mark(lines: Lines, places: Places, kind: Line) -> None:
    lines.kinds[np.searchsorted(lines.ends, places)] = kind


def _mark_quotes(
    window: bytes, data: NDArray[np.uint8], lines: Lines, dialect: Dialect, columns: NDArray[np.bool_]
) -> None:
    if dialect.quote is None or dialect.quote not in window:
        return
    if not dialect.simple:
        _mark(lines, np.flatnonzero(data == dialect.quote[-1]), Line.DOUBTFUL)
        return
    quotes = Quotes(data, lines.starts, lines.ends, dialect)
    unsafe = lines.kinds == Line.DOUBTFUL
    lines.kinds[quotes.faulty()] = Line.DOUBTFUL
    if len(columns) > 1 and not dialect.cr_file:
        lines.spans.update(quotes.spans(window, unsafe, columns))


def _mark_bytes(window: bytes, data: NDArray[np.uint8], lines: Lines) -> None:
    if b"\0" in window:
        _mark(lines, np.flatnonzero(data == 0), Line.DOUBTFUL)
    if not is_text(window):
        for number in np.unique(np.searchsorted(lines.ends, np.flatnonzero(data >= 0x80))):
            if not is_text(window[lines.starts[number] : lines.ends[number]]):
                lines.kinds[number] = Line.DOUBTFUL


def _mark_carriage_returns(window: bytes, data: NDArray[np.uint8], lines: Lines, dialect: Dialect) -> None:
    if b"\r" not in window:
        return
    places = np.flatnonzero(data == CR)
    if not dialect.cr_file:
        places = places[data[places + 1] != LF]
    _mark(lines, places, Line.DOUBTFUL)


def _mark_blank(data: NDArray[np.uint8], lines: Lines, dialect: Dialect) -> None:
    length = lines.ends - lines.starts
    blank = length == 0
    if not dialect.cr_file:
        blank |= (length == 1) & (data[lines.starts] == CR)
    lines.kinds[blank] = Line.NOTHING


def _mark_comments(window: bytes, data: NDArray[np.uint8], lines: Lines, dialect: Dialect) -> None:
    comment = dialect.comment
    if comment is None or comment not in window:
        return
    is_comment = lines.ends - lines.starts >= len(comment)
    for shift, byte in enumerate(comment):
        is_comment &= data[np.minimum(lines.starts + shift, len(data) - 1)] == byte
    lines.kinds[is_comment] = Line.COMMENT
