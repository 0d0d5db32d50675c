"""Expressions of derive, filter and checks."""

from __future__ import annotations

import random

from scripts.parity.values import Columns, pick, quoted

# By the types they take and give; {a} and {b} stand for columns.
EXPRESSIONS: tuple[tuple[str, str, str, str], ...] = (
    ("{a} + {b}", "integer", "integer", "integer"), ("{a} * {b}", "integer", "integer", "integer"),
    ("{a} - 1", "bigint", "", "bigint"), ("cast({a} as bigint) * {b}", "integer", "integer", "bigint"),
    ("{a} % 7", "integer", "", "integer"), ("abs({a})", "decimal(12,2)", "", "decimal(12,2)"),
    ("pmod({a}, 7)", "integer", "", "integer"), ("{a} div 3", "bigint", "", "bigint"),
    ("sign({a})", "double", "", "double"),
    ("cast({a} * {b} as decimal(38,10))", "decimal(12,2)", "decimal(12,2)", "decimal(38,10)"),
    ("cast({a} + {b} as decimal(12,2))", "decimal(12,2)", "integer", "decimal(12,2)"),
    ("cast({a} / 3 as decimal(12,2))", "decimal(12,2)", "", "decimal(12,2)"),
    ("cast({a} / nullif({b}, 0) as decimal(38,10))", "decimal(12,2)", "integer", "decimal(38,10)"),
    ("{a} / 3", "integer", "", "double"), ("{a} * 2.5D", "double", "", "double"),
    ("{a} + {b}", "double", "double", "double"),
    ("round({a}, 1)", "decimal(12,2)", "", ""), ("floor({a})", "decimal(12,2)", "", ""),
    ("ceil({a})", "double", "", "bigint"),
    ("upper(trim({a}))", "string", "", "string"), ("length({a})", "string", "", "integer"),
    ("lower({a})", "string", "", "string"), ("reverse({a})", "string", "", "string"),
    ("left({a}, 2)", "string", "", "string"),
    ("lpad({a}, 5, '0')", "string", "", "string"), ("translate({a}, 'a1', 'b2')", "string", "", "string"),
    ("instr({a}, 'a')", "string", "", "integer"), ("concat_ws('|', {a}, {b})", "string", "string", "string"),
    ("regexp_replace({a}, '[0-9]+', '#')", "string", "", "string"),
    ("regexp_extract({a}, '([a-z]+)', 1)", "string", "", "string"),
    ("{a} rlike '^[0-9.]+$'", "string", "", "boolean"), ("startswith({a}, 'a')", "string", "", "boolean"),
    ("concat({a}, '-', {b})", "string", "string", "string"), ("coalesce({a}, {b}, 'z')", "string", "string", "string"),
    ("substring({a}, 1, 2)", "string", "", "string"), ("replace({a}, 'a', 'b')", "string", "", "string"),
    ("case when {a} > 0 then 'p' when {a} < 0 then 'n' end", "integer", "", "string"),
    ("{a} is null", "string", "", "boolean"), ("{a} and {b}", "boolean", "boolean", "boolean"),
    ("not {a} or {b}", "boolean", "boolean", "boolean"), ("{a} <=> {b}", "string", "string", "boolean"),
    ("{a} = {b}", "double", "double", "boolean"), ("{a} > {b}", "double", "double", "boolean"),
    ("{a} < {b}", "decimal(12,2)", "integer", "boolean"), ("{a} >= {b}", "decimal(38,10)", "decimal(12,2)", "boolean"),
    ("{a} between 0 and 100", "integer", "", "boolean"), ("{a} <> {b}", "date", "date", "boolean"),
    # Texts like 1e2 and 1.5d are listed in docs/reference/engines.md.
    ("try_cast(nullif(nullif({a}, '1e2'), '1.5d') as integer)", "string", "", "integer"),
    ("try_cast(nullif(nullif({a}, '1e2'), '1.5d') as bigint)", "string", "", "bigint"),
    ("try_cast(nullif(nullif({a}, '1e2'), '1.5d') as decimal(12,2))", "string", "", "decimal(12,2)"),
    ("try_cast(nullif(nullif({a}, '1e2'), '1.5d') as double)", "string", "", "double"),
    ("try_cast({a} as date)", "string", "", "date"), ("try_divide({a}, {b})", "integer", "integer", "double"),
    ("date_add({a}, 1)", "date", "", "date"), ("datediff({a}, {b})", "date", "date", "integer"),
    ("add_months({a}, 1)", "date", "", "date"), ("last_day({a})", "date", "", "date"),
    ("year({a})", "date", "", "integer"), ("date_trunc('month', {a})", "timestamp", "", "timestamp"),
    ("quarter({a})", "date", "", "integer"), ("weekday({a})", "date", "", "integer"),
    ("dayofweek({a})", "date", "", "integer"), ("weekofyear({a})", "date", "", "integer"),
    ("date_format({a}, 'yyyy-MM')", "timestamp", "", "string"), ("hour({a})", "timestamp", "", "integer"),
    ("{a} + interval 1 day", "timestamp", "", "timestamp"), ("cast({a} as date)", "timestamp", "", "date"),
    ("cast({a} as string)", "timestamp", "", "string"), ("cast({a} as string)", "decimal(12,2)", "", "string"),
    ("greatest({a}, {b})", "integer", "integer", "integer"), ("least({a}, {b})", "double", "double", "double"),
    ("if({a} = {b}, 1, 0)", "string", "string", "integer"), ("{a} in (1, 2, 42)", "integer", "", "boolean"),
    ("{a} like '%a%'", "string", "", "boolean"), ("isnan({a})", "double", "", "boolean"),
    ("md5({a})", "string", "", "string"), ("sha2({a}, 256)", "string", "", "string"),
    ("-{a}", "integer", "", "integer"),
    ("nullif({a}, '')", "string", "", "string"), ("get_json_object({a}, '$.b')", "json", "", "string"),
    ("cast(if(abs({a}) < 1e9D, {a}, 0D) as decimal(12,2))", "double", "", "decimal(12,2)"),
)  # fmt: skip


def expression(rng: random.Random, columns: Columns, *gives: str) -> tuple[str, str] | None:
    """An expression over the columns and its type, one of the wanted; None where none was found."""
    for _ in range(20):
        text, first, second, kind = rng.choice(EXPRESSIONS)
        a, b = pick(rng, columns, first), pick(rng, columns, second) if second else ""
        if a and b is not None and (not gives or kind in gives):
            return text.format(a=quoted(a), b=quoted(b)), kind
    return None


def metrics(rng: random.Random, columns: Columns) -> dict[str, str]:
    """Metrics of an aggregate."""
    made = {"n": "count(*)"}
    if number := pick(rng, columns, "integer", "decimal(12,2)"):
        a = quoted(number)
        made |= {"s": f"sum({a})", "lo": f"min({a})", "hi": f"max({a})"}
        made |= {"a": f"cast(avg(cast({a} as decimal(18,4))) as decimal(18,4))"}
    if name := pick(rng, columns):
        made |= {"d": f"count(distinct {quoted(name)})", "c": f"count({quoted(name)})"}
    if text := pick(rng, columns, "string", "date", "timestamp"):
        made |= {"first": f"min({quoted(text)})", "last": f"max({quoted(text)})"}
    if answer := pick(rng, columns, "boolean"):
        made |= {"all": f"bool_and({quoted(answer)})", "yes": f"count_if({quoted(answer)})"}
    return made
