r"""Regular expressions in Spark SQL: \d, \s and \w are ASCII for Java and of all alphabets for Sail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import errors, exp

from cloud_etl.engines.sql.spark_sql import VERBATIM

if TYPE_CHECKING:
    from collections.abc import Iterator

# Functions whose second argument is a pattern.
FUNCTIONS = frozenset({
    "regexp_replace", "regexp_extract", "regexp_extract_all", "regexp_like", "regexp_count", "regexp_substr",
    "regexp_instr", "rlike", "regexp", "split",
})  # fmt: skip
_CLASSES = {"d": "0-9", "s": r" \t\n\x0B\f\r", "w": "0-9A-Za-z_"}
_PIECE = re.compile(r"\\.|\[\^?\]?|\]|.", re.DOTALL)


def ascii_classes(pattern: str) -> str:
    """The pattern with its classes written out, which every engine reads alike."""
    made, depth = [], 0
    for piece in _PIECE.findall(pattern):
        if piece.startswith("["):
            depth += 1
        elif piece == "]":
            depth = max(0, depth - 1)
        letter = piece[1:] if piece.startswith("\\") else ""
        if letter in _CLASSES:
            made.append(_CLASSES[letter] if depth else f"[{_CLASSES[letter]}]")
        elif letter and letter.lower() in _CLASSES:
            made.append(f"[^{_CLASSES[letter.lower()]}]")
        else:
            made.append(piece)
    return "".join(made)


def literal_patterns(text: str, *, query: bool) -> Iterator[str]:
    """The regular expressions that stand in an expression or a query; none where it has no tree.

    Args:
        text: Spark SQL.
        query: whether it is a SELECT.
    """
    try:
        tree = sqlglot.parse_one(text, dialect=VERBATIM, into=None if query else exp.Condition)
    except (errors.SqlglotError, RecursionError):
        return
    for node in tree.find_all(exp.RegexpLike, exp.SimilarTo, exp.Anonymous):
        if not isinstance(node, exp.Anonymous):
            found = [node.expression]
        elif node.name.lower() == "str_to_map":
            found = node.expressions[1:3]
        else:
            found = node.expressions[1:2] if node.name.lower() in FUNCTIONS else []
        for one in found:
            for literal in one.find_all(exp.Literal, exp.RawString):
                yield literal.name
