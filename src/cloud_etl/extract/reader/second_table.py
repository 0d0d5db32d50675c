"""Notice where another table begins inside a file: at a repeated header, or at another header below a blank line.

A header of the same width is a row of words as well, so that the rows below it must show that its columns are others.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.extract.reader.careful import NeedsMoreError, Parsed, parse_record
from cloud_etl.extract.reader.csv_header import Head
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.header import folded
from cloud_etl.extract.reader.scan import Line, Lines, line_starts
from cloud_etl.extract.reader.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE_BYTES = 1 << 16
_SAMPLE_RECORDS = 5
# The line below a gap and some of those that follow it.
_TABLE_LINES = 6
# So many must be of another width; two of the same one must stand below a header, three where they are words as it is.
_OTHER_LINES, _BELOW_DIGITS, _BELOW_WORDS = 3, 2, 3
_OPENING_BYTES = 64
# One column of words below numbers may be an odd code; two are names.
_NUMERIC_COLUMNS = 2
# A file with more gaps than this is double-spaced rather than made of tables.
_GAPS_LOOKED_AT = 200
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"[+-]?[\d., ]*\d[\d., ]*")
# A name has a letter, and is all text.
_NAME = re.compile(r"[^\x00-\x1f\x7f]*[^\W\d_][^\x00-\x1f\x7f]*")
# What stands for a number that is missing.
_MISSING = frozenset(("", "-", "?", "n/a", "na", "nan", "nil", "none", "null", "missing", "tba", "tbd", "unknown"))


class SecondTable:
    """Watches the records of one file.

    Attributes:
        found: the refusal for all records from there on, once another table has begun.
    """

    def __init__(self, head: Head, window: Window) -> None:
        """Keep the header and the first text below it."""
        self._names = head.names
        self._width = head.layout.width
        self._window = window
        self._first_text = window.buffer[:_SAMPLE_BYTES]
        self._watching = bool(head.names) and head.layout.refusal is None
        self._openings = _openings(tuple(head.names), window.dialect)
        self._gaps = 0
        self._sample: list[list[str | None]] | None = None
        self.found: tuple[RejectCode, str, str | None] | None = None

    def repeated_in(self, text: bytes, ends: NDArray[np.int64]) -> list[int]:
        """Numbers of the lines of a one-column file that read like its header: a value may well do so."""
        if not self._watching or len(self._names) > 1:
            return []
        starts = line_starts(ends)
        return [number for number in self._candidates(text, starts) if self._is_header(text, int(starts[number]))]

    def stop(self) -> None:
        """Watch no longer."""
        self.found = None
        self._watching = False

    def find_in_plain(self, text: bytes, ends: NDArray[np.int64]) -> int:
        """Number of the line at which another table begins in lines that are all records, else how many there are."""
        if not self._watching or len(self._names) == 1:
            return len(ends)
        starts = line_starts(ends)
        for number in self._candidates(text, starts):
            if self._is_header(text, int(starts[number])):
                self._begin(number)
                return number
        return len(ends)

    def find(self, text: bytes, lines: Lines, last: int, complete: bool) -> int:
        """Number of the line at which another table begins, or from which more text must be seen, else last."""
        if not self._watching:
            return last
        for number in self._candidates(text, lines.starts) if len(self._names) > 1 else ():
            is_start = number < last and lines.kinds[number] in (Line.RECORD, Line.TAKEN)
            if is_start and self._is_header(text, int(lines.starts[number])):
                last, complete = number, True
                self._begin(number)
                break
        return self._find_gap(text, lines, last, complete)

    def _begin(self, number: int) -> None:
        message = f"a second table begins on line {self._window.line + number}; split the file"
        self.found = (RejectCode.SECOND_TABLE, message, None)

    def _candidates(self, text: bytes, starts: NDArray[np.int64]) -> list[int]:
        """Numbers of the lines that begin like the header."""
        data = np.frombuffer(text, dtype=np.uint8)
        first = data[starts]
        found: set[int] = set()
        for byte, openings in self._openings.items():
            begins = np.flatnonzero(first == byte)
            for opening in openings if len(begins) else ():
                found.update(_beginning_with(opening, data, starts, begins))
        return sorted(found)

    def _is_header(self, text: bytes, start: int) -> bool:
        start += len(BOM_UTF8) if text.startswith(BOM_UTF8, start) else 0
        names = [name or "" for name in self._fields(text, start) or ()]
        if len(self._names) == 1:
            return names == self._names
        return [folded(name) for name in names] == [folded(name) for name in self._names]

    def _fields(self, text: bytes, start: int) -> list[str | None] | None:
        try:
            parsed = parse_record(text, start, self._window.dialect, None, True)
        except NeedsMoreError:
            return None
        return parsed.fields if isinstance(parsed, Parsed) else None

    def _find_gap(self, text: bytes, lines: Lines, last: int, complete: bool) -> int:
        kinds = lines.kinds[:last]
        blank = kinds == Line.NOTHING
        records = np.flatnonzero((kinds == Line.RECORD) | (kinds == Line.TAKEN))
        first_blank = blank & ~np.concatenate(([False], blank))[:last]
        for gap in np.flatnonzero(first_blank).tolist():
            if self._gaps >= _GAPS_LOOKED_AT:
                break
            below = records[np.searchsorted(records, gap) :][:_TABLE_LINES]
            if len(below) < _TABLE_LINES and not complete:
                return int(gap)
            self._gaps += 1
            # Lines of one table stand below one another; in a double-spaced file none do.
            together = below[: int(np.argmin(np.append(_are_joined(kinds, below), False))) + 1]
            rows = [self._fields(text, int(lines.starts[number])) for number in together]
            if len(rows) > 1 and self._is_table(rows):
                self._begin(int(below[0]))
                return int(below[0])
        return last

    def _is_table(self, rows: list[list[str | None] | None]) -> bool:
        """Whether lines below a gap begin another table: all of another width, or with a header of their own."""
        width = len(rows[0] or ())
        if width < 2:
            return False
        if width != self._width:
            return all(row is not None and len(row) == width for row in rows[:_OTHER_LINES])
        first, *others = ([cell or "" for cell in row] for row in rows if row is not None and len(row) == width)
        return len(others) == len(rows) - 1 and self._is_header_of(first, others)

    def _is_header_of(self, names: list[str], rows: list[list[str]]) -> bool:
        """Whether a row is a header and no record, by the records above it and the rows below it.

        It is when its words are names, none of them a value of its column; when they stand where numbers stand above,
        twice at least; and when the rows below have words where the records above have numbers, or the other way round.
        """
        if len(set(names)) < len(names) or any(_DIGIT.match(name) or not _NAME.fullmatch(name) for name in names):
            return False
        above = [[cell or "" for cell in row] for row in self._samples()]
        columns = list(zip(names, zip(*above, strict=True), zip(*rows, strict=True), strict=True))
        if any(name.casefold() in _MISSING or name in (*before, *behind) for name, before, behind in columns):
            return False
        numeric = [name for name, before, _ in columns if all(map(_DIGIT.search, before))]
        if len(numeric) < _NUMERIC_COLUMNS or any(map(_DIGIT.search, numeric)):
            return False
        numbers_below = any(all(map(_DIGIT.search, behind)) for _, _, behind in columns)
        enough = len(rows) >= (_BELOW_DIGITS if numbers_below else _BELOW_WORDS)
        return enough and any(_differ(before, behind) for _, before, behind in columns)

    def _samples(self) -> list[list[str | None]]:
        """The first records of the file, by which a header is told from data."""
        if self._sample is None:
            self._sample = []
            text, start = self._first_text[: self._first_text.rfind(b"\n") + 1], 0
            while start < len(text) and len(self._sample) < _SAMPLE_RECORDS:
                if text.startswith((b"\n", b"\r\n"), start):
                    break
                fields = self._fields(text, start)
                if fields is not None and len(fields) == self._width:
                    self._sample.append(fields)
                start = text.find(b"\n", start) + 1
        return self._sample or [[None] * self._width]


def _differ(above: Sequence[str], below: Sequence[str]) -> bool:
    """Whether all values of a column hold digits above and none does below, or none does above and all are numbers."""
    before, behind = ([cell for cell in cells if cell.casefold() not in _MISSING] for cells in (above, below))
    if not before or not behind:
        return False
    if all(map(_DIGIT.search, before)):
        return not any(map(_DIGIT.search, behind))
    return not any(map(_DIGIT.search, before)) and all(map(_NUMBER.fullmatch, behind))


def _are_joined(kinds: NDArray[np.uint8], numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each record but the last, whether no blank line stands between it and the next."""
    blank = np.concatenate(([0], np.cumsum(kinds == Line.NOTHING)))
    joined: NDArray[np.bool_] = np.diff(blank[numbers]) == 0
    return joined


