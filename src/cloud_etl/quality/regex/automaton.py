"""The automaton of a pattern, by which its ways through a text can be counted."""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found]  # typeshed has no re._constants
import re._parser as parser  # type: ignore[import-not-found]  # alike; there is no public parser
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cloud_etl.quality.regex.ambiguity import ENDLESS, Choice, TooLargeError
from cloud_etl.quality.regex.characters import Ranges, masks_of, ranges_of, union_of

# A repeat of exact length is written out so far; beyond, it counts as one without an end.
_WRITTEN_OUT = 128
_MOST_STATES = 2000
# What Sail builds of a pattern, with every repeat written out, has a bound as well.
_MOST_EXPANDED = 5000
_MOST_CHOICES = 200
_DEEPEST = 100
# The parser folds alternatives that begin alike, which hides that they do; an empty group before each keeps them apart.
_BAR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\|)", re.DOTALL)


@dataclass(slots=True)
class _Part:
    """A part of a pattern: where it begins and ends, and whether it can be empty."""

    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()
    states: frozenset[int] = frozenset()
    empty: bool = True
    expanded: int = 0


@dataclass(slots=True)
class Automaton:
    """Glushkov's automaton: a state for each character of the pattern, an edge where one may follow another.

    Attributes:
        follow: the states after each.
        twice: edges that two different readings of the pattern make.
    """

    follow: dict[int, set[int]] = field(default_factory=dict)
    twice: set[tuple[int, int]] = field(default_factory=set)
    _ranges: list[Ranges] = field(default_factory=list)
    _repeats: list[Choice] = field(default_factory=list)
    _branches: list[list[_Part]] = field(default_factory=list)
    _depth: int = 0

    @classmethod
    def of(cls, pattern: str) -> Automaton:
        """The automaton of what Python's parser reads.

        Raises:
            TooLargeError: it is larger than what a person writes.
            RecursionError: it is nested too deeply.
        """
        tree = parser.parse(_BAR.sub(lambda bar: bar[0] + ("()" if bar[1] else ""), pattern))
        made = cls()
        made._sequence(tree, bool(tree.state.flags & op.SRE_FLAG_IGNORECASE))
        return made

    @property
    def masks(self) -> dict[int, int]:
        """The characters of each state, one bit for each piece of the alphabet that no state tells apart."""
        return dict(enumerate(masks_of(self._ranges)))

    @property
    def choices(self) -> list[Choice]:
        """The parts that can read one text in several ways."""
        masks = masks_of(self._ranges)
        made = list(self._repeats)
        for parts in self._branches:
            begins = [union_of(masks[one] for one in part.first) for part in parts]
            alike = max(sum(bool(one & other) for other in begins) for one in begins)
            alike += any(part.empty for part in parts)
            made.append(Choice(frozenset().union(*(part.states for part in parts)), alike))
        return [one for one in made if one.states]

    def _sequence(self, items: Iterable[tuple[Any, Any]], fold: bool) -> _Part:
        whole = _Part()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise RecursionError
        for code, value in items:
            whole = self._joined(whole, self._item(code, value, fold))
        self._depth -= 1
        return whole

    def _item(self, code: Any, value: Any, fold: bool) -> _Part:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            return self._repeat(value[2], value[0], value[1], fold)
        if code is op.GROUPREF:
            return self._repeat([(op.ANY, None)], 0, op.MAXREPEAT, fold)
        if code in (op.BRANCH, op.GROUPREF_EXISTS):
            return self._either(
                [self._sequence(one or (), fold) for one in (value[1] if code is op.BRANCH else value[1:])]
            )
        if code in (op.SUBPATTERN, op.ATOMIC_GROUP, op.ASSERT, op.ASSERT_NOT):
            folded = fold or (code is op.SUBPATTERN and bool(value[1] & op.SRE_FLAG_IGNORECASE))
            part = self._sequence(value if code is op.ATOMIC_GROUP else value[-1], folded)
            # What looks round reads what others read as well: as if it stood beside them.
            return _Part() if code in (op.ASSERT, op.ASSERT_NOT) else part
        return _Part() if code is op.AT else self._state(ranges_of(code, value, fold))

    def _state(self, ranges: Ranges) -> _Part:
        state = len(self._ranges)
        if state >= _MOST_STATES:
            raise TooLargeError
        self._ranges.append(ranges)
        self.follow[state] = set()
        return _Part(frozenset({state}), frozenset({state}), frozenset({state}), empty=False, expanded=1)

    def _either(self, parts: list[_Part]) -> _Part:
        self._choose()
        self._branches.append(parts)
        first = frozenset[int]().union(*(one.first for one in parts))
        last = frozenset[int]().union(*(one.last for one in parts))
        states = frozenset[int]().union(*(one.states for one in parts))
        return _Part(first, last, states, any(one.empty for one in parts), sum(one.expanded for one in parts))

    def _joined(self, one: _Part, other: _Part) -> _Part:
        self._link(one.last, other.first)
        first = one.first | other.first if one.empty else one.first
        last = one.last | other.last if other.empty else other.last
        expanded = _bounded(one.expanded + other.expanded)
        return _Part(first, last, one.states | other.states, one.empty and other.empty, expanded)

    def _repeat(self, body: Iterable[tuple[Any, Any]], least: int, most: Any, fold: bool) -> _Part:
        if most == 0:
            return _Part()
        part = self._sequence(body, fold)
        endless = most is op.MAXREPEAT
        expanded = _bounded(part.expanded * (max(least, 1) if endless else int(most)))
        empty = part.empty or least == 0
        if part.empty and most != 1 and (least > 1 or not endless):
            # It goes round on nothing, so any of its rounds may be the one that reads.
            self.twice.update((begin, end) for begin in part.last for end in part.first)
        if least != most:
            self._choose()
            self._repeats.append(Choice(part.states, ENDLESS if endless else min(ENDLESS, int(most) - least + 1)))
        if most != 1 and (least != most or part.expanded * least > _WRITTEN_OUT):
            self._link(part.last, part.first)
        elif least > 1:
            for _ in range(least - 1):
                part = self._joined(part, self._sequence(body, fold))
        return _Part(part.first, part.last, part.states, empty, expanded)

    def _choose(self) -> None:
        if len(self._repeats) + len(self._branches) >= _MOST_CHOICES:
            raise TooLargeError

    def _link(self, begins: Iterable[int], ends: frozenset[int]) -> None:
        for begin in begins:
            self.twice.update((begin, end) for end in ends & self.follow[begin])
            self.follow[begin] |= ends


def _bounded(expanded: int) -> int:
    if expanded > _MOST_EXPANDED:
        raise TooLargeError
    return expanded
