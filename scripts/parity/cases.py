"""Random cases for the comparison of engines: a schema, dirty rows, steps, checks and outputs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Values of each type as DuckDB reads them: what engines tend to read differently, but for what the docs list.
VALUES: Mapping[str, tuple[str, ...]] = {
    "integer": ("0", "1", "-1", "2147483647", "-2147483648", "7", "42", "1000"),
    "bigint": ("0", "1", "-1", "9223372036854775807", "-9223372036854775808", "10000000000", "3"),
    "double": ("0.0", "1.5", "2.5", "0.1", "1e300", "-1e-300", "1e10", "'nan'", "'inf'", "'-inf'", "123.456"),
    "decimal(12,2)": ("0", "1.50", "-0.01", "9999999999.99", "-9999999999.99", "2.50", "0.10", "12.00"),
    "decimal(38,10)": ("0", "0.0000000001", "-1.5", "1234567890123456789.0123456789", "12.5"),
    "string": ("''", "'a'", "'A'", "' a '", "'1'", "'12.50'", "' 7'", "'x=y'", "'ü…😀'", "'null'",
               "'2024-02-30'", "'2024-02-29'", "'true'", "E'two\\nlines'", "'+3'", "'0x1'", "'-0'",
               "'9999999999999'"),
    "boolean": ("true", "false"),
    "date": ("'1970-01-01'", "'2024-02-29'", "'1582-10-04'", "'0001-01-01'", "'9999-12-31'", "'2023-12-31'"),
    "timestamp": ("'1970-01-01 00:00:00'", "'2024-02-29 23:59:59.999999'", "'1969-12-31 23:59:59.5'",
                  "'2024-03-31 02:30:00'", "'1900-01-01 00:00:00'"),
}  # fmt: skip
_SQL = {"integer": "INTEGER", "string": "VARCHAR"}
NUMBERS = ("integer", "bigint", "double", "decimal(12,2)", "decimal(38,10)")
Columns = dict[str, str]


@dataclass(frozen=True)
class Case:
    """What both engines are given."""

    number: int
    columns: Columns
    rows: str
    steps: tuple[Mapping[str, Any], ...]
    checks: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]

    @property
    def pipeline(self) -> dict[str, Any]:
        """As a pipeline file."""
        return {
            "pipeline": "p",
            "source": {"path": "raw", "format": "csv"},
            "schema": {name: {"type": kind} for name, kind in self.columns.items()},
            "transform": list(self.steps),
            "quality": {"checks": list(self.checks)},
            "outputs": list(self.outputs),
        }

    def __str__(self) -> str:
        steps = "\n".join(f"  {json.dumps(step)}" for step in (*self.steps, *self.checks, *self.outputs))
        return f"case {self.number}: {self.columns}\n{steps}\n  {self.rows}"


def make_case(number: int) -> Case:
    """The case of that number, always the same."""
    rng = random.Random(number)  # noqa: S311 - cases must repeat, not surprise
    kinds = ["string", "integer", *rng.sample(sorted(VALUES), rng.randint(2, 5))]
    columns = {f"c{place}": kind for place, kind in enumerate(kinds)}
    if rng.random() < 0.1:
        columns["odd name.x"] = "string"
    rows = _rows(rng, columns)
    after = dict(columns)
    steps = tuple(
        step for _ in range(rng.randint(1, 5)) if (step := rng.choice(_STEPS)(rng, after, columns)) is not None
    )
    checks = tuple({_label(check): check for _ in range(rng.randint(0, 2)) for check in [_check(rng, after)]}.values())
    return Case(number, columns, rows, steps, checks, _outputs(rng, after))


def _rows(rng: random.Random, columns: Columns) -> str:
    def cell(kind: str) -> str:
        value = "NULL" if rng.random() < 0.2 else rng.choice(VALUES[kind])
        quoted = value if value == "NULL" or value.endswith("'") else f"'{value}'"
        return f"{quoted}::{_SQL.get(kind, kind.upper())}"

    lines = [f"({', '.join(cell(kind) for kind in columns.values())})" for _ in range(rng.randint(1, 25))]
    lines += rng.choices(lines, k=rng.randint(0, 5))
    names = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT * FROM (VALUES {', '.join(lines)}) t({names})"


def _pick(rng: random.Random, columns: Columns, *kinds: str) -> str | None:
    names = [name for name, kind in columns.items() if kind in kinds or not kinds]
    return rng.choice(names) if names else None


def _quoted(name: str) -> str:
    return f"`{name}`"


def _deduplicate(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any]:
    keys = rng.sample(sorted(after), rng.randint(1, min(2, len(after))))
    step: dict[str, Any] = {"keys": keys}
    if rng.random() < 0.6:
        step["order_by"] = [f"{_quoted(str(_pick(rng, after)))} {rng.choice(['asc', 'desc'])}"]
    return {"deduplicate": step}


def _drop_nulls(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any]:
    return {"drop_nulls": rng.sample(sorted(after), 1)}


def _fill_nulls(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any] | None:
    name = _pick(rng, after, "integer", "string", "boolean", "decimal(12,2)", "double")
    values = {"integer": 5, "string": "none", "boolean": True, "decimal(12,2)": 1.25, "double": 0.5}
    return {"fill_nulls": {name: values[after[name]]}} if name else None


def _cast(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any] | None:
    name = str(_pick(rng, after))
    targets = {
        "string": ("integer", "bigint", "decimal(12,2)", "date", "boolean", "double"),
        "integer": ("bigint", "string", "decimal(12,2)", "double"),
        "bigint": ("integer", "string", "decimal(12,2)"),
        "double": ("integer", "bigint", "decimal(12,2)"),
        "decimal(12,2)": ("integer", "double", "string", "decimal(38,10)"),
        "decimal(38,10)": ("decimal(12,2)", "bigint", "string"),
        "boolean": ("string", "integer"),
        "date": ("timestamp", "string"),
        "timestamp": ("date", "string"),
    }
    target = rng.choice(targets[after[name]])
    after[name] = target
    return {"cast": {name: target}}


# Expressions by the types they take and give; {a} and {b} stand for columns.
EXPRESSIONS: tuple[tuple[str, str, str, str], ...] = (
    ("{a} + {b}", "integer", "integer", "integer"), ("{a} * {b}", "integer", "integer", "integer"),
    ("{a} - 1", "bigint", "", "bigint"), ("cast({a} as bigint) * {b}", "integer", "integer", "bigint"),
    ("{a} % 7", "integer", "", "integer"), ("abs({a})", "decimal(12,2)", "", "decimal(12,2)"),
    ("cast({a} * {b} as decimal(38,10))", "decimal(12,2)", "decimal(12,2)", "decimal(38,10)"),
    ("cast({a} + {b} as decimal(12,2))", "decimal(12,2)", "integer", "decimal(12,2)"),
    ("cast({a} / 3 as decimal(12,2))", "decimal(12,2)", "", "decimal(12,2)"),
    ("cast({a} / nullif({b}, 0) as decimal(38,10))", "decimal(12,2)", "integer", "decimal(38,10)"),
    ("{a} / 3", "integer", "", "double"), ("{a} * 2.5D", "double", "", "double"),
    ("round({a}, 1)", "decimal(12,2)", "", ""), ("floor({a})", "decimal(12,2)", "", ""),
    ("upper(trim({a}))", "string", "", "string"), ("length({a})", "string", "", "integer"),
    ("concat({a}, '-', {b})", "string", "string", "string"), ("coalesce({a}, {b}, 'z')", "string", "string", "string"),
    ("substring({a}, 1, 2)", "string", "", "string"), ("replace({a}, 'a', 'b')", "string", "", "string"),
    ("case when {a} > 0 then 'p' when {a} < 0 then 'n' end", "integer", "", "string"),
    ("{a} is null", "string", "", "boolean"), ("{a} and {b}", "boolean", "boolean", "boolean"),
    ("try_cast({a} as integer)", "string", "", "integer"), ("try_cast({a} as date)", "string", "", "date"),
    ("try_cast({a} as decimal(12,2))", "string", "", "decimal(12,2)"),
    ("try_cast({a} as double)", "string", "", "double"),
    ("date_add({a}, 1)", "date", "", "date"), ("datediff({a}, {b})", "date", "date", "integer"),
    ("year({a})", "date", "", "integer"), ("date_trunc('month', {a})", "timestamp", "", "timestamp"),
    ("cast({a} as string)", "timestamp", "", "string"), ("cast({a} as string)", "decimal(12,2)", "", "string"),
    ("greatest({a}, {b})", "integer", "integer", "integer"), ("if({a} = {b}, 1, 0)", "string", "string", "integer"),
    ("{a} in (1, 2, 42)", "integer", "", "boolean"), ("{a} like '%a%'", "string", "", "boolean"),
    ("isnan({a})", "double", "", "boolean"), ("md5({a})", "string", "", "string"), ("-{a}", "integer", "", "integer"),
    ("nullif({a}, '')", "string", "", "string"),
    ("cast(if(abs({a}) < 1e9D, {a}, 0D) as decimal(12,2))", "double", "", "decimal(12,2)"),
)  # fmt: skip


def _expression(rng: random.Random, after: Columns, *gives: str) -> tuple[str, str] | None:
    for _ in range(20):
        text, first, second, kind = rng.choice(EXPRESSIONS)
        a, b = _pick(rng, after, first), _pick(rng, after, second) if second else ""
        if a and b is not None and (not gives or kind in gives):
            return text.format(a=_quoted(a), b=_quoted(b)), kind
    return None


def _derive(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any] | None:
    found = _expression(rng, after)
    if found is None:
        return None
    name = f"d{len(after)}"
    if found[1]:
        after[name] = found[1]
    return {"derive": {name: found[0]}}


def _filter(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any] | None:
    found = _expression(rng, after, "boolean")
    return {"filter": {f"rule{rng.randint(0, 99)}": found[0]}} if found else None


def _date_parts(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any] | None:
    name = _pick(rng, after, "date", "timestamp")
    if name is None:
        return None
    parts = ["date", "year", "quarter", "month", "week", "day", "weekday", "day_of_year", "hour", "minute", "second"]
    if after[name] == "date":
        parts = parts[:-3]
    return {"date_parts": {"of": name, "parts": rng.sample(parts, 3)}}


def _sql(rng: random.Random, after: Columns, _: Columns) -> Mapping[str, Any]:
    name = _quoted(str(_pick(rng, after)))
    return {"sql": f"select *, count(*) over (partition by {name}) as n{rng.randint(0, 9)} from input"}


_STEPS: tuple[Callable[[random.Random, Columns, Columns], Mapping[str, Any] | None], ...] = (
    _deduplicate, _drop_nulls, _fill_nulls, _cast, _derive, _derive, _derive, _filter, _date_parts, _sql,
)  # fmt: skip


def _check(rng: random.Random, after: Columns) -> Mapping[str, Any]:
    name = str(_pick(rng, after))
    made: list[Mapping[str, Any]] = [{"not_null": {"columns": [name]}}, {"unique": {"columns": [name]}}]
    if number := _pick(rng, after, "integer", "double", "decimal(12,2)"):
        made.append({"range": {"column": number, "min": 0, "max": 100}})
        made.append({"in_set": {"column": number, "values": [0, 1, 2]}})
    if text := _pick(rng, after, "string"):
        made.append({"pattern": {"column": text, "regex": r"[a-z]*\d?"}})
    if found := _expression(rng, after, "boolean"):
        made.append({"expression": {"that": found[0], "name": "rule"}})
    return rng.choice(made)


def _label(check: Mapping[str, Any]) -> str:
    """What makes two checks the same one: they must not share a name."""
    [(kind, body)] = check.items()
    return f"{kind} {body.get('column') or body.get('columns')}"


def _outputs(rng: random.Random, after: Columns) -> tuple[Mapping[str, Any], ...]:
    whole: dict[str, Any] = {"name": "whole"}
    if rng.random() < 0.3 and (part := _pick(rng, after, "string", "boolean", "date", "integer")):
        whole["partition_by"] = [part]
    metrics = {"n": "count(*)"}
    if number := _pick(rng, after, "integer", "decimal(12,2)"):
        metrics |= {"s": f"sum({_quoted(number)})", "lo": f"min({_quoted(number)})", "hi": f"max({_quoted(number)})"}
        metrics |= {"a": f"cast(avg(cast({_quoted(number)} as decimal(18,4))) as decimal(18,4))"}
    metrics |= {"d": f"count(distinct {_quoted(str(_pick(rng, after)))})"}
    group = _pick(rng, after, "string", "boolean", "date", "integer")
    folded = {"name": "folded", "aggregate": {"group_by": [group] if group else [], "metrics": metrics}}
    return whole, folded
