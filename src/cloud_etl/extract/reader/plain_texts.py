"""Which texts of a column are written in the plainest way, told from all their bytes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

_ZERO, _DOT, _MINUS, _COLON, _BLANK, _T = b"0.-: T"
DAY_BYTES, MOMENT_BYTES = len("2024-01-05"), len("2024-01-05 10:00:00")
_DASHES = (4, 7)
_MONTH_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@dataclass(frozen=True, slots=True)
class Texts:
    """The bytes of an array of texts.

    Attributes:
        offsets: where each text begins in `data`, and where the last one ends.
        data: all texts, back to back.
    """

    array: pa.StringArray
    offsets: NDArray[np.int32]
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, array: pa.StringArray) -> Texts:
        """Look into an array; nothing is copied."""
        _, offsets, values = array.buffers()
        ends = np.zeros(1, np.int32) if offsets is None else np.frombuffer(offsets, np.int32)
        ends = ends[array.offset : array.offset + len(array) + 1]
        data = np.zeros(0, np.uint8) if values is None else np.frombuffer(values, np.uint8)
        return cls(array, ends - ends[0], data[ends[0] : ends[-1]])

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Bytes of each text; what a missing one has is nobody's concern."""
        return np.diff(self.offsets)

    def present(self, mask: Mask) -> Mask:
        """Where the mask is true and the text is not missing."""
        return mask if self.array.null_count == 0 else mask & self.array.is_valid().to_numpy(zero_copy_only=False)

    def only(self, mask: Mask) -> pa.StringArray:
        """The same texts, missing where the mask is false; nothing is copied."""
        valid = np.packbits(self.present(mask), bitorder="little")
        buffers = [pa.py_buffer(valid), pa.py_buffer(self.offsets), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.string(), len(self.array), buffers)

    def counts(self, bytes_: Mask) -> NDArray[np.int32]:
        """How many of these bytes each text has."""
        seen = np.zeros(len(bytes_) + 1, np.int32)
        np.cumsum(bytes_, out=seen[1:])
        return np.diff(seen[self.offsets])


Proof = Callable[[Texts], "Mask"]


def holds_any(column: pa.ChunkedArray, needles: bytes) -> bool:
    """Whether any of these bytes occurs in a column of texts."""
    return any(bool((Texts.of(chunk).data == needle).any()) for chunk in column.chunks for needle in needles)


def has_empty(column: pa.ChunkedArray) -> bool:
    """Whether a text is empty, and not missing."""
    for texts in map(Texts.of, column.chunks):
        empty = texts.lengths == 0
        if np.count_nonzero(empty) and texts.present(empty).any():
            return True
    return False


def all_have(column: pa.ChunkedArray, length: int) -> bool:
    """Whether all texts have that many bytes."""
    lengths = pc.min_max(pc.binary_length(column)).as_py()
    return bool(lengths["min"] == lengths["max"] == length)


def longest(column: pa.ChunkedArray) -> int:
    """Bytes of the longest text."""
    return max((int(Texts.of(chunk).lengths.max()) for chunk in column.chunks if len(chunk)), default=0)


def plain_numbers(whole: int, fraction: int) -> Proof:
    """Texts of at most so many digits in front of the point and behind it, a minus at most before them."""

    def proof(texts: Texts) -> Mask:
        lengths = texts.lengths
        filled = lengths > 0
        minus = np.zeros(len(lengths), np.int32)
        minus[filled] = texts.data[texts.offsets[:-1][filled]] == _MINUS
        is_dot = texts.data == _DOT
        dots = texts.counts(is_dot)
        others = texts.counts(texts.data - np.uint8(_ZERO) > 9) - minus - dots
        behind = np.zeros(len(lengths), np.int32)
        single = dots == 1
        behind[single] = texts.offsets[1:][single] - 1 - np.flatnonzero(is_dot)[np.repeat(single, dots)]
        before = lengths - minus - dots - behind
        plain: Mask = (others == 0) & (dots <= 1) & (before <= whole) & (behind <= fraction) & (before + behind > 0)
        return plain

    return proof


def plain_days(texts: Texts) -> Mask:
    """Texts like 2024-01-05, of days that exist."""
    mask, letters = _letters(texts, DAY_BYTES)
    mask[mask] = _are_days(letters)
    return mask


def plain_moments(between: bytes) -> Proof:
    """Texts like 2024-01-05 10:00:00, of moments that exist, with one of these bytes between day and time."""

    def proof(texts: Texts) -> Mask:
        mask, letters = _letters(texts, MOMENT_BYTES)
        fine = _are_days(letters) & (letters[13] == _COLON) & (letters[16] == _COLON)
        fine &= np.isin(letters[10], np.frombuffer(between, np.uint8))
        for place, limit in ((11, 24), (14, 60), (17, 60)):
            fine &= _number(letters, place, 2) < limit
        mask[mask] = fine
        return mask

    return proof


def _letters(texts: Texts, length: int) -> tuple[Mask, NDArray[np.uint8]]:
    """The texts of that length, and their bytes: a row for each place, a column for each text."""
    lengths = texts.lengths
    mask = lengths == length
    data = texts.data if mask.all() else texts.data[np.repeat(mask, lengths)]
    return mask, np.ascontiguousarray(data.reshape(-1, length).T)


def _are_days(letters: NDArray[np.uint8]) -> Mask:
    year, month, day = _number(letters, 0, 4), _number(letters, 5, 2), _number(letters, 8, 2)
    fine: Mask = (letters[_DASHES[0]] == _MINUS) & (letters[_DASHES[1]] == _MINUS)
    fine &= (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1)
    fine &= day <= _MONTH_DAYS[np.where(fine, month, 0)]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    fine &= (month != 2) | (day < 29) | leap
    return fine


def _number(letters: NDArray[np.uint8], place: int, digits: int) -> NDArray[np.int32]:
    """The number written at a place; far above every limit where one of the letters is no digit."""
    number = np.zeros(letters.shape[1], np.int32)
    for letter in letters[place : place + digits]:
        digit = letter - np.uint8(_ZERO)
        number = number * 10 + np.where(digit > 9, 100_000, digit)
    return number
