"""Integer arithmetic that stops at an overflow on every engine, and expressions that give the same on every engine.

Spark raises in ANSI mode, Sail wraps around without a word. So on Sail `a + b`, `a - b` and `a * b` over integers and
`sum` over bigint are computed in a wider type and cast back, which raises; what cannot be looked into is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cloud_etl.engines.dialect import is_sail
from cloud_etl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from sqlglot import exp

# The type of a node's text in the engine's words; None where it cannot be told outside its surroundings.
TypeOf = Callable[["exp.Expr"], str | None]
# The product of two values of the type always fits the wider one: 2^126 has 38 digits.
_WIDER = {"tinyint": "bigint", "smallint": "bigint", "int": "bigint", "bigint": "decimal(19,0)"}


def checked_arithmetic(frame: DataFrame, expression: str, label: str) -> Column:
    """The expression as a column that gives what Spark gives, or stops.

    Args:
        frame: the frame whose columns it names.
        expression: Spark SQL that the engine has analysed already.
        label: what it belongs to, for messages.

    Raises:
        ConfigError: it holds arithmetic that cannot be checked on this engine.
    """
    from pyspark.sql import functions as F

    from cloud_etl.engines.sql.spark_sql import escaped_quotes

    if not is_sail(frame.sparkSession):
        return F.expr(expression)
    expression = escaped_quotes(expression)
    rewritten = rewrite_expression(expression, _types_in(frame), label)
    return F.expr(expression if rewritten is None else rewritten)


def rewrite_expression(expression: str, type_of: TypeOf, label: str) -> str | None:
    """The expression with its arithmetic checked; None where it may stay as it is.

    Raises:
        ConfigError: it holds arithmetic that cannot be checked.
    """
    from cloud_etl.engines.sql.spark_sql import expression_tree, sql_of

    tree = expression_tree(expression)
    if tree is None:
        if may_wrap(expression):
            raise unchecked(label, expression)
        return None
    # A holder, so that the root can be replaced like any other node.
    from sqlglot import exp

    holder = exp.Paren(this=tree)
    return sql_of(holder.this) if check_tree(holder, type_of, label) else None


def check_tree(holder: exp.Expr, type_of: TypeOf, label: str) -> bool:
    """Replace what differs between engines, from the leaves up; whether anything was.

    Raises:
        ConfigError: a part cannot be checked.
    """
    from cloud_etl.engines.sql.portable import replacement

    changed = False
    # A replaced node takes its replaced operands along.
    for node in reversed(list(holder.walk(bfs=True))):
        found = replacement(node, type_of, label)
        if found is not None:
            place, new = found
            place.replace(new)
            changed = True
    return changed


def may_wrap(text: str) -> bool:
    """Whether a text that cannot be read as a tree may hold arithmetic over integers."""
    return any(sign in text for sign in "+-*") or "sum" in text.lower()


def widened(node: exp.Binary, kind: str) -> exp.Expr:
    """A sum, difference or product computed in a wider type and cast back."""
    wide = _WIDER[kind]
    return cast(type(node)(this=cast(node.this.copy(), wide), expression=cast(node.expression.copy(), wide)), kind)


def wraps(kind: str) -> bool:
    """Whether Sail's numbers of that type wrap around."""
    return kind in _WIDER


def cast(value: exp.Expr, target: str) -> exp.Expr:
    """`cast(value as target)`."""
    from sqlglot import exp

    return exp.Cast(this=value, to=exp.DataType.build(target, dialect="spark"))


def unchecked(label: str, part: str) -> ConfigError:
    """What is said of a part whose types cannot be told."""
    return refusal(
        f"{label}: {part!r} cannot be checked for integer overflow on the sail engine, which would wrap around; "
        "cast one side to double or decimal, write it as a derive step of its own, or run on the spark engine"
    )


def refusal(message: str) -> ConfigError:
    """One finding of the engine, as the configuration error it is; no row has been read."""
    return ConfigError([Problem(message)])


def _types_in(frame: DataFrame) -> TypeOf:
    from pyspark.errors import PySparkException

    from cloud_etl.engines.sql.spark_sql import sql_of

    # Without rows and without the steps before: the engine answers at once, however long the pipeline is.
    empty = frame.sparkSession.createDataFrame([], frame.schema)

    def type_of(node: exp.Expr) -> str | None:
        try:
            return empty.selectExpr(f"{sql_of(node)} AS n").dtypes[0][1]
        except PySparkException:
            return None

    return type_of
