"""The arithmetic of a whole query, checked as that of expressions is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from cloud_etl.engines.dialect import is_sail
from cloud_etl.engines.sql.coercion import REAL
from cloud_etl.engines.sql.integers import TypeOf, check_tree, may_wrap, refusal, unchecked
from cloud_etl.engines.sql.spark_sql import query_tree, sql_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def checked_query(session: SparkSession, query: str, view: str, label: str) -> str:
    """The query, written so that its integer arithmetic stops at an overflow on every engine.

    Args:
        session: of the engine that will run it.
        query: a SELECT from the table `input`, analysed already, in words that it reads.
        view: name of the view that `input` stands for.
        label: what it belongs to, for messages.

    Raises:
        ConfigError: a part of it cannot be checked on this engine.
    """
    if not is_sail(session):
        return query
    if re.search(r"\bunpivot\b", query, re.IGNORECASE):
        raise refusal(
            f"{label}: unpivot keeps rows without a value on sail; write a UNION ALL, or run on the spark engine"
        )
    tree = query_tree(query)
    if tree is None:
        if may_wrap(query.replace("count(*)", "").replace("select *", "")):
            raise unchecked(label, query)
        return query
    _check_unions(session, tree, view, label)
    changed = check_tree(exp.Paren(this=tree), _types_of(session, view), label)
    return sql_of(tree) if changed else query


def _check_unions(session: SparkSession, tree: exp.Expr, view: str, label: str) -> None:
    """Refuse a decimal above or below a double: Spark makes doubles of both, Sail decimals that it calls doubles."""
    for union in tree.find_all(exp.SetOperation):
        sides = [_kinds_of(session, side, view) for side in (union.this, union.expression)]
        for place, (one, two) in enumerate(zip(*sides, strict=False), start=1):
            if (one in REAL) != (two in REAL) and "decimal" in (one + two):
                raise refusal(
                    f"{label}: column {place} of {union.key} is {one} on one side and {two} on the other, "
                    "of which the engines do not make the same; cast one of them"
                )


def _kinds_of(session: SparkSession, query: exp.Expr, view: str) -> list[str]:
    """Types of a query's columns; none where it cannot be told outside its surroundings."""
    from pyspark.errors import PySparkException

    named = ", ".join([f"input AS (SELECT * FROM {view})", *_tables_before(query)])
    try:
        return [kind for _, kind in session.sql(f"WITH {named} SELECT * FROM ({sql_of(query)})").dtypes]
    except PySparkException:
        return []


def _types_of(session: SparkSession, view: str) -> TypeOf:
    """Types by asking the engine for the SELECT around a node with the node as its only column."""
    from pyspark.errors import PySparkException

    def type_of(node: exp.Expr) -> str | None:
        around = node.find_ancestor(exp.Select)
        if around is None:
            return None
        clauses = [sql_of(part) for name in ("from_", "from", "laterals", "joins") for part in _parts(around, name)]
        group = around.args.get("group")
        grouped = [*clauses, sql_of(group)] if group is not None else clauses
        named = ", ".join([f"input AS (SELECT * FROM {view})", *_tables_before(around)])
        for source in (clauses, grouped):
            text = f"WITH {named} SELECT {sql_of(node)} AS n {' '.join(source)}"
            try:
                return session.sql(text).dtypes[0][1]
            except PySparkException:
                continue
        return None

    return type_of


def _parts(select: exp.Select, name: str) -> list[exp.Expr]:
    found = select.args.get(name)
    return found if isinstance(found, list) else [found] if found is not None else []


def _tables_before(select: exp.Expr) -> list[str]:
    """The named tables that a SELECT may use: those of the queries around it, up to the one it stands in."""
    found: list[str] = []
    node: exp.Expr | None = select
    inside: exp.Expr = select
    while node is not None:
        clause = node.args.get("with_") or node.args.get("with")
        if isinstance(clause, exp.With):
            known = []
            for table in clause.expressions:
                if table is inside:
                    break
                known.append(sql_of(table))
            found = known + found
        if isinstance(node, exp.CTE):
            inside = node
        node = node.parent
    return found
