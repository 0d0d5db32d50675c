from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.errors import DataRefusedError
from cloud_etl.quality.gate import refuse
from cloud_etl.quality.history import BatchHistory, history_of

from .conftest import batch_of, days

pytestmark = pytest.mark.integration

TEN = "SELECT i::INTEGER AS i, CASE WHEN i < 3 THEN NULL ELSE i END::INTEGER AS n FROM range(10) AS t(i)"
FIRST_TWO = {"range": {"column": "i", "min": 2}}


@pytest.mark.parametrize(
    ("check", "passed", "message"),
    [
        ({"row_count": {"min": 10, "max": 10}}, True, "10 rows, wanted at least 10 and at most 10"),
        ({"row_count": {"min": 11}}, False, "10 rows, wanted at least 11"),
        ({"row_count": {"max": 9, "on_fail": "warn"}}, False, "10 rows, wanted at most 9"),
    ],
)
def test_row_count_compares_the_accepted_rows(lab, check, passed, message):
    report = lab.judge(TEN, check).report
    assert (report.checks[0].passed, report.checks[0].message) == (passed, message)
    assert report.checks[0].rows_failed is None
    refused = (
        () if passed or report.checks[0].on_fail == "warn" else (f"check row_count: {message}. Nothing was published.",)
    )
    assert report.refusals == refused
    assert report.warnings == (() if passed or refused else (f"check row_count: {message}",))


def test_row_count_does_not_count_rejected_rows(lab):
    report = lab.judge(TEN, FIRST_TWO, {"row_count": {"min": 9}}).report
    assert report.checks[1].message == "8 rows, wanted at least 9"


@pytest.mark.parametrize(
    ("sql", "within", "passed", "age"),
    [
        # The run starts at noon of 10 May; a date counts as its last moment.
        (days(date(2024, 5, 8), date(2024, 5, 1)), "2 days", True, "newest day is 1 day 12 hours old"),
        (days(date(2024, 5, 8)), "1 day", False, "newest day is 1 day 12 hours old"),
        (days(date(2024, 5, 10)), "1 minute", True, "newest day is 0 minutes old"),
        ("SELECT TIMESTAMP '2024-05-10 11:30:00' AS day", "30 minutes", True, "newest day is 30 minutes old"),
        ("SELECT TIMESTAMPTZ '2024-05-10 11:30:00+00' AS day", "29 minutes", False, "newest day is 30 minutes old"),
        ("SELECT NULL::DATE AS day", "7 days", False, "no row has a value in day"),
        ("SELECT DATE '2024-05-10' AS day WHERE false", "7 days", False, "no row has a value in day"),
    ],
)
def test_freshness_looks_at_the_newest_value(lab, sql, within, passed, age):
    check = lab.judge(sql, {"freshness": {"column": "day", "within": within}}).check
    assert (check.name, check.passed, check.message) == ("freshness.day", passed, f"{age}, wanted within {within}")


@pytest.mark.parametrize(
    ("earlier", "passed"),
    [((), True), ((10, 1, 20), True), ((20, 21, 19), True), ((21, 21, 21), False), ((6, 6, 6), False), ((0,), False)],
)
def test_volume_change_compares_with_the_median_of_the_last_runs(lab, earlier, passed):
    history = [BatchHistory(rows, {}) for rows in earlier] + [BatchHistory(10_000, {})] * 3
    check = {"volume_change": {"max_change": "50%", "runs": 3}}
    found = lab.judge(TEN, check, history=history if earlier else ()).check
    assert found.passed is passed


def test_null_share_change_compares_with_the_mean_share_of_the_last_runs(lab):
    history = [BatchHistory(100, {"n": 20}), BatchHistory(100, {"n": 30}), BatchHistory(0, {"n": 0})]
    checks = [
        {"null_share_change": {"column": "n", "max_change": share, "name": share, "on_fail": "warn"}}
        for share in ("5%", "4%")
    ]
    report = lab.judge(TEN, *checks, history=history).report
    assert [check.passed for check in report.checks] == [True, False]
    assert report.warnings == (
        "check 4%: 30.00% of n is null, 25.00% over the last 2 runs, wanted within 4.00% points",
    )


def test_one_earlier_run_is_called_the_last_run(lab):
    check = {"volume_change": {"max_change": "50%", "on_fail": "warn"}}
    (warning,) = lab.judge(TEN, check, history=[BatchHistory(5, {})]).report.warnings
    assert warning.startswith("check volume_change: 10 rows, +100.0% against the median of the last run (5)")


