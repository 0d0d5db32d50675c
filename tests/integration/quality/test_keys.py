from __future__ import annotations

from dataclasses import replace

import pytest

pytestmark = pytest.mark.integration

UNIQUE = {"unique": {"columns": ["k"]}}


def rows_of(*keys: object) -> str:
    values = ", ".join(f"({'NULL' if key is None else repr(key)})" for key in keys)
    return f"SELECT * FROM (VALUES {values}) AS t(k)"


def test_unique_rejects_every_row_of_a_key_but_the_first(lab):
    outcome = lab.judge(rows_of(7, 8, 7, 7, 9, 8), UNIQUE)
    assert outcome.ids() == [0, 1, 4]
    assert outcome.ids("unique.k") == [2, 3, 5]
    assert outcome.check.rows_failed == 3


def test_unique_keeps_the_first_by_lineage_not_by_place(lab):
    outcome = lab.judge("SELECT * FROM (VALUES (9, 1), (3, 1), (5, 1)) AS t(_row_id, k)", UNIQUE)
    assert outcome.ids() == [3]


@pytest.mark.parametrize("on_fail", ["reject", "warn"])
def test_unique_is_checked_below_a_folder_whose_name_looks_like_a_pattern(lab, on_fail):
    odd = replace(lab, folder=lab.folder / "run[1]{2}")
    odd.folder.mkdir()
    outcome = odd.judge(rows_of(7, 8, 7), {"unique": {"columns": ["k"], "on_fail": on_fail}})
    assert outcome.check.rows_failed == 1


def test_unique_lets_keys_with_a_null_pass(lab):
    two = {"unique": {"columns": ["a", "b"], "name": "pair"}}
    sql = "SELECT * FROM (VALUES (1, NULL), (1, NULL), (1, 2), (1, 2), (NULL, NULL)) AS t(a, b)"
    outcome = lab.judge(sql, two)
    assert outcome.ids("pair") == [3]


@pytest.mark.parametrize("on_fail", ["reject", "warn"])
def test_zero_and_minus_zero_are_one_key(lab, on_fail):
    sql = "SELECT * FROM (VALUES (0.0::DOUBLE), ('-0.0'::DOUBLE), (1.0::DOUBLE)) AS t(k)"
    outcome = lab.judge(sql, {"unique": {"columns": ["k"], "on_fail": on_fail}})
    assert outcome.check.rows_failed == 1


def test_unique_warns_with_the_count_of_rows_beyond_the_first(lab):
    outcome = lab.judge(rows_of(7, 8, 7, 7, None, None), {"unique": {"columns": ["k"], "on_fail": "warn"}})
    assert outcome.check.rows_failed == 2
    assert outcome.report.warnings == ("check unique.k: 2 of 6 rows fail, wanted: no other row with the same k",)
    assert outcome.report.score == pytest.approx(100 * 4 / 6)


def test_unique_holds_among_rows_that_share_their_lineage_after_a_join_that_fanned_out(lab):
    rows = lab.frame("SELECT * FROM (VALUES (4, 1), (4, 1), (4, 2), (5, 1), (6, NULL), (6, NULL)) AS t(_row_id, k)")
    outcome = lab.judge(replace(rows, row_ids_unique=False), UNIQUE)
    assert outcome.fates == {"unique.k": 2}
    assert outcome.ids() == [4, 4, 6, 6]


def test_rows_that_an_earlier_check_rejected_hold_no_key(lab):
    sql = "SELECT * FROM (VALUES (1, 'bad'), (1, 'good'), (1, 'good')) AS t(k, state)"
    good = {"in_set": {"column": "state", "values": ["good"]}}
    outcome = lab.judge(sql, good, UNIQUE)
    assert (outcome.ids("in_set.state"), outcome.ids(), outcome.ids("unique.k")) == ([0], [1], [2])


def test_rows_that_a_step_took_out_hold_no_key_and_keep_their_fate(lab):
    from pyspark.sql import functions as F

    from cloud_etl.engines.marked_frame import Fate

    frame = lab.frame(rows_of(1, 1, 1)).mark(F.col("_row_id") == 0, Fate("filter", "filtered", "rule"))
    outcome = lab.judge(frame, UNIQUE)
    assert outcome.fates == {"filter": 1, "unique.k": 1}
    assert outcome.ids() == [1]


@pytest.mark.parametrize("on_fail", ["reject", "warn", "fail"])
def test_unique_is_not_counted_when_deduplicate_has_proven_it(lab, on_fail):
    # The rows contradict the proof, so that counting them would show.
    frame = lab.frame("SELECT 1 AS k, 2 AS l FROM range(3)", unique_keys=(frozenset({"k"}),))
    outcome = lab.judge(frame, {"unique": {"columns": ["k", "l"], "on_fail": on_fail}})
    assert outcome.check.message == "proven by deduplicate"
    assert outcome.check.passed
    assert outcome.written.output == 3


def test_references_reject_keys_that_are_not_there_and_let_nulls_pass(lab):
    lab.references = {"customers": lab.table("SELECT * FROM (VALUES (1), (2), (2), (NULL)) AS t(id)")}
    outcome = lab.judge(rows_of(1, 3, 2, None, 2), {"references": {"column": "k", "to": "customers", "key": "id"}})
    assert outcome.ids("references.k") == [1]
    assert outcome.ids() == [0, 2, 3, 4]


def test_references_by_several_columns_and_to_several_tables(lab):
    lab.references = {
        "a.prices": lab.table("SELECT 1 AS k, 'x' AS l"),
        "codes": lab.table("SELECT 'x' AS code"),
    }
    checks = (
        {"references": {"columns": ["k", "l"], "to": "a.prices", "on_fail": "warn"}},
        {"references": {"column": "l", "to": "codes", "key": ["code"], "on_fail": "fail"}},
        {"references": {"column": "l", "to": "codes", "key": "code", "name": "again", "on_fail": "fail"}},
    )
    sql = "SELECT * FROM (VALUES (1, 'x'), (2, 'x'), (1, 'y'), (NULL, 'x')) AS t(k, l)"
    outcome = lab.judge(sql, *checks)
    counts = {result.name: result.rows_failed for result in outcome.report.checks}
    assert counts == {"references.k+l": 2, "references.l": 1, "again": 1}
    assert outcome.written.output == 4


def test_references_match_numbers_of_different_types(lab):
    lab.references = {"wide": lab.table("SELECT 5000000000::BIGINT AS id UNION ALL SELECT 1")}
    outcome = lab.judge(rows_of(1, 2), {"references": {"column": "k", "to": "wide", "key": "id"}})
    assert outcome.ids() == [0]


def test_references_to_an_empty_table_reject_every_key(lab):
    lab.references = {"none": lab.table("SELECT 1 AS k WHERE false")}
    assert lab.judge(rows_of(1, None), {"references": {"column": "k", "to": "none"}}).ids() == [1]
