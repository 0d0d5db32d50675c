"""Notice where another table begins inside a file: at a repeated header, or at another header below a blank line."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.extract.reader.careful import NeedsMoreError, Parsed, parse_record
from cloud_etl.extract.reader.csv_header import Head
from cloud_etl.extract.reader.scan import Line, Lines, line_starts
from cloud_etl.extract.reader.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE_BYTES = 1 << 16
_SAMPLE_RECORDS = 5
_TABLE_LINES = 3
_OPENING_BYTES = 64
# One column of words below numbers may be an odd code; two are names.
_NUMERIC_COLUMNS = 2
# A file with more gaps than this is double-spaced rather than made of tables.
_GAPS_LOOKED_AT = 200
_DIGIT = re.compile(r"\d")


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
        self._openings = _openings(head.names, window)
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
        for opening in self._openings:
            numbers = np.flatnonzero(first == opening[0])
            for shift, byte in enumerate(opening[1:_OPENING_BYTES], 1):
                if not len(numbers):
                    break
                numbers = numbers[data[np.minimum(starts[numbers] + shift, len(data) - 1)] == byte]
            found.update(numbers.tolist())
        return sorted(found)

    def _is_header(self, text: bytes, start: int) -> bool:
        start += len(BOM_UTF8) if text.startswith(BOM_UTF8, start) else 0
        return [name or "" for name in self._fields(text, start) or ()] == self._names

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
            if len(below) and self._is_table([self._fields(text, int(lines.starts[number])) for number in below]):
                self._begin(int(below[0]))
                return int(below[0])
        return last

    def _is_table(self, rows: list[list[str | None] | None]) -> bool:
        """Whether lines below a gap begin another table: of another width, or with a header of their own."""
        first = rows[0]
        if first is None or len(first) < 2:
            return False
        if len(first) != self._width:
            return len(rows) > 1 and all(row is not None and len(row) == len(first) for row in rows)
        words = [word or "" for word in first]
        if len(rows) < 2 or not all(words) or len(set(words)) < len(words):
            return False
        if any(_DIGIT.match(word) for word in words):
            return False
        numeric = [
            word
            for place, word in enumerate(words)
            if all(_DIGIT.search(sample[place] or "") for sample in self._samples())
        ]
        return len(numeric) >= _NUMERIC_COLUMNS and not any(_DIGIT.search(word) for word in numeric)

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


def _openings(names: list[str], window: Window) -> list[bytes]:
    """How a line must begin to be worth parsing as a repeated header."""
    if not names:
        return []
    dialect = window.dialect
    quote = dialect.quote or b""
    end = dialect.delimiter if len(names) > 1 else b""
    texts = {names[0].encode() + end, quote + names[0].encode() + quote + end}
    return sorted(texts | {BOM_UTF8 + text for text in texts})
