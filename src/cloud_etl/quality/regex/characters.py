"""The characters that one item of a pattern reads, as ranges and as bits."""

from __future__ import annotations

import re._constants as op  # type: ignore[import-not-found]  # typeshed has no re._constants
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_EVERY = (0, 0x10FFFF)
_CLASSES = {
    op.CATEGORY_DIGIT: ((48, 57),),
    op.CATEGORY_SPACE: ((9, 13), (32, 32)),
    op.CATEGORY_WORD: ((48, 57), (65, 90), (95, 95), (97, 122)),
}
_NEGATED = {
    op.CATEGORY_NOT_DIGIT: op.CATEGORY_DIGIT,
    op.CATEGORY_NOT_SPACE: op.CATEGORY_SPACE,
    op.CATEGORY_NOT_WORD: op.CATEGORY_WORD,
}
Ranges = tuple[tuple[int, int], ...]


def ranges_of(code: Any, value: Any, fold: bool) -> Ranges:
    """The characters that one item of a pattern reads."""
    if code is op.ANY:
        return (_EVERY,)
    if code is op.NOT_LITERAL:
        return _others(((value, value),))
    if code is op.IN:
        negated = value[0][0] is op.NEGATE
        found = tuple(one for item in value[negated:] for one in ranges_of(item[0], item[1], fold))
        return _others(found) if negated else found
    if code is op.CATEGORY:
        return _others(_CLASSES[_NEGATED[value]]) if value in _NEGATED else _CLASSES[value]
    low, high = (value, value) if code is op.LITERAL else value
    return tuple(_folded(low, high)) if fold else ((low, high),)


def _folded(low: int, high: int) -> Iterator[tuple[int, int]]:
    yield low, high
    for begin, end, shift in ((65, 90, 32), (97, 122, -32)):
        if low <= end and high >= begin:
            yield max(low, begin) + shift, min(high, end) + shift


def _others(ranges: Ranges) -> Ranges:
    found, begin = [], 0
    for low, high in sorted(ranges):
        if low > begin:
            found.append((begin, low - 1))
        begin = max(begin, high + 1)
    return (*found, (begin, _EVERY[1])) if begin <= _EVERY[1] else tuple(found)


def masks_of(states: Sequence[Ranges]) -> list[int]:
    """Ranges as masks, one bit for each piece of the alphabet that none of them tells apart."""
    kinds = list(dict.fromkeys(states))
    cuts = sorted({edge for ranges in kinds for low, high in ranges for edge in (low, high + 1)})
    place = {cut: number for number, cut in enumerate(cuts)}
    masks = {}
    for ranges in kinds:
        masks[ranges] = 0
        for low, high in ranges:
            masks[ranges] |= (1 << place[high + 1]) - (1 << place[low])
    return [masks[ranges] for ranges in states]


def union_of(masks: Iterable[int]) -> int:
    """All bits that any of them has."""
    found = 0
    for mask in masks:
        found |= mask
    return found