def test_the_report_of_a_run_is_the_history_of_the_next(lab):
    first = lab.judge(TEN).report
    assert history_of(first) == BatchHistory(10, {"i": 0, "n": 3})
    check = {"null_share_change": {"column": "n", "max_change": 0}}
    assert lab.judge(TEN, check, history=[history_of(first)]).check.passed


def test_a_failing_check_refuses_the_batch_with_figures_and_what_to_do(lab):
    check = {"not_null": {"columns": ["n"], "on_fail": "fail"}}
    report = lab.judge(TEN, check).report
    assert report.refusals == (
        "check not_null.n: 3 of 10 rows fail, wanted: n not null. Nothing was published; on_fail: reject would put "
        "these rows into quarantine and publish the others.",
    )
    with pytest.raises(DataRefusedError, match="3 of 10 rows fail"):
        refuse(report)


def test_a_batch_without_refusals_goes_on(lab):
    refuse(lab.judge(TEN, FIRST_TWO).report)


@pytest.mark.parametrize(
    ("limit", "refused"),
    [("20%", False), (0.2, False), ("19%", True), (4, False), (3, True), (0, True), (None, False)],
)
def test_rejected_above_counts_reader_and_checks_as_number_or_share_of_the_records_read(lab, limit, refused):
    report = lab.judge(TEN, FIRST_TWO, batch=batch_of(10, rejected=10), fail_when={"rejected_above": "100%"}).report
    assert report.refusals == ()
    report = lab.judge(TEN, FIRST_TWO, batch=batch_of(18, rejected=2), fail_when={"rejected_above": limit}).report
    assert bool(report.refusals) is refused
    if refused:
        assert report.refusals[0].startswith(
            "4 of 20 records were rejected (2 by the reader, 2 by steps and checks), more than "
        )
        assert "`cloud-etl quarantine list`" in report.refusals[0]


@pytest.mark.parametrize(("least", "refused"), [(72, False), (72.5, True)])
def test_score_below_refuses_a_batch(lab, least, refused):
    # Of 20 records the reader rejects 10 %, of the rows left the checks take 20 %.
    report = lab.judge(TEN, FIRST_TWO, batch=batch_of(18, rejected=2), fail_when={"score_below": least}).report
    assert report.score == 72
    assert bool(report.refusals) is refused
    assert all("the DataQualityScore 72.00 is below 72.5" in refusal for refusal in report.refusals)


def test_a_row_that_fails_two_warnings_lowers_the_score_once(lab):
    low = {"range": {"column": "n", "max": 4, "name": "low", "on_fail": "warn"}}
    even = {"expression": {"that": "n % 2 = 0", "name": "even", "on_fail": "warn"}}
    # low fails 5-9, even fails nulls and 3, 5, 7, 9: nine rows, 4 alone is sound.
    assert lab.judge(TEN, low, even).report.score == 10


def test_rows_that_an_earlier_step_rejected_count_for_score_and_thresholds(lab):
    from pyspark.sql import functions as F

    from cloud_etl.engines.marked_frame import Fate

    cast = lab.frame(TEN).mark(F.col("i") < 5, Fate("cast", "rejected", "cast.i")).write(lab.folder / "before")
    gate = lab.gate([FIRST_TWO], fail_when={"rejected_above": 5})
    written = gate.mark(lab.frame(f"{TEN} WHERE i >= 5")).write(lab.folder / "after")
    report = gate.assess(written, batch_of(10), earlier=[cast])
    assert report.score == 50
    assert report.refusals == ()
    assert gate.assess(written, batch_of(10)).score == 100


def test_no_query_runs_when_no_check_needs_one(lab, monkeypatch):
    gate = lab.gate([FIRST_TWO, {"row_count": {"min": 1}}])
    written = gate.mark(lab.frame(TEN)).write(lab.folder / "out")

    def refuse_to_read(self):
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(type(lab.session), "read", property(refuse_to_read))
    assert gate.assess(written, batch_of(10)).score == 80


