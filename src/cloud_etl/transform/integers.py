"""Integer arithmetic that stops at an overflow on every engine.

Spark raises in ANSI mode, Sail wraps around without a word. So `a + b`, `a - b` and `a * b` over integers are computed
in a wider type and cast back, which raises on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame
    from sqlglot import exp

# The product of two values of the type always fits the wider one: 2^126 has 38 digits.
_WIDER = {"tinyint": "bigint", "smallint": "bigint", "int": "bigint", "bigint": "decimal(19,0)"}


def checked_arithmetic(frame: DataFrame, expression: str, kind: str) -> Column:
    """The expression as a column, with its integer arithmetic checked.

    Left as it is where it cannot be rewritten safely: lambdas, and text that does not come back word for word
    from the parser.

    Args:
        frame: the frame whose columns it names.
        expression: Spark SQL that the engine has analysed already.
        kind: its type, in the engine's words.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    plain = F.expr(expression)
    if not any(sign in expression for sign in "+-*"):
        return plain

    def types_of(texts: list[str]) -> list[str]:
        return [found for _, found in frame.select(*(F.expr(t).alias(f"n{i}") for i, t in enumerate(texts))).dtypes]

    try:
        rewritten = _rewritten(expression, types_of)
        if rewritten is None or types_of([rewritten]) != [kind]:
            return plain
    except PySparkException:
        return plain
    return F.expr(rewritten)


def _rewritten(expression: str, types_of: Callable[[list[str]], list[str]]) -> str | None:
    import sqlglot
    from sqlglot import errors, exp

    try:
        tree = sqlglot.parse_one(expression, read="spark", into=exp.Condition)
    except (errors.SqlglotError, RecursionError):
        return None
    nodes = list(tree.find_all(exp.Add, exp.Sub, exp.Mul))
    if not nodes or not _comes_back(expression, tree):
        return None
    kinds = types_of([node.sql("spark") for node in nodes])
    narrow = [(node, kind) for node, kind in zip(nodes, kinds, strict=True) if kind in _WIDER]
    if not narrow:
        return None
    # A holder, so that the root can be replaced like any other node.
    holder = exp.Paren(this=tree)
    # From the leaves up: a replaced node takes its replaced operands along.
    for node, kind in reversed(narrow):
        node.replace(_checked(node, kind))
    return str(holder.this.sql("spark"))


def _checked(node: exp.Binary, kind: str) -> exp.Expr:
    from sqlglot import exp

    def cast(value: exp.Expr, target: str) -> exp.Expr:
        return exp.Cast(this=value, to=exp.DataType.build(target, dialect="spark"))

    wide = _WIDER[kind]
    result = type(node)(this=cast(node.this.copy(), wide), expression=cast(node.expression.copy(), wide))
    return cast(result, kind)


def _comes_back(expression: str, tree: exp.Expr) -> bool:
    """Whether parser and generator agree on the text: what comes back changed may mean something else."""
    from sqlglot.dialects.spark import Spark

    first, second = (
        [token.text.upper() for token in Spark().tokenize(text)] for text in (expression, tree.sql("spark"))
    )
    return first == second
