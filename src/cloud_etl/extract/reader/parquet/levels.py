"""How many values of a nested column a single row has at most, from its levels of repetition."""

from __future__ import annotations

import numpy as np


class LongestRow:
    """Counts values from one row to the next, over the pages of a chunk.

    Attributes:
        values: of the longest row so far.
    """

    def __init__(self, most_repeated: int) -> None:
        """Store the largest level that there is."""
        self._bits = most_repeated.bit_length()
        self._open = 0
        self.values = 0

    def add_unknown(self, values: int) -> None:
        """Take values of which nothing is known: they may all be in one row."""
        self._continue(values)

    def add(self, levels: bytes, values: int) -> None:
        """Take the levels of a page: runs of one level, and groups of eight of many.

        Raises:
            ValueError: they break off.
        """
        position = 0
        while values > 0:
            head, position = _varint(levels, position)
            if head & 1:
                count, size = (head >> 1) * 8, (head >> 1) * self._bits
                packed = np.frombuffer(levels[position : position + size], np.uint8)
                position += size
                self._take_groups(packed, min(count, values))
            else:
                count, size = head >> 1, (self._bits + 7) // 8
                repeats = any(levels[position : position + size])
                position += size
                if repeats:
                    self._continue(min(count, values))
                elif count:
                    # Each of them begins a row.
                    self._continue(0)
                    self._open = 1
                    self._continue(0)
            if not count:
                raise ValueError("a run of no levels")
            values -= count

    def _continue(self, values: int) -> None:
        self._open += values
        self.values = max(self.values, self._open)

    def _take_groups(self, packed: np.ndarray[tuple[int], np.dtype[np.uint8]], count: int) -> None:
        levels = np.unpackbits(packed, bitorder="little").reshape(-1, self._bits)[:count]
        if len(levels) < count:
            raise ValueError("levels that break off")
        begins = np.flatnonzero(~levels.any(axis=1))
        if not len(begins):
            self._continue(count)
            return
        self._continue(int(begins[0]))
        self.values = max(self.values, int(np.diff(begins).max(initial=0)))
        self._open = 0
        self._continue(count - int(begins[-1]))


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("levels that break off")
