"""A glob on paths, matched in time proportional to the path however many stars it has."""

from __future__ import annotations

import re
from collections.abc import Callable

# Longer than any path of a file, or key of an object.
MOST_CHARACTERS = 1024
_PART = re.compile(r"(?P<folders>\*\*/)|(?P<all>\*\*+)|(?P<some>\*)|(?P<one>\?)|\[(?P<set>!?\]?[^\]/]*)\]")
_RANGE = re.compile(r"(.)-(.)|(.)", re.DOTALL)
# Steps that are remembered; the paths below one folder share nearly all of them.
_MOST_REMEMBERED = 20_000
_Reads = Callable[[str], bool]


class Glob:
    """`*` and `?` stay in a folder, `[a-z]` and `[!a-z]` read one character, `**` crosses folders, `**/` also none.

    All ways through the glob are followed at once, as a set of places in it; a regular expression would try them one
    after another, which takes for ever with a dozen stars.
    """

    def __init__(self, glob: str) -> None:
        """Read it.

        Raises:
            ValueError: it is longer than any path.
        """
        if len(glob) > MOST_CHARACTERS:
            raise ValueError(f"the glob has {len(glob):,} characters, and no path has more than {MOST_CHARACTERS:,}")
        # By place in the glob: the characters that are read there with where they lead, and where else it goes without.
        self._moves: list[list[tuple[_Reads, int]]] = []
        self._skips: dict[int, int] = {}
        self._steps: dict[tuple[int, str], int] = {}
        end = 0
        for found in _PART.finditer(glob):
            self._literal(glob[end : found.start()])
            self._wildcard(found)
            end = found.end()
        self._literal(glob[end:])
        self._begin = self._with_skips(1)

    def fits(self, path: str) -> bool:
        """Whether it stands for the whole path."""
        places = self._begin
        for char in path:
            after = self._steps.get((places, char))
            places = self._step(places, char) if after is None else after
            if not places:
                return False
        return bool(places >> len(self._moves) & 1)

    def _step(self, places: int, char: str) -> int:
        """The set of places after a character; sets are bits of a number."""
        found = 0
        for place, moves in enumerate(self._moves):
            if places >> place & 1:
                for reads, after in moves:
                    found |= reads(char) << after
        if len(self._steps) >= _MOST_REMEMBERED:
            self._steps.clear()
        self._steps[places, char] = after = self._with_skips(found)
        return after

    def _with_skips(self, places: int) -> int:
        for place, after in self._skips.items():
            if places >> place & 1:
                places |= 1 << after
        return places

    def _literal(self, text: str) -> None:
        for char in text:
            self._moves.append([(_one_of(char), len(self._moves) + 1)])

    def _wildcard(self, found: re.Match[str]) -> None:
        here, kind, members = len(self._moves), found.lastgroup, found["set"]
        if kind == "folders":
            # Between folders, from where the glob goes on, and within one.
            self._moves += [[(_in_folder, here + 1)], [(_in_folder, here + 1), (_one_of("/"), here)]]
            self._skips[here] = here + 2
        elif kind in ("all", "some"):
            self._moves.append([(_in_folder if kind == "some" else _anything, here)])
            self._skips[here] = here + 1
        elif members in ("", "!"):
            self._literal(found[0])
        else:
            self._moves.append([(_in_folder if kind == "one" else _member_of(members), here + 1)])


def _anything(_: str) -> bool:
    return True


def _in_folder(char: str) -> bool:
    return char != "/"


def _one_of(wanted: str) -> _Reads:
    return lambda char: char == wanted


def _member_of(members: str) -> _Reads:
    negated = members.startswith("!")
    ranges = [(one[1] or one[3], one[2] or one[3]) for one in _RANGE.finditer(members.removeprefix("!"))]
    return lambda char: char != "/" and negated != any(low <= char <= high for low, high in ranges)
