"""Numbers of several types in one expression: the same on both engines, and what Python's decimals give."""

from __future__ import annotations

from decimal import Decimal

import pytest
from scripts.parity import comparison
from scripts.parity.arithmetic import make_arithmetic_case

ROWS = (
    "(1, 1, 1.10::DECIMAL(12,2), 3::BIGINT, TIMESTAMP '2024-01-01 10:00:00')",
    "(2, 1, 0.90, NULL, TIMESTAMP '2024-01-02 00:00:00')",
    "(3, 2, -1.50, 4, NULL)",
)


@pytest.fixture
def numbers(lab):
    return lab.values("i, k, p, q, t", *ROWS)


@pytest.mark.parametrize(
    ("test", "kept"),
    [
        ("cast(p as int) = 1", [1]), ("cast(p as bigint) in (0, 5)", [2]), ("bigint(p) between 1 and 1", [1]),
        ("try_cast(p as int) <=> -1", [3]), ("cast(p as decimal(10,0)) = 1", [1, 2]), ("decimal(p) <> 1", [3]),
        ("cast(p as decimal(11,1)) = -1.5", [3]), ("p / 3 = 0.366667", [1]),
        ("avg(p / 3) over (order by i) > 0.3", [1, 2]),
        ("cast(cast(p as double) as int) = 1", [1]), ("cast(t as date) < date'2024-01-02'", [1]),
        ("cast(k as string) = '01'", []),
    ],
)  # fmt: skip
def test_a_cast_is_compared_after_it_was_made(lab, numbers, test, kept):
    assert lab.write(numbers, {"filter": {"rule": test}}).rows("i") == [(one,) for one in kept]


def test_a_cast_of_an_earlier_step_is_compared_after_it_was_made(lab, numbers):
    steps = {"derive": {"whole": "cast(p as int)"}}, {"filter": {"rule": "whole = 1"}}
    assert lab.write(numbers, *steps).rows("i, whole") == [(1, 1)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select avg(p) as x from input group by k having avg(p) = 1", [(Decimal("1.000000"),)]),
        (
            "with t as (select k, avg(p) / 7 as x from input group by k) select max(x) / 3 as x from t",
            [(Decimal("0.0476190467"),)],
        ),
        (
            "select count(distinct q) filter (where p <=> 1.1) + sum(p * q * q) filter (where i <=> 1) as x from input",
            [(Decimal("10.90"),)],
        ),
        ("select i from input where cast(p as int) = 1 or cast(t as date) > date'2024-01-02'", [(1,)]),
    ],
)
def test_queries(lab, numbers, query, expected):
    out = lab.write(numbers, {"sql": query})
    assert out.rows(", ".join(name for name in out.types if name != "_row_id")) == expected


@pytest.mark.parametrize(
    ("expression", "kind", "values"),
    [
        ("q * case when i = 1 then 1 else 0.5 end", "DECIMAL(32,1)", ["3.0", "None", "2.0"]),
        ("if(i = 1, 1, 0.5) + k", "DECIMAL(12,1)", ["2.0", "1.5", "2.5"]),
        ("case when q is null then k else p end", "DECIMAL(12,2)", ["1.10", "1.00", "-1.50"]),
        ("case when i = 1 then k when i = 2 then 10000000000 else q end * 2", "BIGINT", ["2", "20000000000", "8"]),
        ("case when i = 1 then 1 else 2.5D end * 2", "DOUBLE", ["2.0", "5.0", "5.0"]),
        ("case when i = 1 then null else p end + 1", "DECIMAL(13,2)", ["None", "1.90", "-0.50"]),
        ("coalesce(q, p)", "DECIMAL(22,2)", ["3.00", "0.90", "4.00"]),
        ("greatest(k, p) * 2", "DECIMAL(14,2)", ["2.20", "2.00", "4.00"]),
        ("case when i = 1 then cast(t as date) else t end", "TIMESTAMP",
         ["2024-01-01 00:00:00", "2024-01-02 00:00:00", "None"]),
        ("nullif(p, 0.9D)", "DECIMAL(12,2)", ["1.10", "None", "-1.50"]),
        ("nullif(cast(p as decimal(3,1)), 1)", "DECIMAL(3,1)", ["1.1", "0.9", "-1.5"]),
        ("case i when 1.0 then 'a' when 2.5 then 'b' end", "VARCHAR", ["a", "None", "None"]),
    ],
)  # fmt: skip
def test_a_choice_among_types_has_the_type_that_holds_them_all(lab, numbers, expression, kind, values):
    out = lab.write(numbers, {"derive": {"x": expression}})
    assert out.types["x"].removesuffix(" WITH TIME ZONE") == kind
    assert [str(value).removesuffix("+00:00") for _, value in out.rows("i, x")] == values


def test_an_expression_may_stand_beside_itself_as_a_text(lab, numbers):
    running = "sum(q) over (partition by (i % 2) order by k, i rows between unbounded preceding and current row)"
    query = f"select i, {running} as a, cast({running} as string) as b from input"
    assert lab.write(numbers, {"sql": query}).rows("i, a, b") == [(1, 3, "3"), (2, None, None), (3, 7, "7")]


@pytest.mark.parametrize("number", range(8))
def test_generated_arithmetic_gives_what_exact_decimals_give(number, sail, tmp_path):
    case = make_arithmetic_case(number)
    answer = comparison.compare(case, (sail,), tmp_path)
    assert answer.difference is None, f"{answer.difference}\n{case}"


@pytest.mark.xdist_group("spark")
@pytest.mark.parametrize("number", range(100, 104))
def test_the_rules_of_the_exact_decimals_are_those_of_spark(number, sail, spark, tmp_path):
    case = make_arithmetic_case(number)
    answer = comparison.compare(case, (sail, spark), tmp_path)
    assert answer.difference is None, f"{answer.difference}\n{case}"
