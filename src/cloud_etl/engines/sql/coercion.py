"""Decimals beside doubles: Spark compares them as doubles, Sail as decimals with 15 digits after the point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from cloud_etl.engines.sql.integers import cast

if TYPE_CHECKING:
    from cloud_etl.engines.sql.integers import TypeOf

REAL = ("double", "float")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
# Functions that give one of their arguments, and how many stand before these.
_CHOOSING = {"coalesce": 0, "nvl": 0, "ifnull": 0, "nullif": 0, "greatest": 0, "least": 0, "array": 0, "nvl2": 1}


def doubles_beside_decimals(node: exp.Expr, type_of: TypeOf) -> bool:
    """Cast the decimals among operands that a double stands beside to double, in place; whether any was."""
    changed = False
    for group in _of_one_type(node):
        operands = [one for one in group if one is not None]
        if all(isinstance(one, exp.Literal | exp.Null) for one in operands):
            continue
        kinds = [type_of(one) or "" for one in operands]
        if any(kind in REAL for kind in kinds):
            for one, kind in zip(operands, kinds, strict=True):
                if kind.startswith("decimal"):
                    one.replace(cast(one.copy(), "double"))
                    changed = True
    return changed


def _of_one_type(node: exp.Expr) -> list[list[exp.Expr | None]]:
    """Operands that an engine brings to one type, before it compares them or chooses one."""
    part = node.args.get
    groups: list[list[exp.Expr | None]] = []
    if isinstance(node, _COMPARISONS):
        groups = [[node.this, node.expression]]
    elif isinstance(node, exp.Between):
        groups = [[node.this, part("low"), part("high")]]
    elif isinstance(node, exp.In) and not part("query"):
        groups = [[node.this, *node.expressions]]
    elif isinstance(node, exp.Case):
        groups = [[*(one.args["true"] for one in node.args["ifs"]), part("default")]]
        if node.this is not None:
            groups.append([node.this, *(one.this for one in node.args["ifs"])])
    elif isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        groups = [[part("true"), part("false")]]
    elif isinstance(node, exp.Anonymous) and node.name.lower() in _CHOOSING:
        groups = [list(node.expressions)[_CHOOSING[node.name.lower()] :]]
    return groups
