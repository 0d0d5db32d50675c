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
    if not is_sail(session):
        return expression
    expression = escaped_quotes(expression)
    tree = expression_tree(expression)
    if tree is None:
        return expression
    holder = exp.Paren(this=tree)
    return sql_of(holder.this) if _filters_in_windows(holder, label) | told_apart(holder) else expression


def readable_query(session: SparkSession, query: str, label: str) -> str:
    """The SELECT in words that the session's engine reads; the same where it is Spark.

    Raises:
        ConfigError: there are none, or it reads more than its rows.
    """
    _stay_inside(session, query, label, query=True)
    if not is_sail(session):
        return query
    query = escaped_quotes(query)
    tree = query_tree(query)
    if tree is None:
        return query
    changed = _filters_in_windows(exp.Paren(this=tree), label)
    for select in tree.find_all(exp.Select):
        changed |= _named_windows(select) | _order_by_items(select)
    changed |= told_apart(tree)
    return sql_of(tree) if changed else query


def _stay_inside(session: SparkSession, text: str, label: str, *, query: bool) -> None:
    if not is_open(session) and (found := outside(text, query=query)) is not None:
        raise refusal(f"{label}: {reads_more(found)}")


def _filters_in_windows(root: exp.Expr, label: str) -> bool:
    """`sum(x) filter (where c) over (...)` as `sum(case when c then x end) over (...)`, in place."""
    found = [one for one in root.find_all(exp.Window) if isinstance(one.this, exp.Filter)]
    for window in found:
        function, condition = window.this.this, window.this.expression.this
        arguments = list(function.expressions)
        plain = arguments and not any(isinstance(one, exp.Distinct) for one in arguments)
        if not isinstance(function, exp.Anonymous) or not plain or function.name.lower() not in _SKIP_NULLS:
            raise refusal(
                f"{label}: sail has no filter on {sql_of(function)} over a window; "
                "write a case when inside the function, or run on the spark engine"
            )
        value = exp.Literal.number(1) if isinstance(arguments[0], exp.Star) else arguments[0].copy()
        new = exp.Case(ifs=[exp.If(this=condition.copy(), true=value)])
        window.set("this", exp.Anonymous(this=function.this, expressions=[new, *arguments[1:]]))
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