def test_many_checks_behind_many_marks_stay_cheap(lab):
    # Marks that an engine folds into one another must not multiply its plan.
    from cloud_etl.engines.marked_frame import Fate

    frame = lab.frame(TEN)
    for number in range(15):
        frame = frame.mark(frame.frame["i"] == 100 + number, Fate(f"rule {number}", "filtered", f"rule {number}"))
    checks = [{"range": {"column": "i", "max": 50 + number, "name": f"check {number}"}} for number in range(15)]
    outcome = lab.judge(frame, *checks, {"unique": {"columns": ["i"]}})
    assert outcome.written.output == 10


keys = st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=25)


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=keys, low=st.integers(0, 4))
def test_every_row_is_accepted_or_rejected_and_unique_agrees_with_a_python_reference(lab, keys, low):
    values = ", ".join(f"({line}, {'NULL' if key is None else key}::INTEGER)" for line, key in enumerate(keys))
    sql = f"SELECT * FROM (VALUES {values}) AS t(_row_id, k)" if keys else "SELECT 0 AS _row_id, 1 AS k WHERE false"
    outcome = lab.judge(sql, {"range": {"column": "k", "min": low}}, {"unique": {"columns": ["k"]}})

    below = [line for line, key in enumerate(keys) if key is not None and key < low]
    seen: set[int] = set()
    again = []
    for line, key in enumerate(keys):
        if key is not None and key >= low:
            again += [line] if key in seen else []
            seen.add(key)
    assert outcome.ids("range.k") == below
    assert outcome.ids("unique.k") == again
    assert outcome.written.output + len(below) + len(again) == len(keys)
    expected = None if not keys else 100 * outcome.written.output / len(keys)
    assert outcome.report.score == (None if expected is None else pytest.approx(expected))


def test_the_profile_of_a_written_frame_tells_whole_long_texts_though_the_engine_cuts_its_footers(lab):
    sql = "SELECT unnest(['a' || repeat('b', 80), 'z' || repeat('y', 80), NULL]) AS note, 1.50::DECIMAL(5,2) AS price"
    found = {column.column: column for column in lab.judge(sql).report.profile}
    assert (found["note"].minimum, found["note"].maximum) == ("a" + "b" * 80, "z" + "y" * 80)
    assert (found["note"].nulls, found["note"].distinct, found["note"].exact) == (1, 2, True)
    assert (found["price"].type, found["price"].minimum, found["price"].mean) == ("decimal(5,2)", "1.50", 1.5)


def test_rejected_rows_of_a_written_frame_go_into_quarantine(lab):
    from cloud_etl.quality import quarantine

    gate = lab.gate([FIRST_TWO, {"not_null": {"columns": ["n"]}}])
    written = gate.mark(lab.frame(TEN)).write(lab.folder / "out")
    made = quarantine.write(written.dropped("rejected"), batch_of(10), lab.run)
    rejects = quarantine.rows([made.path], 10)
    assert [(reject.line, reject.column, reject.code, reject.raw_text) for reject in rejects] == [
        (0, "i", "quality.range.i", '{"i":0,"n":null}'),
        (1, "i", "quality.range.i", '{"i":1,"n":null}'),
        (2, "n", "quality.not_null.n", '{"i":2,"n":null}'),
    ]
    assert {reject.source_uri for reject in rejects} == {"file:///data/raw/sales.csv"}


def test_a_hundred_checks_are_counted_in_one_aggregate(lab):
    checks = [
        {"expression": {"that": f"i <> {number}", "name": f"not_{number}", "on_fail": "warn"}} for number in range(100)
    ]
    report = lab.judge(TEN, *checks).report
    assert [check.rows_failed for check in report.checks] == [1] * 10 + [0] * 90
    assert report.score == 0


NONE = "SELECT * FROM (SELECT 1 AS n) WHERE n > 1"


@pytest.mark.parametrize("checks", [(), ({"row_count": {"max": 5}},)])
def test_a_batch_without_a_row_does_not_empty_a_table_that_it_replaces(lab, checks):
    (refusal,) = lab.judge(NONE, *checks, replaced=("shop.sales",)).report.refusals
    assert "0 rows, wanted at least 1: mode replace would leave shop.sales without a row" in refusal
    assert "`row_count: {min: 0}` in quality.checks" in refusal


def test_a_batch_without_a_row_may_replace_a_table_where_that_is_written_down(lab):
    assert lab.judge(NONE, {"row_count": {"min": 0}}, replaced=("shop.sales",)).report.refusals == ()
    assert lab.judge(NONE).report.refusals == ()
