"""Spark SQL as a tree whose text comes back as it was written."""

from __future__ import annotations

import re
from collections import Counter
from typing import ClassVar

import sqlglot
from sqlglot import errors, exp
from sqlglot.dialects.spark import Spark

# Written another way by the generator, with the same meaning: x::int, date '...', 2L, !=, ==, <=>, !, position(a in b),
# and left out where they say what holds without them: asc nulls first, desc nulls last.
_SUGAR = frozenset({
    "::", "!=", "==", "<=>", "!", "DATE", "TIMESTAMP", "POSITION", "IN", "L", "D", "S", "BD", "Y", "F",
    "NULLS", "FIRST", "LAST",
})  # fmt: skip
_PLAIN = frozenset({
    "CAST", "AS", "(", ")", ",", "<>", "=", "NOT", "IS", "DISTINCT", "FROM", "LOCATE", "DATE", "TIMESTAMP", "INT",
    "BIGINT", "DOUBLE", "SMALLINT", "TINYINT", "FLOAT", "DECIMAL", "STRING", "BOOLEAN",
    "BETWEEN", "AND", "CURRENT", "ROW",
})  # fmt: skip
_KEPT = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "OVERLAY")


class _Verbatim(Spark):
    """Spark SQL whose functions keep the names they were written with."""

    class Parser(Spark.Parser):  # type: ignore[valid-type, misc]  # made by a metaclass
        """Knows the functions with a grammar of their own alone."""

        FUNCTIONS: ClassVar[dict[str, object]] = {}
        FUNCTION_PARSERS = {name: Spark.Parser.FUNCTION_PARSERS[name] for name in _KEPT}  # noqa: RUF012 - as the base


VERBATIM = _Verbatim()


def expression_tree(text: str) -> exp.Expr | None:
    """An expression as a tree; None where it cannot be read, or its text would not come back."""
    return _tree(text, exp.Condition)


def query_tree(text: str) -> exp.Expr | None:
    """A SELECT as a tree; None where it cannot be read, or its text would not come back."""
    tree = _tree(text, None)
    return tree if isinstance(tree, exp.Query) else None


# What is no text: names, comments, raw texts; then texts by either quote.
_PIECES = re.compile(
    r"""(`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|\b[rR]'[^']*'|\b[rR]"[^"]*")|'((?:[^'\\]|\\.|'')*)'|"((?:[^"\\]|\\.|"")*)\"""",
    re.DOTALL,
)
_PAIR = re.compile(r"""\\.|''|\"\"""", re.DOTALL)


def escaped_quotes(text: str) -> str:
    """Spark SQL whose texts have a backslash before a quote in them, and no doubled one, which Sail leaves out."""

    def escaped(found: re.Match[str]) -> str:
        quote = "'" if found[2] is not None else '"'
        inner = found[2] if found[2] is not None else found[3]
        return found[0] if inner is None else quote + _PAIR.sub(lambda pair: _one_quote(pair[0]), inner) + quote

    return _PIECES.sub(escaped, text)


def _one_quote(pair: str) -> str:
    """An escaped character as it is, a doubled quote as one escaped."""
    return pair if pair.startswith("\\") else f"\\{pair[0]}"


def sql_of(tree: exp.Expr) -> str:
    """The text of a tree."""
    return tree.sql(VERBATIM, normalize_functions=False)


def _tree(text: str, kind: type[exp.Expr] | None) -> exp.Expr | None:
    try:
        tree: exp.Expr = sqlglot.parse_one(text, dialect=VERBATIM, into=kind)
    except (errors.SqlglotError, RecursionError):
        return None
    return tree if _comes_back(text, sql_of(tree)) else None


def _comes_back(text: str, made: str) -> bool:
    """Whether the generated text differs in sugar only: what comes back changed may mean something else."""
    before, after = _words(text), _words(made)
    if before == after:
        return True
    lost, gained = Counter(before) - Counter(after), Counter(after) - Counter(before)
    return set(lost) <= _SUGAR and set(gained) <= _PLAIN


def _words(text: str) -> list[str]:
    return [token.text.upper() for token in VERBATIM.tokenize(text)]
