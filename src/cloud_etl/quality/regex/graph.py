"""What can be reached in a graph, and where it goes round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

Graph = Mapping[int, AbstractSet[int]]


def reached(begins: Iterable[int], follow: Graph, within: AbstractSet[int] | None = None) -> set[int]:
    """States that come after some, by way of those within a set alone where one is given."""
    waiting, seen = list(begins), set[int]()
    while waiting:
        for one in follow[waiting.pop()]:
            if one not in seen and (within is None or one in within):
                seen.add(one)
                waiting.append(one)
    return seen


def loops(follow: Graph) -> list[frozenset[int]]:
    """States that can be reached from themselves, those that reach one another together."""
    numbers = {state: number for number, state in enumerate(follow)}
    reach = {state: sum(1 << numbers[end] for end in ends) for state, ends in follow.items()}
    for middle, number in numbers.items():
        for state, known in reach.items():
            if known >> number & 1:
                reach[state] = known | reach[middle]
    found: list[frozenset[int]] = []
    taken = set[int]()
    for state, number in numbers.items():
        if state not in taken and reach[state] >> number & 1:
            found.append(
                frozenset(one for one, at in numbers.items() if reach[state] >> at & 1 and reach[one] >> number & 1)
            )
            taken |= found[-1]
    return found
