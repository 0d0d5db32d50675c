"""deduplicate: which row wins, what is never a duplicate, and the same answer as plain Python."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

ROWS = ("('a', 1, 'p')", "('b', 1, 'q')", "('a', 3, 'r')", "('a', 3, 's')", "('a', NULL, 't')")


@pytest.fixture
def orders(lab):
    return lab.values("id, ts, note", *ROWS)


def test_the_first_in_the_order_stays_and_ties_go_to_the_row_read_first(lab, orders):
    out = lab.write(orders, {"deduplicate": {"keys": ["id"], "order_by": "ts desc"}})
    assert out.rows("note") == [("q",), ("r",)]
    assert out.dropped == {"deduplicate.id": 3}


def test_without_an_order_the_row_read_first_stays(lab, orders):
    assert lab.write(orders, {"deduplicate": {"keys": ["id"]}}).rows("note") == [("p",), ("q",)]


def test_a_missing_value_comes_last_in_either_direction(lab):
    rows = lab.values("id, ts, note", "('a', NULL, 'null')", "('a', 1, 'one')", "('a', 2, 'two')")
    for direction, winner in (("asc", "one"), ("desc", "two")):
        out = lab.write(rows, {"deduplicate": {"keys": ["id"], "order_by": [f"ts {direction}"]}})
        assert out.rows("note") == [(winner,)]


def test_a_missing_value_comes_first_where_the_order_says_so(lab):
    rows = lab.values("id, ts, note", "('a', 1, 'one')", "('a', NULL, 'null')", "('a', 2, 'two')")
    for order, winner in (
        ("ts nulls first", "null"), ("ts DESC NULLS FIRST", "null"), ("ts asc nulls last", "one"),
        ("`ts` desc nulls last", "two"), ("note desc, ts nulls first", "two"),
    ):  # fmt: skip
        out = lab.write(rows, {"deduplicate": {"keys": ["id"], "order_by": order}})
        assert out.rows("note") == [(winner,)]


def test_orders_of_windows_and_queries_take_nulls_first_and_last(lab):
    rows = lab.values("i, x", "(1, 10)", "(2, NULL)", "(3, 20)")
    for order, sums in (
        ("x nulls first", [10, None, 30]), ("x nulls last", [10, 30, 30]), ("x asc nulls last", [10, 30, 30]),
        ("x desc nulls first", [30, None, 20]), ("x desc nulls last", [30, 30, 20]), ("x desc", [30, 30, 20]),
    ):  # fmt: skip
        window = f"sum(x) over (order by {order})"
        assert [row[1] for row in lab.write(rows, {"derive": {"s": window}}).rows("i, s")] == sums
        top = {"sql": f"select i, {window} as s from input order by {order} limit 1"}
        [(first, _)] = lab.write(rows, top).rows("i, s")
        assert first == {"x nulls first": 2, "x desc nulls first": 2}.get(order, 3 if "desc" in order else 1)


def test_later_columns_of_the_order_decide_where_the_first_ties(lab, orders):
    out = lab.write(orders, {"deduplicate": {"keys": ["id"], "order_by": "ts desc, note desc"}})
    assert out.rows("note") == [("q",), ("s",)]


def test_rows_without_a_whole_key_are_never_duplicates(lab):
    rows = lab.values("a, b", "(1, NULL)", "(1, NULL)", "(NULL, NULL)", "(1, 2)", "(1, 2)")
    out = lab.write(rows, {"deduplicate": {"keys": ["a", "b"]}})
    assert out.dropped == {"deduplicate.a+b": 1}
    assert out.transformed.frame.unique_keys == ()


def test_zero_and_minus_zero_are_one_key(lab):
    rows = lab.values("a, note", "(0.0::DOUBLE, 'p')", "('-0.0'::DOUBLE, 'q')", "(1.5::DOUBLE, 'r')")
    assert lab.write(rows, {"deduplicate": {"keys": ["a"]}}).rows("note") == [("p",), ("r",)]


def test_only_rows_still_in_are_compared(lab, orders):
    out = lab.write(
        orders, {"filter": {"known": "note <> 'r'"}}, {"deduplicate": {"keys": ["id"], "order_by": "ts desc"}}
    )
    assert out.rows("note") == [("q",), ("s",)]
    assert out.dropped == {"known": 1, "deduplicate.id": 2}


def test_whole_keys_without_repetition_are_proven_unique_and_not_counted_again(lab):
    rows = lab.values("id", "('a')", "('b')")
    out = lab.write(rows, {"deduplicate": {"keys": ["id"]}}, {"deduplicate": {"keys": ["id"]}})
    assert out.transformed.frame.unique_keys == (frozenset({"id"}),)
    assert out.written.output == 2


def test_the_keys_are_those_that_the_steps_before_it_made(lab):
    rows = lab.values("a, b", "(1, 1)", "(1, 2)", "(2, 2)")
    for steps, kept in (
        ([{"rename": {"a": "b", "b": "a"}}], [(1, 1), (2, 1)]),
        ([{"rename": {"a": "key"}}, {"rename": {"b": "a"}}], [(1, 1), (2, 1)]),
        ([{"derive": {"a": "b"}}], [(1, 1), (2, 2)]),
        ([{"fill_nulls": {"b": 0}}, {"derive": {"a": "3"}}], [(3, 1)]),
        ([{"cast": {"a": "string"}}, {"drop": ["a"]}, {"derive": {"a": "cast(b as bigint) % 1"}}], [(0, 1)]),
    ):
        out = lab.write(rows, *steps, {"deduplicate": {"keys": ["a"]}})
        others = {"key", "b"} & set(out.types)
        assert out.rows(f"a, {sorted(others)[-1]}") == kept


def test_rows_that_are_out_already_do_not_hinder_the_proof(lab):
    rows = lab.values("id, v", "('a', 1)", "(NULL, 2)", "('b', 3)", "('b', 4)")
    out = lab.write(rows, {"drop_nulls": ["id"]}, {"filter": {"first": "v <> 4"}}, {"deduplicate": {"keys": ["id"]}})
    assert out.transformed.frame.unique_keys == (frozenset({"id"}),)
    assert out.rows("v") == [(1,), (3,)]
    assert out.dropped == {"drop_nulls.id": 1, "first": 1, "deduplicate.id": 0}


def test_changing_a_key_column_takes_its_proof_away(lab):
    rows = lab.values("id, v", "('a', 1)", "('A', 2)")
    steps = [{"deduplicate": {"keys": ["id"]}}, {"derive": {"id": "upper(id)"}}]
    assert lab.run(rows, *steps).frame.unique_keys == ()
    assert lab.run(rows, steps[0], {"rename": {"id": "key"}}).frame.unique_keys == (frozenset({"key"}),)
    assert lab.run(rows, steps[0], {"drop": ["id"]}).frame.unique_keys == ()
    out = lab.write(rows, *steps, {"deduplicate": {"keys": ["id"]}})
    assert out.rows("v") == [(1,)]


def test_after_a_step_that_loses_line_numbers_rows_are_still_told_apart(lab):
    rows = lab.values("id, ts", "('a', 1)", "('a', 2)", "('a', 2)", "(NULL, 1)", "(NULL, 1)")
    out = lab.write(rows, {"sql": "select id, ts from input"}, {"deduplicate": {"keys": ["id"], "order_by": "ts desc"}})
    assert out.rows("id, ts") == [("a", 2), (None, 1), (None, 1)]
    assert out.accounted == 5


def test_columns_with_strange_names_are_keys_and_orders(lab):
    rows = 'SELECT * FROM (VALUES (1, 1), (1, 2)) t("a.b c", "x`y")'
    out = lab.write(rows, {"deduplicate": {"keys": ["a.b c"], "order_by": "`x``y` desc"}})
    assert out.rows('"x`y"') == [(2,)]


KEY = st.sampled_from(["'a'", "'b'", "'c'", "''", "NULL"])
NUMBER = st.sampled_from(["1", "2", "3", "NULL"])
ROW = st.tuples(KEY, NUMBER, NUMBER)


def reference(rows, descending):
    """Lines that stay, by the definition: sort by the order, nulls last, then by line; the first of each key stays."""

    def place(line):
        value = rows[line][2]
        return (value == "NULL", 0 if value == "NULL" else int(value) * (-1 if descending else 1), line)

    kept, seen = set(), set()
    for line in sorted(range(len(rows)), key=place):
        key = rows[line][:2]
        if "NULL" in key or key not in seen:
            kept.add(line + 1)
            seen.add(key)
    return kept


@pytest.mark.parametrize("engine", ["sail"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=30), descending=st.booleans(), changed=st.booleans())
@example(rows=[("'a'", "1", "NULL"), ("'a'", "1", "NULL")], descending=True, changed=False)
def test_it_keeps_the_rows_plain_python_keeps_and_twice_is_once(lab, rows, descending, changed):
    step = {"deduplicate": {"keys": ["k", "n"], "order_by": f"o {'desc' if descending else 'asc'}"}}
    # Where columns are no longer those of the staged files, keys are not looked up there.
    steps = [{"derive": {"more": "1"}}, step] if changed else [step]
    # The cast names the types where every value is missing.
    sql = lab.values("k, n, o", "(''::VARCHAR, 0::INTEGER, 0::INTEGER)", *(f"({', '.join(row)})" for row in rows))
    with TemporaryDirectory(dir=lab.folder) as folder:
        own = type(lab)(lab.session, Path(folder))
        batch = own.batch(f"SELECT *, row_number() OVER () - 1 AS _row_id FROM ({sql})")
        once = own.write(batch, *steps)
        assert {row[0] for row in once.rows("_row_id")} - {0} == reference(rows, descending)
        assert once.written.rows == len(rows) + 1
        kept = [str(file.path) for file in once.written.accepted]
        again = own.batch(f"SELECT * FROM read_parquet({kept}, hive_partitioning = false)")
        assert own.write(again, step).rows("k, n, o, _row_id") == once.rows("k, n, o, _row_id")


def test_many_marks_before_it_do_not_multiply_the_plan(lab):
    rules = {f"rule_{number}": f"v <> {number}" for number in range(14)}
    rows = lab.values("k, v", *(f"({number % 7}, {number})" for number in range(40)))
    started = time.monotonic()
    out = lab.write(rows, {"filter": rules}, {"deduplicate": {"keys": ["k"]}})
    # Half a minute and more where the engine pushes filters into the marks, and three times that per further mark.
    assert time.monotonic() - started < 15
    assert out.written.output == 7
