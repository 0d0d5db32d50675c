"""Spark SQL that reads more than the rows it is given: files by their path, tables of a catalog, programs, Java."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import errors, exp
from sqlglot.tokenizer_core import TokenType

from cloud_etl.engines.sql.spark_sql import VERBATIM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot.tokenizer_core import Token

# They call any method of any class on the class path.
_JAVA = frozenset({"reflect", "try_reflect", "java_method"})
# Functions that make tables of their arguments.
_MAKE_TABLES = frozenset({
    "range", "explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "inline_outer", "stack",
    "json_tuple", "unnest",
})  # fmt: skip
# Within one comment a second begins: not every engine lets comments nest, so what is hidden cannot be told.
_NESTED_COMMENT = re.compile(r"/\*(?:(?!\*/).)*/\*", re.DOTALL)
_NAMES_TABLES = (TokenType.FROM, TokenType.JOIN, TokenType.TABLE)


def outside(text: str, *, query: bool) -> str | None:
    """What an expression or a query reads beside its rows; None where it reads nothing else.

    Args:
        text: Spark SQL.
        query: whether it is a SELECT, which may read the table `input`.
    """
    try:
        tokens = VERBATIM.tokenize(text)
    except errors.SqlglotError:
        # No engine reads it either, or not as what it seems.
        return "a text or a comment that does not end"
    if _NESTED_COMMENT.search(text):
        return "a comment in a comment"
    if (found := _calls(tokens)) is not None:
        return found
    try:
        tree = sqlglot.parse_one(text, dialect=VERBATIM, into=None if query else exp.Condition)
    except (errors.SqlglotError, RecursionError):
        return _unread(tokens)
    known = {one.alias.lower() for one in tree.find_all(exp.CTE)} | ({"input"} if query else set())
    return next(_sources(tree, known), None)


def reads_more(found: str) -> str:
    """What is said of what `outside` has found."""
    return (
        f"{found} is not among the rows of this pipeline, and it was not read; take it in as a source of its own and "
        "join with it (references), or allow it with engine.sql_reads: anything in cloud-etl.yaml"
    )


def _calls(tokens: list[Token]) -> str | None:
    """Calls of Java, and programs that take rows (`transform(a) using 'cat'`)."""
    for token, after in pairwise(tokens):
        if token.text.lower() in _JAVA and after.token_type == TokenType.L_PAREN:
            return f"{token.text.lower()}, which calls Java,"
        if token.text.lower() == "using" and after.token_type == TokenType.STRING:
            return "a program after USING"
    return None


def _sources(tree: exp.Expr, known: set[str]) -> Iterator[str]:
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier):
            if len(table.parts) > 1 or table.name.lower() not in known:
                yield "the table " + ".".join(part.name for part in table.parts)
        elif table.this.name.lower() not in _MAKE_TABLES and table.this.key not in _MAKE_TABLES:
            yield f"the table function {table.this.name or table.this.key}"
    for lateral in tree.find_all(exp.Lateral):
        inner = lateral.this
        made = isinstance(inner, exp.Subquery) or inner.name.lower() in _MAKE_TABLES or inner.key in _MAKE_TABLES
        if not made:
            yield f"{inner.sql(VERBATIM)} after LATERAL"


def _unread(tokens: list[Token]) -> str | None:
    """Of a text that has no tree here: whether it may name a table of another place."""
    kinds = {token.token_type for token in tokens}
    dotted = TokenType.DOT in kinds or any(token.text.lower() == "identifier" for token in tokens)
    return "a table, perhaps, for it cannot be read here," if dotted and kinds & set(_NAMES_TABLES) else None
