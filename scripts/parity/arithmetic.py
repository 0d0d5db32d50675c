"""Cases of arithmetic: random expressions over whole numbers and decimals, in every place where one can stand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from scripts.parity import exact
from scripts.parity.cases import STOPS, Case
from scripts.parity.exact import BIGINT, BOOLEAN, INT, STRING, Frame, Kind, Node, Rows, Stops
from scripts.parity.values import Columns, cell, table

_KINDS: Mapping[str, Kind] = {
    "i": BIGINT, "k": INT, "o": INT, "n": INT, "q": BIGINT, "p": Kind("decimal", 12, 2), "w": Kind("decimal", 38, 10),
    "r": Kind("decimal", 29, 4), "d'q\"": Kind("decimal", 9, 3),
}  # fmt: skip
_VALUES: Mapping[str, tuple[str, ...]] = {
    "k": ("1", "2", "3"), "o": ("1", "2", "3", "5", "8"), "n": ("0", "1", "-1", "7", "42"),
    "q": ("0", "1", "-1", "10", "3", "1000000"), "p": ("0.10", "0.20", "-0.30", "1.00", "99.95", "-7.15", "0.00"),
    "w": ("0", "1", "0.0000000001", "-1.5", "123456789.0123456789"), "r": ("0.0001", "-0.0003", "12345.6789", "2"),
    "d'q\"": ("0.125", "-0.005", "2.500", "100.000"),
}  # fmt: skip
_LITERALS = ("0", "1", "-1", "2", "10", "100", "0.5", "1.50", "0.01", "-0.1")
_Leaf = Callable[[], Node]


def make_arithmetic_case(number: int) -> Case:
    """The case of that number, always the same."""
    rng = random.Random(number)  # noqa: S311 - cases must repeat, not surprise
    lines = [_row(rng, place) for place in range(1, rng.randint(3, 12))]
    place = rng.choice((_derive, _derive, _filter, _aggregate, _aggregate, _having, _select, _nested, _beside, _union))
    step, nodes, expected = place(rng, lines)
    kinds = {name: _WORDS.get(node.kind.name, node.kind.sql.upper()) for name, node in nodes.items()}
    columns = Columns({name: "integer" if kind == INT else kind.sql for name, kind in _KINDS.items()})
    shown = [f"({', '.join(_cell(name, one) for name, one in line.items())})" for line in lines]
    rows = table([name.replace('"', '""') for name in columns], shown)
    return Case(number, columns, rows, "SELECT 1 AS r_0", (step,), (), ({"name": "whole"},), expected, kinds)


def _row(rng: random.Random, place: int) -> dict[str, Any]:
    line: dict[str, Any] = {"i": place}
    for name, values in _VALUES.items():
        empty = name not in ("k", "o") and rng.random() < 0.15
        line[name] = None if empty else exact.fitted(Decimal(rng.choice(values)), _KINDS[name])
    return line


def _cell(name: str, value: object) -> str:
    kind = _KINDS[name]
    return cell("integer" if kind == INT else kind.sql, "NULL" if value is None else str(value))


def _columns() -> list[Node]:
    return [exact.column(name, kind) for name, kind in _KINDS.items() if name != "i"]


def _scalar(rng: random.Random, depth: int = 2) -> Node:
    """An expression of one row."""
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(_columns())
    return _combined(rng, lambda: _scalar(rng, depth - 1), rng.random() < 0.3)


def _combined(rng: random.Random, leaf: _Leaf, is_plain: bool) -> Node:
    """Leaves combined by an operation, or changed by a function."""
    node = leaf()
    if is_plain or (node.kind not in (INT, BIGINT) and node.kind.name != "decimal"):
        return node
    other = exact.literal(rng.choice(_LITERALS)) if rng.random() < 0.3 else leaf()
    sign = rng.choice("+-***/%")
    if sign in "/%":
        # By what is never zero, and a decimal.
        other = exact.literal(rng.choice(("3", "7", "0.7", "1.50")))
        node = node if node.kind.name == "decimal" else exact.cast(node, Kind("decimal", 20, 2))
    if other.kind.name != "decimal" and other.kind not in (INT, BIGINT):
        return node
    return _changed(rng, exact.arithmetic(sign, node, other))


def _changed(rng: random.Random, node: Node) -> Node:
    """A node, now and then inside of a function."""
    zero = Node("0", INT, lambda seen: 0, is_literal=True)
    choice = rng.randint(0, 9)
    if choice == 0 and node.kind.name == "decimal":
        return exact.rounded(node, rng.choice((0, 1, 3)))
    if choice == 1:
        return exact.cast(node, Kind("decimal", 38, rng.choice((0, 2, 6))))
    if choice in (2, 6):
        return _chosen(rng, node, zero)
    test = _compared(rng, node, zero)
    made = {
        3: (
            f"case when {test.sql} then {node.sql} end",
            lambda seen: node.value(seen) if test.value(seen) else None,
        ),
        4: (f"abs({node.sql})", lambda seen: _absolute(node.value(seen))),
        5: (f"nullif({node.sql}, 0)", lambda seen: node.value(seen) or None),
    }
    return Node(made[choice][0], node.kind, made[choice][1]) if choice in made else node


def _chosen(rng: random.Random, node: Node, zero: Node) -> Node:
    """A node or what stands in its place: a zero, or a column of another type."""
    other = rng.choice((zero, zero, exact.literal("0.5"), *_columns()))
    kind = exact.common(node.kind, other.kind)
    if kind is None:
        return node
    if rng.random() < 0.3:
        name = rng.choice(("greatest", "least"))
        return Node(f"{name}({node.sql}, {other.sql})", kind, lambda seen: _extreme(name, kind, node, other, seen))
    sql = rng.choice(("coalesce({0}, {1})", "nvl({0}, {1})", "case when {0} is not null then {0} else {1} end"))

    def value(seen: Rows) -> exact.Value:
        one = node.value(seen)
        return exact.fitted(other.value(seen) if one is None else one, kind)

    return Node(sql.format(node.sql, other.sql), kind, value)


def _extreme(name: str, kind: Kind, one: Node, two: Node, seen: Rows) -> exact.Value:
    found = [value for value in (one.value(seen), two.value(seen)) if value is not None]
    return exact.fitted((max if name == "greatest" else min)(found), kind) if found else None


def _absolute(value: Any) -> object:
    return None if value is None else abs(value)


def _compared(rng: random.Random, left: Node, right: Node) -> Node:
    """A comparison of two nodes."""
    sign = rng.choice(("=", "<>", "<", ">=", "<=>", "is null", "between"))
    if sign == "is null":
        return Node(f"{left.sql} is null", BOOLEAN, lambda seen: left.value(seen) is None)
    if sign == "between":
        sql = f"{left.sql} between {right.sql} and 10"
        return Node(sql, BOOLEAN, lambda seen: _between(left.value(seen), right.value(seen)))
    return Node(
        f"{left.sql} {sign} {right.sql}", BOOLEAN, lambda seen: _test(sign, left.value(seen), right.value(seen))
    )


def _between(value: Any, low: Any) -> bool | None:
    over_low = None if value is None or low is None else value >= low
    below = None if value is None else value <= 10
    if over_low is False or below is False:
        return False
    return None if over_low is None or below is None else True


def _test(sign: str, one: Any, two: Any) -> bool | None:
    if sign == "<=>":
        return bool(one == two)
    if one is None or two is None:
        return None
    return bool({"=": one == two, "<>": one != two, "<": one < two, ">=": one >= two}[sign])


def _folded(rng: random.Random, *, plain: bool) -> Node:
    """One aggregate; plain ones alone may stand over a window."""
    name = rng.choice(("sum", "sum", "sum", "avg", "min", "max", "count"))
    argument = _scalar(rng)
    if name == "avg" and argument.kind.name != "decimal":
        argument = exact.cast(argument, Kind("decimal", 20, 4))
    only = _compared(rng, rng.choice(_columns()), exact.literal("1")) if rng.random() < 0.3 else None
    distinct = not plain and rng.random() < 0.2
    return exact.folded(name, argument, distinct=distinct, only=only, clause=rng.random() < 0.7)


def _frame(rng: random.Random) -> Frame:
    key = rng.choice(
        (None, exact.column("k", INT), exact.arithmetic("%", exact.column("i", BIGINT), exact.literal("2")))
    )
    how = rng.randint(0, 4)
    if how == 0:
        return Frame(key)
    if how == 1:
        return Frame(key, "o", after=0)
    unit = "rows" if how < 4 else "range"
    ends = (rng.choice((None, 0, 1, 2)), rng.choice((None, 0, 1)))
    return Frame(key, "o", rng.random() < 0.3, unit, *ends)


def _over(rng: random.Random) -> Node:
    return exact.over(_folded(rng, plain=True), _frame(rng))


def _windowed(rng: random.Random) -> Node:
    return _combined(rng, lambda: _over(rng), rng.random() < 0.4)


def _grouped(rng: random.Random) -> Node:
    return _combined(rng, lambda: _folded(rng, plain=False), rng.random() < 0.4)


def _twins(rng: random.Random, made: Callable[[], Node]) -> dict[str, Node]:
    """Two or three expressions; in many cases two that differ by a cast alone, or one as a text."""
    nodes = [made() for _ in range(rng.randint(1, 2))]
    first = nodes[0]
    if rng.random() < 0.6:
        nodes.append(exact.cast(first, rng.choice((STRING, Kind("decimal", 38, 4)))) if first.kind != STRING else first)
    return {f"e{place}": node for place, node in enumerate(nodes)}


# Steps, the columns that come out of them, and their rows.
Expected = tuple[Mapping[str, Any], Mapping[str, Node], Any]
_WORDS = {"int": "INTEGER", "string": "VARCHAR"}


def _computed(nodes: Mapping[str, Node], groups: Sequence[Rows]) -> list[dict[str, Any]] | str:
    try:
        return [{name: node.value(seen) for name, node in nodes.items()} for seen in groups]
    except Stops:
        return STOPS


def _rows(lines: list[dict[str, Any]]) -> list[Rows]:
    return [Rows(lines, at) for at in range(len(lines))]


def _groups(lines: list[dict[str, Any]]) -> list[Rows]:
    return [Rows([line for line in lines if line["k"] == key]) for key in dict.fromkeys(line["k"] for line in lines)]


def _derive(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    nodes = _twins(rng, lambda: rng.choice((_scalar, _windowed, _windowed))(rng))
    return {"derive": {name: node.sql for name, node in nodes.items()}}, nodes, _computed(nodes, _rows(lines))


def _filter(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    test = _compared(rng, _windowed(rng), exact.literal(rng.choice(_LITERALS)))
    found = _computed({"i": exact.column("i", BIGINT), "test": test}, _rows(lines))
    kept = found if found == STOPS else [{"i": one["i"]} for one in found if one["test"]]  # type: ignore[index]
    return {"filter": {"rule": test.sql}}, {"i": exact.column("i", BIGINT)}, kept


def _aggregate(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    nodes = _twins(rng, lambda: _grouped(rng))
    step = {"aggregate": {"group_by": ["k"], "metrics": {name: node.sql for name, node in nodes.items()}}}
    nodes = {"k": exact.column("k", INT), **nodes}
    return step, nodes, _computed(nodes, _groups(lines))


def _items(nodes: Mapping[str, Node]) -> str:
    return ", ".join(f"{node.sql} as {name}" for name, node in nodes.items())


def _having(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    nodes = {"k": exact.column("k", INT), **_twins(rng, lambda: _grouped(rng))}
    test = _compared(rng, nodes["e0"], exact.literal(rng.choice(_LITERALS)))
    found = _computed({**nodes, "test": test}, _groups(lines))
    order = rng.choice(("", " order by k", " order by e0"))
    query = f"select {_items(nodes)} from input group by k having {test.sql}{order}"
    if found == STOPS:
        return {"sql": query}, nodes, STOPS
    kept = [{name: one[name] for name in nodes} for one in found if one["test"]]  # type: ignore[index]
    return {"sql": query}, nodes, kept


def _select(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    nodes = {"i": exact.column("i", BIGINT), **_twins(rng, lambda: _windowed(rng))}
    total = _folded(rng, plain=False)
    if rng.random() < 0.4:
        nodes["t"] = Node(f"(select {total.sql} from input)", total.kind, lambda seen: total.value(Rows(seen.rows)))
    return {"sql": f"select {_items(nodes)} from input"}, nodes, _computed(nodes, _rows(lines))


def _nested(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    """Sums of sums, in a query inside of another or before it."""
    inner = {"k": exact.column("k", INT), "x": _grouped(rng)}
    if inner["x"].kind.name != "decimal":
        inner["x"] = exact.cast(inner["x"], Kind("decimal", 30, 2))
    x = exact.column("x", inner["x"].kind)
    outer = {"e0": exact.folded(rng.choice(("sum", "avg", "max")), x)}
    outer["e1"] = exact.arithmetic(rng.choice("+-*"), outer["e0"], exact.literal(rng.choice(_LITERALS)))
    found = _computed(inner, _groups(lines))
    query = f"select {_items(inner)} from input group by k"
    whole = f"select {_items(outer)} from ({query}) t"
    if rng.random() < 0.5:
        whole = f"with t as ({query}) select {_items(outer)} from t"
    return {"sql": whole}, outer, STOPS if isinstance(found, str) else _computed(outer, [Rows(found)])


def _beside(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    """A window over the sums of groups."""
    total = _folded(rng, plain=False)
    while total.kind.name != "decimal":
        total = _folded(rng, plain=False)
    nodes = {"k": exact.column("k", INT), "x": total}
    found = _computed(nodes, _groups(lines))
    query = f"select k, {total.sql} as x, sum({total.sql}) over () as y from input group by k"
    whole = exact.folded("sum", exact.column("x", total.kind))
    y = STOPS if isinstance(found, str) else _computed({"y": whole}, [Rows(found)])
    rows = STOPS if isinstance(y, str) else [{**one, **y[0]} for one in found]  # type: ignore[dict-item]
    return {"sql": query}, {**nodes, "y": whole}, rows


def _union(rng: random.Random, lines: list[dict[str, Any]]) -> Expected:
    """The same expression on both sides of a union, or as text on one column of both."""
    nodes = {"k": exact.column("k", INT), "x": exact.cast(_grouped(rng), Kind("decimal", 38, 4))}
    found = _computed(nodes, _groups(lines))
    query = f"select {_items(nodes)} from input group by k"
    word = rng.choice(("union all", "union", "intersect"))
    rows = found if isinstance(found, str) else found * (2 if word == "union all" else 1)
    return {"sql": f"{query} {word} {query}"}, nodes, rows
