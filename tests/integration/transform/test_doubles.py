"""Doubles on both engines: beside a decimal nothing is cut to its digits, and there is one zero."""

from __future__ import annotations

from math import inf, nan

import pytest

VALUES = ("1e300", "'nan'", "'-inf'", "1.5", "NULL", "1e-20", "0.30000000000000004")
ROWS = (*(f"({place}, {value}::DOUBLE, 0.3::DECIMAL(38,10))" for place, value in enumerate(VALUES)),)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x > 0.0", [True, True, False, True, None, True, True]),
        ("x = 0.3", [False, False, False, False, None, False, False]),
        ("x <=> y", [False] * 7),
        ("y < x", [True, True, False, True, None, False, True]),
        ("x in (0.3, 1.5)", [False, False, False, True, None, False, False]),
        ("x not between 0.5 and 1.5", [True, True, True, False, None, True, True]),
        ("coalesce(x, 1.5)", [1e300, nan, -inf, 1.5, 1.5, 1e-20, 0.30000000000000004]),
        ("if(x > 2, y, x)", [0.3, 0.3, -inf, 1.5, None, 1e-20, 0.30000000000000004]),
        ("case when x > 2 then 0.0 else x end", [0.0, 0.0, -inf, 1.5, None, 1e-20, 0.30000000000000004]),
        ("case x when 0.3 then 'a' when 1.5 then 'b' end", [None, None, None, "b", None, None, None]),
        ("greatest(x, 0.0)", [1e300, nan, 0.0, 1.5, 0.0, 1e-20, 0.30000000000000004]),
        ("nullif(x, 0.3)", [1e300, nan, -inf, 1.5, None, 1e-20, 0.30000000000000004]),
    ],
)
def test_expressions(lab, expression, expected):
    out = lab.write(lab.values("i, x, y", *ROWS), {"derive": {"d": expression}})
    assert [repr(row[1]) for row in out.rows("i, d")] == [repr(value) for value in expected]


def test_filters_and_queries(lab):
    rows = lab.values("i, x, y", *ROWS)
    assert lab.write(rows, {"filter": {"more": "x > 0.3"}}).rows("i") == [(0,), (1,), (3,), (6,)]
    out = lab.write(rows, {"sql": "select i from (select *, x * 2 as twice from input) where twice = 0.6"})
    assert out.rows("i") == []


def test_distinct_values_are_counted_with_one_zero(lab):
    rows = lab.values("k, x", "(1, '-0.0'::DOUBLE)", "(1, 0.0)", "(1, 1.5)", "(1, NULL)")
    metrics = {"n": "count(distinct x)", "s": "cast(size(collect_set(x)) as int)", "sum": "sum(distinct x)"}
    out = lab.write(rows, {"aggregate": {"group_by": ["k"], "metrics": {"rows": "count(*)", **metrics}}})
    assert out.rows("rows, n, s, sum") == [(4, 2, 2, 1.5)]


def test_nan_beside_one_other_value_survives_being_written_and_read_again(lab):
    rows = lab.values("i, x", "(1, 0.5::DOUBLE)", "(2, 'nan')", "(3, 0.5)", "(4, 'nan')")
    # Sail writes 0.5 as the lowest and the highest value, and would read every row as that.
    again = {"sql": "select * from input"}
    out = lab.write(rows, again, again, {"filter": {"large": "x > 1"}})
    assert [(i, repr(x)) for i, x in out.rows("i, x")] == [(2, "nan"), (4, "nan")]
    metrics = {"rows": "count(*)"}
    folded = lab.write(rows, again, {"aggregate": {"group_by": ["x"], "metrics": metrics}})
    assert [(repr(x), count) for x, count in folded.rows("x, rows")] == [("0.5", 2), ("nan", 2)]


def test_a_double_becomes_a_decimal_by_its_digits(lab):
    values = ("1.005", "-33.355", "0.125", "2.675", "1e-7", "123456789012.345", "NULL")
    rows = lab.values("i, x", *(f"({place}, {value}::DOUBLE)" for place, value in enumerate(values)))
    wanted = ["1.01", "-33.36", "0.13", "2.68", "0.00", "123456789012.35", "None"]
    cast = lab.write(rows, {"cast": {"x": "decimal(20,2)"}})
    assert [str(row[1]) for row in cast.rows("i, x")] == wanted
    derived = lab.write(rows, {"derive": {"d": "cast(x as decimal(20,2))", "t": "try_cast(x as decimal(20,2))"}})
    assert [(str(row[1]), str(row[2])) for row in derived.rows("i, d, t")] == [(one, one) for one in wanted]


def test_joins(lab):
    lab.reference("prices", "SELECT * FROM (VALUES (0.3::DECIMAL(38,10), 'a'), (1.5, 'b')) t(price, name)")
    step = {"with": "prices", "on": {"x": "price"}, "columns": ["name"], "how": "inner"}
    assert lab.write(lab.values("i, x, y", *ROWS), {"join": step}).rows("i, name") == [(3, "b")]
    lab.reference("measures", "SELECT * FROM (VALUES (0.3::DOUBLE, 'a'), (1e300, 'b'), ('nan', 'c')) t(measure, name)")
    step = {"with": "measures", "on": {"y": "measure"}, "columns": ["name"]}
    assert {row[0] for row in lab.write(lab.values("i, x, y", *ROWS), {"join": step}).rows("name")} == {"a"}


def test_decimals_that_are_one_double_are_one_key(lab):
    keys = "(1234567890123456789.01::DECIMAL(38,10), 'a'), (1234567890123456789.02, 'b')"
    lab.reference("keys", f"SELECT * FROM (VALUES {keys}) t(key, name)")
    step = {"with": "keys", "on": {"x": "key"}, "columns": ["name"]}
    with pytest.raises(Exception, match="more than once: 1, so rows would multiply"):
        lab.write(lab.values("x", "(1.5::DOUBLE)"), {"join": step})
