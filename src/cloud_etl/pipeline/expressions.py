"""Columns and syntax of Spark SQL expressions, told without an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

# Functions that Spark takes without brackets and the parser takes for columns.
_BARE_FUNCTIONS = frozenset({
    "current_catalog", "current_database", "current_schema", "current_time", "current_timezone", "localtime",
    "localtimestamp", "session_user", "user",
})  # fmt: skip


def columns_named(expression: str) -> tuple[str, ...]:
    """Columns an expression names, each once; of `a.b` the column `a`. Nothing where it holds a subquery.

    Raises:
        ValueError: it is no expression; says where it stops making sense.
    """
    from sqlglot import exp

    tree = _parsed(expression)
    if tree.find(exp.Query):
        return ()
    names = [column.parts[0].name for column in tree.find_all(exp.Column)]
    return tuple(sorted({name for name in names if name.lower() not in _BARE_FUNCTIONS}))


def folds_rows(expression: str) -> bool:
    """Whether an expression surely makes one value of many rows: an aggregate function that is not over a window.

    Raises:
        ValueError: it is no expression.
    """
    from sqlglot import exp

    tree = _parsed(expression)
    return not tree.find(exp.Query) and any(not one.find_ancestor(exp.Window) for one in tree.find_all(exp.AggFunc))


def is_aggregate(expression: str) -> bool:
    """Whether an expression folds rows; functions that are not known count as folding.

    Raises:
        ValueError: it is no expression.
    """
    from sqlglot import exp

    tree = _parsed(expression)
    return tree.find(exp.AggFunc, exp.Anonymous, exp.AnonymousAggFunc) is not None


def _parsed(expression: str) -> exp.Condition:
    import sqlglot
    from sqlglot import errors, exp

    try:
        return sqlglot.parse_one(expression, read="spark", into=exp.Condition)
    except errors.TokenError:
        raise ValueError(f"{expression!r} is no Spark SQL expression: a quote is not closed") from None
    except errors.ParseError as exc:
        detail = exc.errors[0] if exc.errors else {}
        near = f" at {detail['highlight']!r}, character {detail['col']}" if detail.get("highlight") else ""
        raise ValueError(f"{expression!r} is no Spark SQL expression: it cannot be read{near}") from None
    except RecursionError:
        raise ValueError("an expression is nested too deeply") from None
