"""Each step on the engine: what it makes, and which rows it takes out and why."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from cloud_etl.errors import ConfigError, StepFailedError

from .conftest import select


def test_drop_nulls_counts_a_row_for_the_first_column_it_lacks(lab):
    rows = lab.values("a, b", "(1, 1)", "(NULL, 1)", "(1, NULL)", "(NULL, NULL)")
    out = lab.write(rows, {"drop_nulls": ["a", "b"]})
    assert out.dropped == {"drop_nulls.a": 2, "drop_nulls.b": 1}
    assert out.written.dropped("null_dropped")[0].fate.step == "drop_nulls"


def test_the_same_step_twice_has_two_accounts(lab):
    rows = lab.values("a", "(1)", "(NULL)")
    out = lab.write(rows, {"drop_nulls": ["a"]}, {"drop_nulls": ["a"]})
    assert [step.rows for step in out.written.steps] == [1, 0]


def test_fill_nulls_keeps_the_types(lab):
    columns = {"d": "DECIMAL(5,4)", "s": "VARCHAR", "t": "TIMESTAMP", "b": "BIGINT", "o": "BOOLEAN"}
    rows = "SELECT " + ", ".join(f"NULL::{kind} AS {name}" for name, kind in columns.items())
    fill = {"d": 0.25, "s": "none", "t": "2024-01-02 03:04:05", "b": 7, "o": False}
    out = lab.write(rows, {"fill_nulls": fill})
    assert out.rows("d, s, t, b, o") == [(Decimal("0.2500"), "none", datetime(2024, 1, 2, 3, 4, 5), 7, False)]
    assert out.types == columns


@pytest.mark.parametrize(
    ("values", "target", "kept", "rejected"),
    [
        ("('1'), ('x'), (' 2 '), (NULL), ('1.5'), ('99999999999')", "integer", [1, 2, None], 3),
        ("(1.0::DECIMAL(4,1)), (1.5::DECIMAL(4,1))", "integer", [1], 1),
        ("(1e0::DOUBLE), (1.5::DOUBLE), ('nan'::DOUBLE), (1e30::DOUBLE)", "bigint", [1], 3),
        ("('1.23'), ('1.239'), ('1234567890123')", "decimal(12,2)", [Decimal("1.23")], 2),
        ("(1.2300::DECIMAL(8,4)), (1.2345::DECIMAL(8,4))", "decimal(8,2)", [Decimal("1.23")], 1),
        ("(10000000000::BIGINT), (7::BIGINT)", "integer", [7], 1),
        ("('2024-02-29'), ('2024-02-30')", "date", [date(2024, 2, 29)], 1),
        ("('true'), ('maybe')", "boolean", [True], 1),
        ("(1), (2)", "string", ["1", "2"], 0),
    ],
)
def test_cast_rejects_what_does_not_fit_and_never_makes_a_null(lab, values, target, kept, rejected):
    out = lab.write(f"SELECT * FROM (VALUES {values}) t(v)", {"cast": {"v": target}})
    assert out.rows("v") == [(value,) for value in kept]
    assert out.dropped == {"cast.v": rejected}
    assert all(file.fate.status == "rejected" for file in out.written.files if file.fate)


def test_a_cast_keeps_what_it_refused_through_all_that_follows(lab):
    values = "('x1', '5', 1), ('7', ' y', 2), ('8', '9', 3), ('z', 'z', 4), (NULL, '6', 1)"
    steps = [
        {"derive": {"c": "concat(a, '!')"}},
        {"cast": {"a": "integer"}},
        {"cast": {"b": "integer"}},
        {"cast": {"c": "double"}},
        {"rename": {"a": "number"}},
        {"deduplicate": {"keys": ["k"]}},
        {"drop": ["b"]},
    ]
    out = lab.write(f"SELECT a, b, k FROM (VALUES {values}) t(a, b, k)", *steps)
    assert out.rows("k, _refused", of="cast.a") == [(1, "x1"), (4, "z")]
    assert out.rows("k, _refused", of="cast.b") == [(2, " y")]
    assert out.rows("k, _refused", of="cast.c") == [(3, "8!")]
    assert out.rows("number, c, k, _refused") == [(None, None, 1, None)]


def test_what_a_cast_refused_does_not_go_on_behind_a_barrier(lab):
    out = lab.write(
        "SELECT * FROM (VALUES ('x'), ('5')) t(v)", {"cast": {"v": "integer"}}, {"sql": "select * from input"}
    )
    assert out.types == {"v": "INTEGER"}
    [refused] = [file for file in out.transformed.earlier[0].files if file.fate]
    assert select([refused], "_refused") == [("x",)]


def test_derive_sees_the_columns_made_before_it(lab):
    out = lab.write(
        "SELECT 2 AS q, 1.50::DECIMAL(6,2) AS p", {"derive": {"a": "q * p", "b": "cast(a * 2 as decimal(8,2))"}}
    )
    assert out.rows("a, b") == [(Decimal("3.00"), Decimal("6.00"))]
    assert out.types["b"] == "DECIMAL(8,2)"


def test_an_expression_is_not_computed_for_rows_that_are_out(lab):
    rows = lab.values("a, s", "(1, 'x')", "(0, 'y')")
    steps = [
        {"filter": {"not_zero": "a <> 0"}},
        {"derive": {"b": "10 / a", "s": "upper(s)"}},
        {"filter": {"big": "10 % a = 0"}},
    ]
    out = lab.write(rows, *steps)
    assert out.rows("a, b, s") == [(1, 10.0, "X")]
    assert out.rows("a, b, s", of="not_zero") == [(0, None, "y")]


def test_timestamps_are_written_in_utc_without_a_zone(lab):
    rows = "SELECT TIMESTAMP '2024-01-02 03:04:05.678901' AS t"
    out = lab.write(
        rows, {"derive": {"u": "cast('2024-01-02T03:00:00+02:00' as timestamp)", "v": "t + interval 1 day"}}
    )
    assert out.rows("t, u, v") == [
        (datetime(2024, 1, 2, 3, 4, 5, 678901), datetime(2024, 1, 2, 1), datetime(2024, 1, 3, 3, 4, 5, 678901))
    ]
    assert set(out.types.values()) == {"TIMESTAMP"}


def test_date_parts_are_those_of_iso_8601(lab):
    parts = ["date", "year", "quarter", "month", "week", "day", "weekday", "day_of_year", "hour", "minute", "second"]
    out = lab.write("SELECT TIMESTAMP '2024-12-30 23:59:58' AS t", {"date_parts": {"of": "t", "parts": parts}})
    assert out.rows(", ".join(f"t_{part}" for part in parts)) == [
        (date(2024, 12, 30), 2024, 4, 12, 1, 30, 1, 365, 23, 59, 58)
    ]
    assert {kind for name, kind in out.types.items() if name not in ("t", "t_date")} == {"INTEGER"}


def test_a_week_begins_with_monday_and_ends_with_sunday(lab):
    days = lab.values("d", *(f"(DATE '2023-12-{day}')" for day in range(25, 32)))
    assert lab.write(days, {"date_parts": {"of": "d", "parts": ["weekday"]}}).rows("d_weekday") == [
        (number,) for number in range(1, 8)
    ]


def test_filter_keeps_only_rows_for_which_the_rule_is_true(lab):
    rows = lab.values("a", "(1)", "(-1)", "(NULL)")
    out = lab.write(rows, {"filter": {"positive": "a > 0", "small": "a < 10"}})
    assert out.rows("a") == [(1,)]
    assert out.dropped == {"positive": 2, "small": 0}


def test_rename_swaps_names_and_select_and_drop_choose(lab):
    out = lab.write("SELECT 1 AS a, 2 AS b, 3 AS c", {"rename": {"a": "b", "b": "a"}}, {"drop": ["c"]})
    assert out.rows("a, b") == [(2, 1)]
    assert list(out.types) == ["b", "a"]
    assert list(lab.write("SELECT 1 AS a, 2 AS b, 3 AS c", {"select": ["c", "a"]}).types) == ["c", "a"]


def test_integer_arithmetic_does_not_wrap_around(lab):
    rows = lab.values("a, b", "(100000::INTEGER, 100000::INTEGER)")
    for expression in ("a * b", "a * b + 1", "a * b * 2", "cast(a * b as bigint)", "2000000000 + 2000000000 + a"):
        with pytest.raises(StepFailedError, match=r"derive\.c gives a number that its type cannot hold"):
            lab.write(rows, {"derive": {"c": expression}})
    wide = "SELECT 9223372036854775807::BIGINT AS a"
    with pytest.raises(StepFailedError, match=r"derive\.c"):
        lab.write(wide, {"derive": {"c": "a + 1"}})


@pytest.mark.parametrize(
    "query",
    [
        "select a + a as b from input",
        "with t as (select a * 2 as q from input) select q from t",
        "select sum(cast(a as bigint) * 4294967296) as s from input",
        "select x.a * y.a as p from input x join input y on x.a = y.a",
        "select sum(w) over () as s from (select 9223372036854775807 as w from input)",
    ],
)
def test_a_query_does_not_wrap_around(lab, query):
    rows = lab.values("a", "(2147483647::INTEGER)", "(2147483647)")
    with pytest.raises(StepFailedError, match=r"number that its type cannot hold|stopped with"):
        lab.write(rows, {"sql": query})


def test_decimals_are_divided_and_averaged_alike(lab):
    rows = lab.values("a, b", "(0.05::DECIMAL(12,2), 3.00::DECIMAL(12,2))", "(NULL, 1.00)")
    out = lab.write(
        rows, {"derive": {"c": "a / 3", "d": "a / b", "e": "round(a)", "f": "nvl(a, 0)"}}, {"select": list("cdef")}
    )
    assert list(out.types.values()) == ["DECIMAL(16,6)", "DECIMAL(27,15)", "DECIMAL(11,0)", "DECIMAL(12,2)"]
    assert out.rows()[0][:2] == (Decimal("0.016667"), Decimal("0.016666666666667"))


@pytest.mark.parametrize("unit", ["week", "month", "quarter", "year", "hour"])
def test_dates_of_all_years_are_truncated(lab, unit):
    rows = lab.values("a", "('0001-01-01'::TIMESTAMP)", "('9999-12-31 23:59:59.999999')", "('2024-12-29 12:30:00')")
    out = lab.write(rows, {"derive": {"b": f"date_trunc('{unit}', a)", "c": "weekday(a)"}})
    last = {"week": (12, 27), "month": (12, 1), "quarter": (10, 1), "year": (1, 1), "hour": (12, 31)}[unit]
    hour = 23 if unit == "hour" else 0
    found = {row[0] for row in out.rows("b")}
    assert {datetime(1, 1, 1), datetime(9999, *last, hour)} <= found
    assert sorted(row[0] for row in out.rows("c")) == [0, 4, 6]


def test_whole_decimals_keep_their_type(lab):
    out = lab.write(lab.values("a", "(5::DECIMAL(20,0))"), {"derive": {"b": "floor(a)", "c": "ceil(a)"}})
    assert list(out.types.values())[1:] == ["DECIMAL(20,0)", "DECIMAL(20,0)"]


def test_a_hashed_text_can_be_a_key(lab):
    rows = lab.values("a", "('x')", "('x')", "('y')", "(NULL)")
    out = lab.write(rows, {"derive": {"k": "md5(a)"}}, {"deduplicate": {"keys": ["k"]}})
    assert out.dropped == {"deduplicate.k": 1}


def test_text_is_cast_in_one_way_on_every_engine(lab):
    rows = lab.values("a, b, c", "('12.5', '1e2', '2024-05-10')", "('1e2', '1.5d', '2024-05-10T12:00:00')")
    out = lab.write(rows, {"cast": {"a": "decimal(12,2)", "b": "double", "c": "date"}})
    assert out.rows("a, b, c") == [(Decimal("12.50"), 100.0, date(2024, 5, 10))]
    assert out.dropped == {"cast.a": 1, "cast.b": 0, "cast.c": 0}


def test_an_overflow_inside_a_comparison_stops_or_gives_the_true_answer_and_never_a_wrapped_one(lab, engine):
    wide = "SELECT 9223372036854775807::BIGINT AS a"
    rule = {"filter": {"r": "a * 2 > 0"}}
    if engine == "sail":
        assert lab.write(wide, rule).written.output == 1
    else:
        with pytest.raises(StepFailedError, match=r"filter\.r gives a number that its type cannot hold"):
            lab.write(wide, rule)


def test_checked_arithmetic_gives_the_same_values_and_types(lab):
    rows = lab.values("a, b", "(7::INTEGER, 3::BIGINT)", "(-7, NULL)", "(2147483647, -9223372036854775808)")
    made = {"c": "a - 1", "d": "b + 5", "e": "cast(a as bigint) * a", "f": "a % 2 * 3", "g": "a - b % 2 - (1 - a) * 0"}
    out = lab.write(rows, {"derive": made})
    assert out.rows("c, d, e, f, g") == [
        (-8, None, 49, -3, None),
        (6, 8, 49, 3, 6),
        (2147483646, -9223372036854775803, 4611686014132420609, 3, 2147483647),
    ]
    assert [out.types[name] for name in made] == ["INTEGER", "BIGINT", "BIGINT", "INTEGER", "BIGINT"]


def test_a_failing_expression_is_named_without_its_value(lab):
    rows = lab.values("a, s", "(1, '7')", "(2, 'secret-value')")
    steps = [{"derive": {"fine": "cast(a as string)"}}, {"derive": {"n": "cast(s as int)"}}, {"filter": {"x": "a > 0"}}]
    with pytest.raises(StepFailedError) as raised:
        lab.write(rows, *steps)
    assert str(raised.value).startswith("derive.n casts a value that does not fit")
    assert "secret-value" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_division_by_zero_says_what_to_write_instead(lab):
    with pytest.raises(StepFailedError, match=r"derive\.r divides by zero; write try_divide"):
        lab.write(lab.values("a", "(0)", "(1)"), {"derive": {"r": "1 / a"}})


def test_an_error_before_deduplicate_names_its_expression(lab):
    rows = lab.values("a", "('x')", "('1')")
    with pytest.raises(StepFailedError, match=r"derive\.k"):
        lab.write(rows, {"derive": {"k": "cast(a as int)"}}, {"deduplicate": {"keys": ["k"]}})


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"derive": {"x": "amuont + 1"}}, r"derive.x: there is no column 'amuont'; did you mean 'amount'\?"),
        ({"derive": {"x": "upperr(name)"}}, r"derive.x: .*upperr"),
        ({"derive": {"x": "amount +"}}, "derive.x"),
        ({"derive": {"x": "null"}}, "has no type"),
        ({"filter": {"r": "amount"}}, r"filter.r: 'amount' is of type int, not true or false"),
        ({"drop_nulls": ["amuont"]}, "did you mean 'amount'"),
        ({"date_parts": {"of": "amount", "parts": ["year"]}}, "is of type int, not date or timestamp"),
        ({"sql": "select nope from input"}, "there is no column 'nope'"),
        ({"sql": "drop table input"}, "sql"),
        ({"sql": "select amount as _fate from input"}, "kept for cloud-etl"),
        ({"sql": "select amount as a, name as a from input"}, "two columns of one name"),
        ({"aggregate": {"group_by": ["nope"], "metrics": {"n": "count(*)"}}}, "no column 'nope'"),
        ({"aggregate": {"group_by": [], "metrics": {"n": "sum(nope)"}}}, "no column 'nope'"),
    ],
)
def test_a_step_that_does_not_fit_its_columns_is_a_configuration_error(lab, step, message):
    with pytest.raises(ConfigError, match=message):
        lab.run("SELECT 1 AS amount, 'x' AS name", step)
