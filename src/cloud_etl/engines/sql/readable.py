"""Spark SQL that Sail itself refuses, written so that it takes it; nothing here needs types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from cloud_etl.engines.dialect import is_open, is_sail
from cloud_etl.engines.sql.integers import refusal
from cloud_etl.engines.sql.outside import outside, reads_more
from cloud_etl.engines.sql.spark_sql import escaped_quotes, expression_tree, query_tree, sql_of
from cloud_etl.engines.sql.twins import told_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

# Aggregates for which a row without a value is no row.
_SKIP_NULLS = frozenset({
    "sum", "avg", "mean", "min", "max", "count", "count_if", "bool_and", "bool_or", "every", "some", "any", "std",
    "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "try_sum", "try_avg", "median",
})  # fmt: skip


def readable(session: SparkSession, expression: str, label: str) -> str:
    """The expression in words that the session's engine reads; the same where it is Spark.

    Raises:
        ConfigError: there are none, or it reads more than its rows.
    """
    _stay_inside(session, expression, label, query=False)
    return _written(expression, expression_tree, label) if is_sail(session) else expression


def readable_query(session: SparkSession, query: str, label: str) -> str:
    """The SELECT in words that the session's engine reads; the same where it is Spark.

    Raises:
        ConfigError: there are none, or it reads more than its rows.
    """
    _stay_inside(session, query, label, query=True)
    return _written(query, query_tree, label) if is_sail(session) else query


def _written(text: str, read: Callable[[str], exp.Expr | None], label: str) -> str:
    text = escaped_quotes(text)
    tree = read(text)
    if tree is None:
        return text
    # A holder, so that the root can be replaced like any other node.
    holder = exp.Paren(this=tree)
    changed = _filters(holder, label)
    for select in holder.find_all(exp.Select):
        changed |= _named_windows(select) | _order_by_items(select)
    changed |= told_apart(holder)
    return sql_of(holder.this) if changed else text


def _stay_inside(session: SparkSession, text: str, label: str, *, query: bool) -> None:
    if not is_open(session) and (found := outside(text, query=query)) is not None:
        raise refusal(f"{label}: {reads_more(found)}")


def _filters(root: exp.Expr, label: str) -> bool:
    """`sum(x) filter (where c)` as `sum(case when c then x end)`, in place.

    Over a window Sail has no filter, and in a group it cannot plan some that compare by `<=>`.
    """
    found = list(root.find_all(exp.Filter))
    for clause in found:
        function, condition = clause.this, clause.expression.this
        arguments = list(function.expressions)
        is_distinct = bool(arguments) and isinstance(arguments[0], exp.Distinct)
        over = isinstance(clause.parent, exp.Window)
        if is_distinct and len(arguments[0].expressions) == 1 and not over:
            arguments = list(arguments[0].expressions)
        elif is_distinct:
            arguments = []
        if not isinstance(function, exp.Anonymous) or not arguments or function.name.lower() not in _SKIP_NULLS:
            if not over:
                continue
            raise refusal(
                f"{label}: sail has no filter on {sql_of(function)} over a window; "
                "write a case when inside the function, or run on the spark engine"
            )
        value = exp.Literal.number(1) if isinstance(arguments[0], exp.Star) else arguments[0].copy()
        new: exp.Expr = exp.Case(ifs=[exp.If(this=condition.copy(), true=value)])
        if is_distinct:
            new = exp.Distinct(expressions=[new])
        clause.replace(exp.Anonymous(this=function.this, expressions=[new, *arguments[1:]]))
    return bool(found)


def _named_windows(select: exp.Select) -> bool:
    """Write the windows of a WINDOW clause where they are used, in place; outside of it Sail tells no types."""
    defined: dict[str, exp.Window] = {}
    for window in select.args.get("windows") or []:
        defined[window.name.lower()] = _filled(window, defined)
    if not defined:
        return False
    for window in select.find_all(exp.Window):
        if window.args.get("over") and window.find_ancestor(exp.Select) is select:
            _filled(window, defined)
    select.set("windows", None)
    return True


def _filled(window: exp.Window, defined: dict[str, exp.Window]) -> exp.Window:
    """A window with the parts of the one that it names, in place."""
    named = defined.get(window.alias.lower()) if window.alias else None
    if named is not None:
        window.set("alias", None)
        for part in ("partition_by", "order", "spec"):
            if not window.args.get(part) and (value := named.args.get(part)):
                window.set(part, [one.copy() for one in value] if isinstance(value, list) else value.copy())
    return window


def _order_by_items(select: exp.Select) -> bool:
    """Order by the names of selected items and not by their text, in place: after HAVING Sail knows names alone."""
    order = select.args.get("order")
    named = {sql_of(one.this): one.args["alias"] for one in select.expressions if isinstance(one, exp.Alias)}
    found = [one for one in order.expressions if sql_of(one.this) in named] if order is not None else []
    found = [one for one in found if not isinstance(one.this, exp.Column | exp.Literal)]
    for one in found:
        one.set("this", exp.Column(this=named[sql_of(one.this)].copy()))
    return bool(found)