def _beginning_with(
    opening: bytes, data: NDArray[np.uint8], starts: NDArray[np.int64], numbers: NDArray[np.int64]
) -> list[int]:
    """Of the lines those that begin so; the first byte of it is theirs already."""
    for shift, byte in enumerate(opening[1:_OPENING_BYTES], 1):
        if not len(numbers):
            break
        numbers = numbers[data[np.minimum(starts[numbers] + shift, len(data) - 1)] == byte]
    found: list[int] = numbers.tolist()
    return found


@lru_cache(maxsize=16)
def _openings(names: tuple[str, ...], dialect: Dialect) -> Mapping[int, list[bytes]]:
    """How a line must begin to be worth parsing as a repeated header, by its first byte."""
    if not names:
        return {}
    quote = dialect.quote or b""
    if len(names) == 1:
        texts = {names[0].encode(), quote + names[0].encode() + quote}
    else:
        # As `folded` takes names for the same: in other case, and with a blank before or behind it.
        name = names[0].strip()
        forms = {names[0], name, name.lower(), name.upper(), name.capitalize(), name.title()}
        texts = {
            before + one.encode() + behind + dialect.delimiter
            for one in forms
            for before, behind in ((b"", b""), (b" ", b""), (b"", b" "), (b" ", b" "), (quote, quote))
        }
    found: dict[int, list[bytes]] = {}
    for text in sorted(filter(None, texts | {BOM_UTF8 + text for text in texts})):
        found.setdefault(text[0], []).append(text)
    return found
