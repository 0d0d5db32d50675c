"""scd2 on DuckDB: JSON texts are equal where their values are, and never where they are not."""

from __future__ import annotations

import json

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_etl.domain.schema import Column, ColumnType
from cloud_etl.load.duckdb.catalog import DIALECT

DIFFERS = DIALECT.differs(Column("v", ColumnType("json")), "l", "r")
ROWS = "(SELECT CAST(? AS JSON) AS v)"


def differ(left: str | None, right: str | None) -> object:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {DIFFERS} FROM {ROWS} AS l, {ROWS} AS r", [left, right]).fetchone()
    return found and found[0]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        ("1.0", "1.00"),
        ("1", "1.0"),
        ("-0.0", "0"),
        ("[1.50]", "[1.5]"),
        ('{"a": [1, {"b": 0.10}]}', '{"a": [1.0, {"b": 0.1}]}'),
        ("-5", "-5.000"),
        ("[1,  2]", "[1,2]"),
        ('"ü"', '"\\u00fc"'),
        (None, None),
    ],
)  # fmt: skip
def test_one_value_written_in_two_ways_is_one(left: str | None, right: str | None) -> None:
    assert differ(left, right) is False


OTHERS = [
    "null", "true", "1", '"1"', '"null"', "{}", "[]", "[1,2]", "[2,1]", '{"a":null}', '{"a":1}', '{"A":1}', "10", "0.1",
    "[null]", '"1.0"', '"1.00"', '""', "9007199254740993", "9007199254740992", "1e400", "1e500", "-1", '"0"', "0",
    '{"a.b":1}', '{"a":{"b":1}}', '{"a":{}}', '{"a":[]}', '{"a[0]":1}', '{"a":[1]}', '{"":1}', "false", "[1]", "[[]]",
    '{"\\"a":1}', '{"a":"1"}', '{"a":1.5}', '{"a":true}', '{"a":"true"}', '{"0":1}', "[{}]", "[[1,2]]", "[[1],2]",
]  # fmt: skip


def test_other_values_are_others() -> None:
    pairs = [(one, other) for one in [*OTHERS, None] for other in [*OTHERS, None] if one != other]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE pairs (one VARCHAR, other VARCHAR)")
        connection.executemany("INSERT INTO pairs VALUES (?, ?)", pairs)
        sides = "(SELECT CAST(one AS JSON) AS v) AS l, (SELECT CAST(other AS JSON) AS v) AS r"
        wrong = connection.execute(f"SELECT one, other FROM pairs, {sides} WHERE ({DIFFERS}) IS NOT TRUE").fetchall()
    assert wrong == []


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(alphabet="ab1.ü ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(values, values)
@settings(max_examples=40, deadline=None)
def test_texts_are_equal_where_python_reads_equal_values(left: object, right: object) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert differ(json.dumps(left), json.dumps(right)) is not same
    assert differ(json.dumps(left, sort_keys=True), json.dumps(left, indent=2)) is False
