"""In how many ways an automaton reads one text: whether they double, and how many share it among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cloud_etl.quality.regex.characters import union_of
from cloud_etl.quality.regex.graph import Graph, loops, reached

# A repeat without an end counts as so many lengths: those of a text of some length.
ENDLESS = 100
_MOST_STEPS = 500_000
Pair = tuple[int, int]


class TooLargeError(Exception):
    """The pattern, or what has to be looked at to judge it, is beyond all that a person writes."""


def doubles(follow: Graph, masks: Mapping[int, int], twice: AbstractSet[Pair]) -> bool:
    """Whether a loop comes back to where it was in two ways on one text: each round then doubles the ways.

    Args:
        follow: the states after each.
        masks: the characters of each.
        twice: edges that two readings of the pattern make.

    Raises:
        TooLargeError: it cannot be told with a bounded number of steps.
    """
    return any(
        any(begin in loop and end in loop for begin, end in twice) or _parts_and_meets(loop, follow, masks)
        for loop in loops(follow)
    )


def _parts_and_meets(loop: frozenset[int], follow: Graph, masks: Mapping[int, int]) -> bool:
    """Whether two different states that one text leads to from a state of a loop lead back to one."""
    waiting: list[Pair] = [(one, one) for one in loop]
    seen = set(waiting)
    meets: set[Pair] = set()
    backward: dict[Pair, list[Pair]] = {}
    steps = 0
    while waiting:
        pair = waiting.pop()
        steps += 1 + len(follow[pair[0]]) * len(follow[pair[1]])
        if steps > _MOST_STEPS:
            raise TooLargeError
        for after in _both(pair, loop, follow, masks):
            backward.setdefault(after, []).append(pair)
            if after not in seen:
                seen.add(after)
                waiting.append(after)
        if pair[0] != pair[1]:
            meets.add(pair)
    # Off the diagonal, and from there back to it.
    return bool(meets) and any(one in meets for state in loop for one in backward.get((state, state), ()))


def _both(pair: Pair, loop: frozenset[int], follow: Graph, masks: Mapping[int, int]) -> Iterable[Pair]:
    others = [other for other in follow[pair[1]] if other in loop]
    return [(one, other) for one in follow[pair[0]] if one in loop for other in others if masks[one] & masks[other]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A part of a pattern that can read one text in several ways: a repeat, an option, alternatives that begin alike.

    Attributes:
        states: those of the part.
        ways: how many lengths a repeat has, 2 for an option, else the alternatives that begin alike.
    """

    states: frozenset[int]
    ways: int


def ways(follow: Graph, masks: Mapping[int, int], choices: Iterable[Choice]) -> int:
    """How many ways there are, at most, to share one text among choices that follow one another.

    The first of them counts once: what it takes of a text says what is left for the others.
    """
    known = [choice for choice in choices if choice.ways > 1]
    known.sort(key=lambda choice: (min(choice.states), max(choice.states)))
    after = [reached(choice.states, follow) for choice in known]
    letters = [union_of(masks[one] for one in choice.states) for choice in known]
    most = [1] * len(known)
    for at in reversed(range(len(known))):
        for to in range(at + 1, len(known)):
            if min(known[to].states) > max(known[at].states) and known[to].states & after[at]:
                shared = letters[at] & letters[to]
                within = {state for state in follow if masks[state] & shared}
                passes = bool(shared) and bool(known[to].states & reached(known[at].states, follow, within))
                most[at] = max(most[at], most[to] * (known[to].ways if passes else 1))
    return max(most, default=1)
