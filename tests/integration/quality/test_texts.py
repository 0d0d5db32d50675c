"""Texts that Redshift would refuse cost their rows a reject, are cut, or stop the run; never the whole batch unseen."""

from __future__ import annotations

import duckdb
import pytest

from cloud_etl.domain.schema import TextLimits
from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.quality import quarantine
from cloud_etl.quality.texts import LoadedTexts, TextFit

from .conftest import Outcome, batch_of

# Ten bytes hold the first two whole, the third up to its second character, the fourth up to its first.
LENGTHS = {
    "a" * 10: "a" * 10,
    "éé€😀"[:3]: "éé€",
    "a" + "€" * 4: "a€€€",
    "aaaaaaa" + "😀": "aaaaaaa",
    "b" * 11: "b" * 10,
}


@pytest.fixture
def fitted(lab):
    """Judge rows whose texts go into a table that holds ten bytes."""

    def fitted(sql: str, partition_by: tuple[str, ...] = (), fixed: dict | None = None, **policies: str) -> Outcome:
        contract = {name: ColumnSpec(type="string", too_long=policy) for name, policy in policies.items()}
        contract["doc"] = ColumnSpec(type="json")
        gate = lab.gate([], texts=TextFit(contract, [LoadedTexts(None, TextLimits(10, fixed or {}))]))
        lab.made += 1
        written = gate.mark(lab.frame(sql)).write(lab.folder / f"fitted-{lab.made}", partition_by)
        return Outcome(written, gate.assess(written, batch_of(written.rows)))

    return fitted


def texts_of(outcome: Outcome, column: str = "note") -> list[str | None]:
    paths = [str(file.path) for file in outcome.written.accepted]
    sql = f"SELECT {column} FROM read_parquet(?, hive_partitioning = false) ORDER BY _row_id"
    return [row[0] for row in duckdb.connect().execute(sql, [paths]).fetchall()]


def rows_of(*notes: str | None) -> str:
    values = ", ".join("(NULL)" if note is None else f"('{note}')" for note in notes)
    return f"SELECT note::VARCHAR AS note FROM (VALUES {values}) t(note)"


def test_a_text_of_more_bytes_than_the_table_holds_costs_its_row_a_reject_with_file_and_line(lab, fitted):
    outcome = fitted(rows_of("short", *LENGTHS, None))
    kept = [text for text, cut in LENGTHS.items() if text == cut]
    assert texts_of(outcome) == ["short", *kept, None]
    assert outcome.report.refusals == ()
    made = quarantine.write(outcome.written.dropped("rejected"), batch_of(9), lab.run)
    assert [(one.line, one.column, one.code, one.message) for one in quarantine.rows([made.path], 10)] == [
        (line, "note", "quality.too_long.note", "wanted: note with at most 10 bytes, which is what the warehouse holds")
        for line in (3, 4, 5)
    ]


def test_a_text_is_cut_at_a_character_and_the_cuts_are_counted(fitted):
    outcome = fitted(rows_of("short", *LENGTHS, None), note="cut")
    assert texts_of(outcome) == ["short", *LENGTHS.values(), None]
    assert outcome.fates == {"too_long.note": 3, "nul.note": 0}
    assert outcome.written.output == 7
    [check] = outcome.report.checks
    assert (check.on_fail, check.rows_failed) == ("warn", 3)
    assert check.message == (
        "3 texts were cut, wanted: note with at most 10 bytes, which is what the warehouse holds; "
        "the first is in raw/sales.csv line 3"
    )
    assert outcome.report.warnings == (f"check too_long.note: {check.message}",)
    assert outcome.report.score == pytest.approx(100 * 4 / 7)


def test_cut_rows_keep_their_partition(fitted):
    outcome = fitted(
        "SELECT 'x' AS region, repeat('y', 12) AS note UNION ALL SELECT 'z', 'ok'", ("region",), note="cut"
    )
    assert sorted(file.partition["region"] for file in outcome.written.accepted) == ["x", "z"]
    assert texts_of(outcome) == ["y" * 10, "ok"]


def test_a_text_that_is_too_long_stops_the_run_where_the_contract_says_so(fitted):
    outcome = fitted(rows_of("ok", "b" * 11), note="fail")
    assert outcome.report.refusals == (
        "check too_long.note: 1 row fails, wanted: note with at most 10 bytes, which is what the warehouse holds; the "
        "first is in raw/sales.csv line 1. Nothing was published; too_long: reject would put these rows into "
        "quarantine and publish the others.",
    )


def test_nul_in_texts_and_in_json_costs_a_reject(fitted):
    docs = [r'{"a": "x\u0000"}', r'{"\\\u0000":1}', r'["\\u0000"]', "{}"]
    union = " UNION ALL ".join(f"SELECT 'a' AS note, '{doc}' AS doc" for doc in docs)
    outcome = fitted(f"{union} UNION ALL SELECT 'a' || chr(0), NULL", fixed={"doc": 99})
    assert outcome.fates == {"too_long.note": 0, "too_long.doc": 0, "nul.note": 1, "nul.doc": 2}
    assert texts_of(outcome, "doc") == docs[2:]


def test_a_column_that_the_table_does_not_make_wider_has_its_own_limit(fitted):
    outcome = fitted("SELECT 'four' AS note, 'four' AS other", fixed={"note": 3}, other="cut")
    assert outcome.fates["too_long.note"] == 1
    assert outcome.written.output == 0


def test_a_row_with_a_cut_and_a_reject_is_rejected(fitted):
    outcome = fitted("SELECT repeat('a', 11) AS note, repeat('b', 11) AS other", note="cut")
    assert (outcome.fates["too_long.note"], outcome.fates["too_long.other"]) == (0, 1)


def test_a_row_cut_in_two_columns_counts_once_and_both_are_cut(fitted):
    outcome = fitted("SELECT repeat('a', 11) AS note, repeat('b', 11) AS other", note="cut", other="cut")
    assert (outcome.fates["too_long.note"], outcome.fates["too_long.other"]) == (1, 0)
    assert (texts_of(outcome), texts_of(outcome, "other")) == (["a" * 10], ["b" * 10])
