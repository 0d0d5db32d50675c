from __future__ import annotations

import pytest

from cloud_etl.errors import ConfigError, StepFailedError

pytestmark = pytest.mark.integration

ROWS = """
    SELECT * FROM (VALUES
        ('A1', 5, 0.10::DECIMAL(5,2), 1.5::DOUBLE, DATE '2024-05-01', TIMESTAMP '2024-05-01 10:00:00.000001', 'SE'),
        ('A2', NULL, NULL, NULL, NULL, NULL, NULL),
        (E'A3\n', 1000, 99.99, 'nan', DATE '2023-12-31', TIMESTAMP '2024-05-01 10:00:00', 'NO'),
        ('b4', 0, 100.00, '-inf', DATE '2025-01-01', TIMESTAMP '2025-01-01 00:00:00', 'se'))
        AS t(code, quantity, price, weight, day, seen, country)
"""
# Check, and the lines (from 0) of the rows above that fail it. Nulls fail none of them but not_null.
CASES = {
    "not_null": ({"not_null": {"columns": ["quantity"]}}, [1]),
    "range of integers": ({"range": {"column": "quantity", "min": 1, "max": 1000}}, [3]),
    "range without its ends": ({"range": {"column": "quantity", "min": 0, "max": 1000, "exclusive": True}}, [2, 3]),
    "range above min": ({"range": {"column": "quantity", "min": 0, "max": 1000, "exclusive": "min"}}, [3]),
    "range below max": ({"range": {"column": "quantity", "min": 0, "max": 1000, "exclusive": "max"}}, [2]),
    "range of integers with a fraction": ({"range": {"column": "quantity", "min": 4.5}}, [3]),
    "range beyond the type": ({"range": {"column": "quantity", "max": 10**20}}, []),
    "range of decimals": ({"range": {"column": "price", "min": 0.1, "max": 99.99}}, [3]),
    "range of doubles": ({"range": {"column": "weight", "min": -1}}, [2, 3]),
    "range of dates": ({"range": {"column": "day", "min": "2024-01-01", "max": "2024-12-31"}}, [2, 3]),
    "range of times": ({"range": {"column": "seen", "max": "2024-05-01 10:00:00"}}, [0, 3]),
    "range of times with a zone": ({"range": {"column": "seen", "max": "2024-05-01T12:00:00+02:00"}}, [0, 3]),
    "range of texts": ({"range": {"column": "code", "max": "A9"}}, [3]),
    "in_set of texts": ({"in_set": {"column": "country", "values": ["SE", "NO"]}}, [3]),
    "in_set of numbers": ({"in_set": {"column": "quantity", "values": [5, 1000]}}, [3]),
    "in_set of decimals": ({"in_set": {"column": "price", "values": [0.1, 100]}}, [2]),
    "in_set of dates": ({"in_set": {"column": "day", "values": ["2024-05-01"]}}, [2, 3]),
    "pattern": ({"pattern": {"column": "code", "regex": "[A-Z]\\d"}}, [2, 3]),
    "pattern with an end": ({"pattern": {"column": "code", "regex": "^[A-Z]\\d$"}}, [2, 3]),
    "pattern in any case": ({"pattern": {"column": "code", "regex": "(?i)[a-z]\\d\\n?"}}, []),
    "expression": ({"expression": {"that": "quantity < 1000"}}, [1, 2]),
}


@pytest.mark.parametrize(("check", "failing"), CASES.values(), ids=CASES.keys())
def test_a_rejecting_check_takes_out_the_rows_that_fail_and_no_other(lab, check, failing):
    outcome = lab.judge(ROWS, check)
    assert outcome.ids(outcome.check.name) == failing
    assert outcome.ids() == [line for line in range(4) if line not in failing]
    assert (outcome.check.rows_checked, outcome.check.rows_failed) == (4, len(failing))
    assert outcome.check.passed is (not failing)
    assert outcome.report.refusals == outcome.report.warnings == ()


