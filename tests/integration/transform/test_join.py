"""join: matches, missing keys, fan-out and names."""

from __future__ import annotations

import pytest

from cloud_etl.errors import ConfigError, StepFailedError

ORDERS = "SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (NULL, 'c'), (9, 'd')) t(pid, name)"


@pytest.fixture
def shop(lab):
    lab.reference(
        "products", lab.values("pid, title, name", "(1, 'one', 'p1')", "(2, 'two', 'p2')", "(NULL, 'null', 'p0')")
    )
    lab.reference("twice", lab.values("pid, title", "(1, 'x')", "(1, 'y')", "(2, 'z')", "(NULL, 'n')", "(NULL, 'n')"))
    return lab


def test_left_keeps_every_row_and_a_missing_key_matches_nothing(shop):
    out = shop.write(ORDERS, {"join": {"to": "products", "on": "pid", "columns": ["title"]}})
    assert out.rows("name, title") == [("a", "one"), ("b", "two"), ("c", None), ("d", None)]


def test_inner_takes_rows_without_a_match_out(shop):
    out = shop.write(ORDERS, {"join": {"to": "products", "on": ["pid"], "how": "inner", "columns": ["title"]}})
    assert out.rows("name") == [("a",), ("b",)]
    assert out.dropped == {"join.products.unmatched": 2}


def test_all_columns_but_the_keys_come_with_a_prefix(shop):
    out = shop.write(ORDERS, {"join": {"to": "products", "on": {"pid": "pid"}, "prefix": "p_"}})
    assert list(out.types) == ["pid", "name", "p_title", "p_name"]


def test_a_name_that_is_there_already_is_refused(shop):
    with pytest.raises(ConfigError, match="two columns named 'name'; set prefix"):
        shop.run(ORDERS, {"join": {"to": "products", "on": "pid"}})


def test_a_repeated_key_in_the_reference_stops_the_run_and_says_how_many(shop):
    with pytest.raises(
        StepFailedError, match=r"join with twice: keys \(pid\) that are there more than once: 1, so rows would multiply"
    ):
        shop.run(ORDERS, {"join": {"to": "twice", "on": "pid"}})


def test_an_allowed_fan_out_is_counted_before_and_after(shop):
    steps = [{"drop_nulls": ["pid"]}, {"join": {"to": "twice", "on": "pid", "on_fan_out": "allow"}}]
    out = shop.write(ORDERS, *steps, {"filter": {"known": "title is not null"}})
    assert out.rows("name, title") == [("a", "x"), ("a", "y"), ("b", "z")]
    assert out.barriers == [("join", 3, 4)]
    assert out.dropped == {"drop_nulls.pid": 1, "known": 1}
    assert out.accounted == 4
    assert not out.transformed.frame.row_ids_unique


def test_deduplicate_after_a_fan_out_keeps_one_of_the_copies(shop):
    join = {"join": {"to": "twice", "on": "pid", "on_fan_out": "allow"}}
    out = shop.write(ORDERS, join, {"deduplicate": {"keys": ["pid"], "order_by": "title desc"}})
    assert out.rows("name, title") == [("a", "y"), ("b", "z"), ("c", None), ("d", None)]


def test_an_unknown_reference_and_mixed_key_types_are_configuration_errors(shop):
    with pytest.raises(ConfigError, match="no 'product' to join with; did you mean 'products'"):
        shop.run(ORDERS, {"join": {"to": "product", "on": "pid"}})
    with pytest.raises(ConfigError, match="cast one of them"):
        shop.run(ORDERS, {"join": {"to": "products", "on": {"name": "pid"}, "columns": ["title"]}})
    with pytest.raises(ConfigError, match="no column 'titel'; did you mean 'title'"):
        shop.run(ORDERS, {"join": {"to": "products", "on": "pid", "columns": ["titel"]}})
