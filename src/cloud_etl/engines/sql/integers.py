"""Integer arithmetic that stops at an overflow on every engine, and expressions that give the same on every engine.

Spark raises in ANSI mode, Sail wraps around without a word. So on Sail `a + b`, `a - b` and `a * b` over integers and
`sum` over bigint are computed in a wider type and cast back, which raises; what cannot be looked into is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
        expression: Spark SQL that the engine has analysed already, in words that it reads.
        label: what it belongs to, for messages.

    Raises:
        ConfigError: it holds arithmetic that cannot be checked on this engine.
    """
    [column] = checked_together(frame, [expression], label)
    return column


def checked_together(frame: DataFrame, expressions: Sequence[str], label: str) -> list[Column]:
    """Expressions that stand in one SELECT, as `checked_arithmetic` gives each of them."""
    from pyspark.sql import functions as F

    if is_sail(frame.sparkSession):
        expressions = rewritten(expressions, _types_in(frame), label)
    return [F.expr(expression) for expression in expressions]


def rewritten(expressions: Sequence[str], type_of: TypeOf, label: str) -> list[str]:
    """Expressions of one SELECT with their arithmetic checked; what may stay keeps its text.

    Raises:
        ConfigError: one holds arithmetic that cannot be checked.
    """
    from sqlglot import exp

    from cloud_etl.engines.sql.spark_sql import expression_tree, sql_of

    trees = [expression_tree(expression) for expression in expressions]
    for expression, tree in zip(expressions, trees, strict=True):
        if tree is None and may_wrap(expression):
            raise unchecked(label, expression)
    # Holders, so that the root of each can be replaced like any other node.
    holders = [exp.Paren(this=exp.Null() if tree is None else tree) for tree in trees]
    together = exp.Tuple(expressions=holders)
    before = [sql_of(holder.this) for holder in holders]
    if check_tree(together, type_of, label):
        made = [sql_of(holder.this) for holder in holders]
        return [old if one == two else two for old, one, two in zip(expressions, before, made, strict=True)]
    return list(expressions)


def check_tree(holder: exp.Expr, type_of: TypeOf, label: str) -> bool:
    """Replace what differs between engines, from the leaves up; whether anything was.

    Raises:
        ConfigError: a part cannot be checked.
    """
    from cloud_etl.engines.sql.portable import replacement
    from cloud_etl.engines.sql.twins import told_apart

    changed = told_apart(holder)
    for alike in _from_the_leaves(holder):
        is_other = False
        for node in alike:
            if (found := replacement(node, type_of, label)) is not None:
                place, new = found
                place.replace(new)
                is_other = True
        if is_other:
            # Now, for the engine tells the types of what stands around; of one text after all of them are replaced, or
            # those that wait would be told apart from those that are done.
            told_apart(holder)
            changed = True
    return changed


def _from_the_leaves(holder: exp.Expr) -> Iterable[list[exp.Expr]]:
    """All nodes, operands before what is made of them, and those of one text together."""
    from sqlglot import exp

    from cloud_etl.engines.sql.spark_sql import sql_of

    order = {id(select): place for place, select in enumerate(_inner_first(holder))}
    heights: dict[int, int] = {}
    alike: dict[tuple[int, int, str], list[exp.Expr]] = {}
    for node in reversed(list(holder.walk(bfs=True))):
        height = 1 + max((heights[id(part)] for part in node.iter_expressions()), default=0)
        heights[id(node)] = height
        around = order.get(id(node.find_ancestor(exp.Select)), len(order))
        alike.setdefault((around, height, sql_of(node)), []).append(node)
    return [alike[key] for key in sorted(alike, key=lambda key: key[:2])]


def _inner_first(node: exp.Expr) -> Iterator[exp.Expr]:
    """Each SELECT after those that it reads from, of which the columns' types are told."""
    from sqlglot import exp

    named = node.args.get("with_")
    for part in (
        *([named] if named is not None else []),
        *(one for one in node.iter_expressions() if one is not named),
    ):
        yield from _inner_first(part)
    if isinstance(node, exp.Select):
        yield node


def whole(node: exp.Expr) -> exp.Expr:
    """Of `sum(x) filter (where ...) over (...)` everything."""
    from sqlglot import exp

    while isinstance(node.parent, exp.Filter | exp.Window | exp.IgnoreNulls) and node.parent.this is node:
        node = node.parent
    return node


def _put(found: tuple[exp.Expr, exp.Expr]) -> None:
    place, new = found
    place.replace(new)


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
