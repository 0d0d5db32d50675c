"""Whether a regular expression is matched in bounded time by an engine that tries one way after another, as Java does.

Sail's matcher takes time in proportion to the text. Java's, and so Spark's, goes back and tries again: with `(a+)+b`
the time doubles with each `a`. How often it can go back is how many ways there are to read one text, and that is told
from the pattern's automaton: its ways double where a loop can be gone through in two ways on the same text, and grow
with the length where one repeat can pass a part of the text on to another.

Source: Weber and Seidl, On the degree of ambiguity of finite automata, 1991.
"""

from __future__ import annotations

import re
import warnings

from cloud_etl.quality.regex.ambiguity import TooLargeError, doubles, ways
from cloud_etl.quality.regex.automaton import Automaton

_MOST_CHARACTERS = 2000
# Four repeats in a row that read the same text are let through: people write `.*a.*b.*`.
_MOST_WAYS = 1_000_000

# Java's words for what Python has others for, or none.
_JAVA = {
    re.compile(r"\\[pP](?:\{\w+\}|\w)"): r"\\w", re.compile(r"\(\?<(?=\w)"): "(?P<", re.compile(r"\\z"): r"\\Z",
    re.compile(r"\\[hHR]"): r"\\s",
}  # fmt: skip


def java_regex_problem(pattern: str) -> str | None:
    """As `regex_problem`, of a pattern as Spark SQL takes it; None too where it has a form that only Java reads."""
    for java, python in _JAVA.items():
        pattern = java.sub(python, pattern)
    try:
        with warnings.catch_warnings():
            # Of [[ and && inside a class, which are set operations in Java and signs of it here.
            warnings.simplefilter("ignore", FutureWarning)
            return regex_problem(pattern)
    except (re.error, OverflowError):
        return None


def regex_problem(pattern: str) -> str | None:
    """Why a pattern that Python's `re` reads can take without bound, or None.

    Raises:
        re.error: it is broken.
        OverflowError: it repeats more often than can be counted.
    """
    if len(pattern) > _MOST_CHARACTERS:
        return f"has {len(pattern):,} characters, and at most {_MOST_CHARACTERS:,} are read"
    try:
        automaton = Automaton.of(pattern)
        masks = automaton.masks
        if doubles(automaton.follow, masks, automaton.twice):
            return "can read one text in ever more ways (a repeat in a repeat): one that does not fit takes for ever"
        if ways(automaton.follow, masks, automaton.choices) > _MOST_WAYS:
            return "has too many repeats in a row that read the same text: a long one that does not fit takes for ever"
    except TooLargeError:
        return "is too large when its repeats are written out"
    except RecursionError:
        return "is nested too deeply"
    return None
