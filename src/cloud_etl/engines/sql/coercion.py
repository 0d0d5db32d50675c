"""Operands of several types, of which an engine makes one: brought to the type that Spark makes of them.

Spark compares a decimal beside a double as doubles, Sail as decimals with 15 digits after the point. And of a CASE or
IF Sail tells the type of the first branch, whatever its values are of: arithmetic around it would be done in that type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from cloud_etl.engines.sql.decimals import INTEGERS, DecimalType
from cloud_etl.engines.sql.integers import cast

if TYPE_CHECKING:
    from cloud_etl.engines.sql.integers import TypeOf

REAL = ("double", "float")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
# Functions that give one of their arguments, and how many stand before these.
_CHOOSING = {"coalesce": 0, "nvl": 0, "ifnull": 0, "greatest": 0, "least": 0, "array": 0, "nvl2": 1}
Operands = list[exp.Expr | None]


def brought_to_one_type(node: exp.Expr, type_of: TypeOf) -> bool:
    """Cast operands, in place, that an engine brings to one type otherwise than Spark; whether any was."""
    changed = False
    for group in _compared(node):
        operands = [one for one in group if one is not None]
        if not all(isinstance(one, exp.Literal | exp.Null) for one in operands):
            kinds = [type_of(one) or "" for one in operands]
            if any(kind in REAL for kind in kinds):
                changed |= _cast_to("double", operands, ["" if not k.startswith("decimal") else k for k in kinds])
    operands = [one for one in _chosen(node) if one is not None]
    if len(operands) > 1:
        kinds = [type_of(one) or "" for one in operands]
        if (common := _common({kind for kind in kinds if kind != "void"})) is not None:
            changed |= _cast_to(common, operands, kinds)
    return changed


def _cast_to(common: str, operands: list[exp.Expr], kinds: list[str]) -> bool:
    changed = False
    for one, kind in zip(operands, kinds, strict=True):
        if kind not in ("", "void", common):
            one.replace(cast(one.copy(), common))
            changed = True
    return changed


def _common(kinds: set[str]) -> str | None:
    """The type that Spark makes of several; None where they are one, or it is not for us to say."""
    if len(kinds) < 2:
        return None
    if kinds in ({"date", "timestamp"}, {"date", "timestamp_ntz"}):
        return max(kinds)
    numbers = [DecimalType.of(kind) for kind in kinds if kind not in REAL]
    if any(number is None for number in numbers):
        return None
    if kinds & set(REAL):
        return "double"
    if kinds <= set(INTEGERS):
        return max(kinds, key=INTEGERS.__getitem__)
    widest = DecimalType(1, 0)
    for number in numbers:
        widest = widest.beside(number) if number is not None else widest
    return str(widest)


def _compared(node: exp.Expr) -> list[Operands]:
    """Operands that are brought to one type before they are compared."""
    part = node.args.get
    if isinstance(node, _COMPARISONS):
        return [[node.this, node.expression]]
    if isinstance(node, exp.Between):
        return [[node.this, part("low"), part("high")]]
    if isinstance(node, exp.In) and not part("query"):
        return [[node.this, *node.expressions]]
    if isinstance(node, exp.Case) and node.this is not None:
        return [[node.this, *(one.this for one in node.args["ifs"])]]
    return []


def _chosen(node: exp.Expr) -> Operands:
    """Operands of which one is the value."""
    part = node.args.get
    if isinstance(node, exp.Case):
        return [*(one.args["true"] for one in node.args["ifs"]), part("default")]
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        return [part("true"), part("false")]
    if isinstance(node, exp.Anonymous) and node.name.lower() in _CHOOSING:
        return list(node.expressions)[_CHOOSING[node.name.lower()] :]
    return []
