"""Aggregates and windows that Sail would take for one.

Sail knows an aggregate, a window and a key of a group by a name that leaves casts out: of `sum(x)` and
`sum(cast(x as double))` in one SELECT it computes one and gives it for both, or it stops.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlglot import exp

from cloud_etl.engines.sql.spark_sql import sql_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMED = (exp.Anonymous, exp.Filter, exp.IgnoreNulls, exp.WithinGroup, exp.Window)
# Functions that are casts to Sail: every one that it has with one argument was tried.
_CASTS = frozenset({
    "bigint", "binary", "boolean", "date", "date_from_unix_date", "decimal", "double", "float", "int", "smallint",
    "string", "timestamp", "timestamp_micros", "tinyint", "to_date", "to_timestamp", "to_timestamp_ltz",
    "to_timestamp_ntz", "try_to_timestamp", "try_validate_utf8", "unix_date", "unix_micros", "unix_millis",
    "unix_seconds", "validate_utf8",
})  # fmt: skip


def told_apart(root: exp.Expr) -> bool:
    """Give those of one SELECT names of their own, in place; whether any needed one.

    Their casts are wrapped in a condition that is always true. It makes the name another and costs nothing: Sail
    takes it out when it plans.
    """
    changed = False
    by_select: defaultdict[int, list[exp.Expr]] = defaultdict(list)
    for node in root.walk():
        by_select[id(node.find_ancestor(exp.Select))].append(node)
    selects = {id(select): select for select in root.find_all(exp.Select)}
    for place, nodes in by_select.items():
        changed |= _told_apart_in(nodes, selects.get(place))
    return changed


def _told_apart_in(nodes: list[exp.Expr], select: exp.Expr | None) -> bool:
    named: defaultdict[str, set[str]] = defaultdict(set)
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for key in _group_keys(select):
        keys[_castless(key)].add(sql_of(key))
    twins = [texts for texts in keys.values() if len(texts) > 1]
    changed = _mark(nodes, twins)
    # The inner ones first: those around them are told apart by that.
    done: set[str] = set()
    while True:
        named.clear()
        for node in nodes:
            if isinstance(node, _NAMED):
                named[_castless(node)].add(sql_of(node))
        found = sorted((name for name, texts in named.items() if len(texts) > 1 and name not in done), key=len)
        if not found:
            return changed
        done.add(found[0])
        changed |= _mark(nodes, [named[found[0]]])


def _mark(nodes: list[exp.Expr], twins: Iterable[set[str]]) -> bool:
    changed = False
    for texts in twins:
        for number, text in enumerate(sorted(texts), start=1):
            for node in nodes:
                if node.parent is not None and sql_of(node) == text:
                    changed |= _marked(node, number)
    return changed


def _marked(node: exp.Expr, number: int) -> bool:
    """Wrap the outermost casts of a node, in place; whether it has any."""
    casts = [one for one in node.walk(prune=_is_cast) if _is_cast(one)]
    # A number that says how far or how much must stay one.
    chosen = [one for one in casts if one.find(exp.Column)] or casts
    for one in chosen:
        always = exp.EQ(this=exp.Literal.number(number), expression=exp.Literal.number(number))
        wrapped = exp.Case(ifs=[exp.If(this=always, true=exp.Null())])
        one.replace(wrapped)
        # The node itself and no copy: whoever walks the tree meets it still.
        wrapped.args["ifs"][0].set("true", one)
    return bool(chosen)


def _group_keys(select: exp.Expr | None) -> list[exp.Expr]:
    """What a SELECT groups by; the items that a place or an alias stands for."""
    group = select.args.get("group") if select is not None else None
    if select is None or group is None:
        return []
    items = [one.unalias() for one in select.expressions]
    aliased = {one.alias.lower(): one.unalias() for one in select.expressions if one.alias}
    keys = []
    for key in group.expressions:
        if isinstance(key, exp.Literal) and key.is_int and 0 < int(key.name) <= len(items):
            keys.append(items[int(key.name) - 1])
        else:
            keys.append(aliased.get(key.name.lower(), key) if isinstance(key, exp.Column) else key)
    return keys


def _castless(node: exp.Expr) -> str:
    """The text as Sail names it: without casts and brackets."""
    holder = exp.Paren(this=node.copy())
    for one in reversed(list(holder.this.walk(bfs=True))):
        if _is_cast(one) or isinstance(one, exp.Paren):
            one.replace(one.expressions[0] if isinstance(one, exp.Anonymous) else one.this)
    return sql_of(holder.this)


def _is_cast(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in _CASTS and bool(node.expressions)
    return isinstance(node, exp.Cast)
