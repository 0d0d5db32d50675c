"""The quotes of a window, all at once: which lines they leave whole, and which lines they join into one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.extract.reader.dialect import CR, LF, Dialect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Mask = NDArray[np.bool_]

# The careful parser looks at longer records: they are rare, and marking their lines takes a pass for each.
SPAN_LINES = 10


@dataclass
class Quotes:
    """Quotes of a dialect with single bytes and without trimming.

    Attributes:
        starts: offset of each line of the window.
        ends: offset of the LF of each line.
        places: offset of each quote.
        lines: for each quote, the number of its line.
        first: for each line, the number of its first quote.
        counts: for each line, how many it has.
        opens: for each quote, whether it may open a field, by its neighbours.
        doubled: for each quote, whether it may be the second one of a doubled quote.
        closes: for each quote, whether it may close a field or be the first of a doubled one.
    """

    data: NDArray[np.uint8]
    starts: Places
    ends: Places
    dialect: Dialect
    places: Places = field(init=False)
    lines: Places = field(init=False)
    first: Places = field(init=False)
    counts: Places = field(init=False)
    opens: Mask = field(init=False)
    doubled: Mask = field(init=False)
    closes: Mask = field(init=False)

    def __post_init__(self) -> None:
        """Look at every quote and its neighbours; the window ends with LF."""
        quote, delimiter = (self.dialect.quote or b"\n")[0], self.dialect.delimiter[0]
        self.places = np.flatnonzero(self.data == quote)
        self.lines = np.searchsorted(self.ends, self.places)
        self.counts = np.bincount(self.lines, minlength=len(self.starts))
        self.first = np.cumsum(self.counts) - self.counts
        before = self.data[np.maximum(self.places - 1, 0)]
        after = self.data[np.minimum(self.places + 1, len(self.data) - 1)]
        self.opens = (before == delimiter) | (before == LF) | (self.places == 0)
        self.closes = (after == delimiter) | (after == LF) | (after == CR)
        self.doubled = np.zeros(len(self.places), dtype=np.bool_)
        if self.dialect.options.escape == "doubled":
            self.doubled = before == quote
            self.closes |= after == quote

    def faulty(self) -> Mask:
        """Lines in which, taken by themselves, a quote stands where RFC 4180 has none, or one is not closed."""
        number = np.arange(len(self.places)) - self.first[self.lines]
        result: Mask = (self.counts & 1) == 1
        result[self.lines[self._misplaced(slice(None), number)]] = True
        return result

    def _misplaced(self, quotes: Places | slice, number: Places) -> Mask:
        """Quotes that are not what their number in the record makes them, an opening or a closing one."""
        opens = self.opens[quotes] | (self.doubled[quotes] & (number > 0))
        wrong: Mask = np.where((number & 1) == 0, ~opens, ~self.closes[quotes])
        return wrong

    def spans(self, window: bytes, unsafe: Mask, columns: Mask) -> dict[int, int]:
        """Lines that begin a record over several lines which is proven, each with the record's last line.

        What is proven: it begins and ends outside of quotes and no line end in it does, every quote is in its place,
        it has as many fields as the header, only fields of text go over lines, none of its lines has delimiters enough
        to be a record of its own, and it is not too long. The rest is for the careful parser.

        Args:
            window: the text.
            unsafe: lines with bytes that need a closer look, whatever their quotes.
            columns: for each field of a record, whether it holds text.
        """
        odd = np.flatnonzero(self.counts & 1)
        begin, last = odd[:-1], odd[1:]
        fine = (last - begin < SPAN_LINES) & (self.ends[last] - self.starts[begin] <= self.dialect.max_record_bytes)
        # The first quote of most lines that end a record rules them out as a beginning.
        fine &= self.opens[self.first[begin]]
        spans = begin[fine], last[fine]
        spans = _kept(spans, self._free_of(unsafe, *spans))
        spans = _kept(spans, self._well_quoted(*spans))
        begin, last = _kept(spans, self._has_shape(window, spans, columns))
        return dict(zip(begin.tolist(), last.tolist(), strict=True))

    def _free_of(self, unsafe: Mask, begin: Places, last: Places) -> Mask:
        seen = np.concatenate(([0], np.cumsum(unsafe)))
        free: Mask = seen[last + 1] == seen[begin]
        return free

    def _well_quoted(self, begin: Places, last: Places) -> Mask:
        first = self.first[begin]
        counts = self.first[last] + self.counts[last] - first
        offsets = np.cumsum(counts) - counts
        number = np.arange(int(counts.sum())) - np.repeat(offsets, counts)
        wrong = self._misplaced(np.repeat(first, counts) + number, number)
        well: Mask = np.add.reduceat(wrong, offsets, dtype=np.int64) == 0
        return well

    def _has_shape(self, window: bytes, spans: tuple[Places, Places], columns: Mask) -> Mask:
        """As many fields as the header, line ends in text only, and no line that could be a record."""
        begin, last = spans
        start, end = self.starts[begin], self.ends[last] + 1
        data = np.frombuffer(_joined(window, start.tolist(), end.tolist()), dtype=np.uint8)
        offsets = np.concatenate(([0], np.cumsum(end - start)))
        delimiters = data == self.dialect.delimiter[0]
        # Every span has an even number of quotes, so that each begins outside of them.
        quoted = np.bitwise_xor.accumulate((data == (self.dialect.quote or b"\n")[0]).view(np.uint8))
        outside = _sums(delimiters & (quoted == 0))
        line_ends = np.flatnonzero(data == LF)
        lines = last - begin + 1
        first = np.cumsum(lines) - lines
        # The field in which each line ends; the last line of a span ends behind its last field.
        field_ = outside[line_ends] - np.repeat(outside[offsets[:-1]], lines)
        fits: Mask = field_[first + lines - 1] == len(columns) - 1
        in_text = columns[np.minimum(field_, len(columns) - 1)]
        in_text[first + lines - 1] = True
        # Delimiters inside quotes count as well: which quotes are stray is for the careful parser to tell.
        alike = np.diff(_sums(delimiters)[line_ends], prepend=0) >= len(columns) - 1
        if len(first):
            fits &= np.logical_and.reduceat(in_text, first)
            ending = first + lines - 1
            opens = self._opens_behind_a_field(last)
            between = np.add.reduceat(alike, first, dtype=np.int64) - alike[first] - alike[ending]
            fits &= (between == 0) & ~(alike[first] & (alike[ending] | opens))
        return fits

    def _opens_behind_a_field(self, lines: Places) -> Mask:
        """Whether a quote of a line stands behind a delimiter."""
        behind = np.zeros(len(self.starts), dtype=np.bool_)
        before = self.data[np.maximum(self.places - 1, 0)]
        behind[self.lines[before == self.dialect.delimiter[0]]] = True
        found: Mask = behind[lines]
        return found


def _kept(spans: tuple[Places, Places], mask: Mask) -> tuple[Places, Places]:
    return spans[0][mask], spans[1][mask]


def _joined(window: bytes, starts: Sequence[int], ends: Sequence[int]) -> bytes:
    return b"".join([window[start:end] for start, end in zip(starts, ends, strict=True)])


def _sums(mask: Mask) -> Places:
    """How many are true before each place."""
    return np.concatenate(([0], np.cumsum(mask)))