def test_warning_and_failing_checks_count_the_same_rows_and_take_out_none(lab):
    checks = [
        {kind: {**body, "on_fail": on_fail, "name": f"{name}, {on_fail}"}}
        for name, (check, _) in CASES.items()
        for kind, body in check.items()
        for on_fail in ("warn", "fail")
    ]
    outcome = lab.judge(ROWS, *checks)
    assert outcome.ids() == [0, 1, 2, 3]
    counts = {result.name: result.rows_failed for result in outcome.report.checks}
    assert counts == {
        f"{name}, {on_fail}": len(failing) for name, (_, failing) in CASES.items() for on_fail in ("warn", "fail")
    }
    failing = sum(bool(failing) for _, failing in CASES.values())
    assert len(outcome.report.warnings) == len(outcome.report.refusals) == failing


def test_an_empty_frame_passes_every_row_check(lab):
    checks = [{kind: {**body, "name": name}} for name, (check, _) in CASES.items() for kind, body in check.items()]
    outcome = lab.judge(f"{ROWS} WHERE false", *checks, {"unique": {"columns": ["code"]}})
    assert all(result.passed and result.rows_failed == 0 for result in outcome.report.checks)
    assert outcome.report.score is None
    assert outcome.report.profile == ()


def test_every_row_can_be_rejected(lab):
    outcome = lab.judge(ROWS, {"expression": {"that": "false", "name": "nothing"}})
    assert outcome.fates == {"nothing": 4}
    assert outcome.written.output == 0
    assert outcome.report.score == 0


def test_a_row_has_its_first_fate_and_every_check_still_counts_it(lab):
    low = {"range": {"column": "quantity", "min": 10, "name": "low"}}
    outcome = lab.judge(ROWS, low, {"in_set": {"column": "quantity", "values": [5, 1000], "name": "set"}})
    assert outcome.fates == {"low": 2, "set": 0}
    assert {result.name: result.rows_failed for result in outcome.report.checks} == {"low": 2, "set": 1}


def test_not_null_of_two_columns_is_two_checks_and_under_a_name_one(lab):
    both = {"not_null": {"columns": ["quantity", "country"]}}
    assert lab.judge(ROWS, both).fates == {"not_null.quantity": 1, "not_null.country": 0}
    named = {"not_null": {"columns": ["quantity", "country"], "name": "complete"}}
    assert lab.judge(ROWS, named).fates == {"complete": 1}


def test_columns_with_odd_names_can_be_checked(lab):
    sql = """SELECT 1 AS "unit.price (net)", NULL::INTEGER AS "a`b" """
    checks = ({"range": {"column": "unit.price (net)", "min": 2}}, {"not_null": {"columns": ["a`b"]}})
    assert lab.judge(sql, *checks).fates == {"range.unit.price (net)": 1, "not_null.a`b": 0}


@pytest.mark.parametrize("on_fail", ["reject", "warn"])
def test_an_expression_that_fails_on_the_data_is_named_and_the_row_is_not_shown(lab, on_fail):
    with pytest.raises(StepFailedError, match="check whole casts a value") as failed:
        lab.judge(ROWS, {"expression": {"that": "cast(code as int) > 1", "name": "whole", "on_fail": on_fail}})
    assert "A1" not in str(failed.value)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"not_null": {"columns": ["quantty"]}}, "no column 'quantty' at the quality gate; did you mean 'quantity'"),
        ({"range": {"column": "quantity", "min": "one"}}, "'one' is not a number"),
        ({"range": {"column": "day", "min": "1 May"}}, "'1 May' is not a date"),
        ({"in_set": {"column": "country", "values": [False]}}, "write it in quotes"),
        ({"pattern": {"column": "quantity", "regex": "1"}}, "a pattern needs text"),
        ({"expression": {"that": "quantity + 1"}}, "gives int, not true or false"),
        ({"expression": {"that": "quantty > 1"}}, "there is no column 'quantty'; did you mean 'quantity'"),
        ({"references": {"column": "code", "to": "custmers"}}, "no 'custmers' to refer to; did you mean 'customers'"),
        ({"references": {"column": "code", "to": "customers", "key": "number"}}, "no column 'number'"),
        ({"references": {"column": "code", "to": "customers", "key": "id"}}, "cast one of them in transform"),
    ],
)
def test_a_check_that_does_not_fit_the_frame_is_refused_before_a_row_is_read(lab, check, message):
    lab.references = {"customers": lab.table("SELECT 1 AS id")}
    with pytest.raises(ConfigError, match="check ") as refused:
        lab.judge(ROWS, check)
    assert message in str(refused.value)
