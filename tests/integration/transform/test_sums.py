"""Sums of decimals that may need 29 digits and more: exact, in every place an expression can stand, on both engines."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

import pytest

from cloud_etl.errors import ConfigError, StepFailedError

LINES = (
    (1, 1, 1, "0.10"), (2, 1, 1, "0.20"), (3, 1, -1, "0.30"),
    (4, 2, 10, "0.10"), (5, 2, 2, "-7.15"), (6, 2, 2, "-7.15"), (7, 3, None, "1.00"),
)  # fmt: skip
ROWS = tuple(f"({i}, {k}, {'NULL' if q is None else q}::BIGINT, {price}::DECIMAL(12,2))" for i, k, q, price in LINES)
AMOUNTS: defaultdict[int, list[Decimal]] = defaultdict(list)
for _, key, quantity, unit_price in LINES:
    AMOUNTS[key] += [] if quantity is None else [quantity * Decimal(unit_price)]
SUMS = {key: sum(AMOUNTS[key]) if AMOUNTS[key] else None for _, key, _, _ in LINES}


def mean(values, digits="0.000001"):
    return (sum(values) / len(values)).quantize(Decimal(digits), ROUND_HALF_UP) if values else None


@pytest.fixture
def lines(lab):
    return lab.values("i, k, q, p", *ROWS)


@pytest.mark.parametrize(
    ("expression", "kind", "expected"),
    [
        ("sum(q * p) over (partition by k)", "DECIMAL(38,2)", SUMS),
        ("sum(q * p) over (partition by k) = 0", "BOOLEAN", {1: True, 2: False, 3: None}),
        ("cast(sum(q * p) over (partition by k) as decimal(38,0))", "DECIMAL(38,0)", {1: 0, 2: -28, 3: None}),
        ("coalesce(sum(q * p) over (partition by k) + 1, 0)", "DECIMAL(38,2)",
         {1: Decimal("1.00"), 2: Decimal("-26.60"), 3: Decimal("0.00")}),
        ("sum(q * p) filter (where p < 0) over (partition by k)", "DECIMAL(38,2)",
         {1: None, 2: Decimal("-28.60"), 3: None}),
        ("avg(q * p) over (partition by k)", "DECIMAL(37,6)", {key: mean(AMOUNTS[key]) for key in SUMS}),
        ("case when sum(q * p) over (partition by k) = sum(cast(q * p as double)) over (partition by k) then 'same' "
         "when count(q * p) over (partition by k) > 0 then 'other' end", "VARCHAR", {1: "other", 2: "same", 3: None}),
        ("concat(max(p) over (partition by k), max(cast(p as string)) over (partition by k))", "VARCHAR",
         {1: "0.300.30", 2: "0.100.10", 3: "1.001.00"}),
    ],
)  # fmt: skip
def test_over_windows(lab, lines, expression, kind, expected):
    out = lab.write(lines, {"derive": {"d": expression}})
    assert out.types["d"] == kind
    assert out.rows("i, d") == [(i, expected[k]) for i, k, _, _ in LINES]


def test_windows_that_differ_by_a_cast_alone_are_two(lab, lines):
    order = "row_number() over (order by cast(i as string) desc) - row_number() over (order by i)"
    assert [row[1] for row in lab.write(lines, {"derive": {"d": order}}).rows("i, d")] == [6, 4, 2, 0, -2, -4, -6]
    query = "select i, lag(i) over w as a, lag(cast(i as string)) over w as b from input window w as (order by i)"
    assert lab.write(lines, {"sql": query}).rows("a, b")[:2] == [(1, "1"), (2, "2")]
    query = "select i, sum(i) over w as a, sum(i) over v as b from input window w as (order by i), v as (order by -i)"
    assert lab.write(lines, {"sql": query}).rows("i, a, b")[1] == (2, 3, 27)


def test_frames_of_a_window(lab, lines):
    frame = "sum(q * p) over (partition by k order by i rows between 1 preceding and current row)"
    out = lab.write(lines, {"derive": {"d": frame}})
    assert [str(row[1]) for row in out.rows("i, d")] == ["0.10", "0.30", "-0.10", "1.00", "-13.30", "-28.60", "None"]


def test_filters(lab, lines):
    assert lab.write(lines, {"filter": {"even": "sum(q * p) over (partition by k) = 0"}}).rows("i") == [
        (1,),
        (2,),
        (3,),
    ]


def test_metrics_of_groups(lab, lines):
    metrics = {
        "s": "sum(q * p)", "t": "sum(q * p) + 1", "a": "avg(q * p)",
        "d": "sum(cast(q * p as double)) between -30 and 1e-10",
        "u": "sum(distinct q * p)", "f": "sum(q * p) filter (where p < 0)", "hi": "max(p)",
        "text": "max(cast(p as string))", "c": "case when sum(q * p) = 0 then 'even' end", "r": "round(sum(q * p), 1)",
    }  # fmt: skip
    out = lab.write(lines, {"aggregate": {"group_by": ["k"], "metrics": metrics}})
    shown = [tuple(map(str, row)) for row in out.rows(", ".join(metrics))]
    assert sorted(shown) == [
        ("-27.60", "-26.60", "-9.200000", "True", "-13.30", "-28.60", "0.10", "0.10", "None", "-27.6"),
        ("0.00", "1.00", "0.000000", "True", "0.00", "None", "0.30", "0.30", "even", "0.0"),
        ("None", "None", "None", "None", "None", "None", "1.00", "1.00", "None", "None"),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select k, sum(q * p) as s from input group by k having sum(q * p) < 1 order by sum(q * p) limit 1",
         [(2, Decimal("-27.60"))]),
        ("select cast(k as string) as t, sum(q * p) as s from input group by cast(k as string), k",
         [("1", Decimal("0.00")), ("2", Decimal("-27.60")), ("3", None)]),
        ("select cast(k as string) as t, k, count(*) as n from input group by 1, 2",
         [("1", 1, 3), ("2", 2, 3), ("3", 3, 1)]),
        ("select sum(s) as s from (select k, i, sum(q * p) as s from input group by k, i)", [(Decimal("-27.60"),)]),
        ("with sums as (select k, sum(q * p) as s from input group by k) select k from sums where s = 0", [(1,)]),
        ("select distinct (select sum(q * p) from input) as s, (select sum(cast(q as double)) from input) as n "
         "from input", [(Decimal("-27.60"), 15.0)]),
("select k, sum(q * p) as s from input group by k union all select k, avg(q * p) from input group by k having k = 1",
         [(1, Decimal("0.000000")), (1, Decimal("0.000000")), (2, Decimal("-27.600000")), (3, None)]),
    ],
)  # fmt: skip
def test_queries(lab, lines, query, expected):
    out = lab.write(lines, {"sql": query})
    assert out.rows(", ".join(name for name in out.types if name != "_row_id")) == expected


def test_the_largest_sum_has_38_digits(lab):
    rows = [f"(1, {'9' * 38}::DECIMAL(38,0))", "(2, 0)"]
    assert set(lab.write(lab.values("i, a", *rows), {"derive": {"d": "sum(a) over ()"}}).rows("d")) == {
        (Decimal("9" * 38),)
    }
    with pytest.raises(StepFailedError, match=r"^derive\.d "):
        lab.write(lab.values("i, a", *rows, "(3, 1)"), {"derive": {"d": "sum(a) over ()"}})


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
@pytest.mark.parametrize("query", [
    "select p from input union all select cast(q as double) from input",
    "with a as (select cast(q as double) as x from input) select * from a union select p from input",
    "select * from (select k, cast(p as double) from input except select k, p from input)",
])  # fmt: skip
def test_a_decimal_below_a_double_is_refused(lab, lines, query):
    with pytest.raises(ConfigError, match="cast one of them"):
        lab.run(lines, {"sql": query})


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
def test_a_filter_over_a_window_that_has_no_other_form_is_refused(lab, lines):
    with pytest.raises(ConfigError, match="write a case when inside the function"):
        lab.run(lines, {"derive": {"d": "first(q) filter (where p > 0) over (partition by k)"}})


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
def test_a_query_that_sail_cannot_place_is_refused_with_what_to_write(lab, lines):
    query = "select k from input group by k having max(q) = (select max(q) from input where k = 1)"
    with pytest.raises(ConfigError, match="in an inner SELECT"):
        lab.run(lines, {"sql": query})
