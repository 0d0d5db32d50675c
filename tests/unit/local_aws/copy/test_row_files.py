"""Lines of text files as records, without a server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.local_aws.redshift.copy.copy_parser import parse_copy
from cloud_etl.local_aws.redshift.copy.rows import delimited, json_records
from cloud_etl.local_aws.redshift.copy.rows.records import BadRecord, Record
from cloud_etl.local_aws.redshift.copy.table import TableColumn

TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"))


def records(text: str, options: str) -> list[Record | BadRecord]:
    statement = parse_copy(f"copy t from 's3://b' iam_role default {options}")
    return list(delimited.parse(statement, text.splitlines(keepends=True)))


def fields(text: str, options: str) -> list[list[str | None]]:
    return [record.fields for record in records(text, options) if isinstance(record, Record)]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a|b\n|\n", "", [["a", "b"], ["", ""]]),
        ("a|b", "", [["a", "b"]]),
        ("a|b|\n", "", [["a", "b", ""]]),
        ("a\\|b|c\n", "escape", [["a|b", "c"]]),
        ("a\\\\|c\n", "escape", [["a\\", "c"]]),
        ("'a|b'|\"c\"\n", "removequotes", [["a|b", "c"]]),
        ('"a\\"b"|c\n', "removequotes escape", [['a"b', "c"]]),
        ("it's|\"\n", "", [["it's", '"']]),
        ('"a,b",c\n', "csv", [["a,b", "c"]]),
        ('"a\n""b",c\n', "csv", [['a\n"b', "c"]]),
        ("001ab\n2\n", "fixedwidth 'a:3,b:2'", [["001", "ab"], ["2", ""]]),
    ],
)
def test_a_line_is_split_as_its_format_says(text: str, options: str, expected: list[list[str]]) -> None:
    assert fields(text, options) == expected


def test_records_keep_the_number_of_their_first_line_and_their_text() -> None:
    found = records('head\n"a\nb",1\n"c"x,2\n\nd,3\n', "csv ignoreheader 1")
    assert [(record.line, record.raw) for record in found] == [(2, '"a\nb",1'), (4, '"c"x,2'), (5, ""), (6, "d,3")]
    assert isinstance(found[1], BadRecord)


@given(st.lists(st.lists(TEXT, min_size=2, max_size=4), min_size=1, max_size=5))
def test_what_is_written_as_csv_is_read_back(rows: list[list[str]]) -> None:
    text = "".join(",".join('"' + value.replace('"', '""') + '"' for value in row) + "\n" for row in rows)
    lines = [line + "\n" for line in text.split("\n")[:-1]]
    statement = parse_copy("copy t from 's3://b' iam_role default csv")
    assert [record.fields for record in delimited.parse(statement, lines)] == rows


# `\N` stays as it is when it is read, for it is what NULL is written as: no N here.
WITHOUT_N = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0\rN"))


@given(st.lists(st.lists(WITHOUT_N, min_size=2, max_size=4), min_size=1, max_size=5))
def test_what_is_escaped_is_read_back(rows: list[list[str]]) -> None:
    def escaped(value: str) -> str:
        return "".join("\\" + letter if letter in "\\|\n" else letter for letter in value)

    text = "".join("|".join(escaped(value) for value in row) + "\n" for row in rows)
    lines = [line + "\n" for line in text.split("\n")[:-1]]
    statement = parse_copy("copy t from 's3://b' iam_role default escape")
    assert [record.fields for record in delimited.parse(statement, lines)] == rows


COLUMNS = (TableColumn("a", "varchar", 99), TableColumn("b", "int4"))


def json_fields(text: str, option: str = "auto") -> list[object]:
    pick = json_records.picker(option, COLUMNS, objects=None)  # type: ignore[arg-type]  # read for jsonpaths alone
    found = json_records.parse(text.splitlines(keepends=True), pick)
    return [record.fields if isinstance(record, Record) else (record.line, record.code) for record in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "x", "b": 1}\n{"b": 2}\n', [["x", "1"], [None, "2"]]),
        ('{"a": "x"}{"a": "y"} {"a": "z"}', [["x", None], ["y", None], ["z", None]]),
        ('{\n  "a": "x\\ny",\n  "b": 1\n}\n{"b":2}', [["x\ny", "1"], [None, "2"]]),
        ('{"a": 1.10, "b": true}', [["1.10", "true"]]),
        ('{"a": {"k": [1, null]}}', [['{"k":[1,null]}', None]]),
        ('{"b": 1}\n{b}\n{"b": 2}', [[None, "1"], (2, 1216), [None, "2"]]),
        ('"word"\n{"b": 2}', [(1, 1216), [None, "2"]]),
        ('{"b": 1', [(1, 1216)]),
        ('{"a": "unterminated\n{"b": 2}', [(1, 1216)]),
        ("", []),
        ("\n \n", []),
    ],
)
def test_json_values_follow_one_another(text: str, expected: list[object]) -> None:
    assert json_fields(text) == expected


@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), st.integers() | TEXT), max_size=5),
    st.sampled_from(["\n", "", " \n"]),
)
def test_any_objects_are_found_whatever_stands_between_them(found: list[dict[str, object]], between: str) -> None:
    text = between.join(json.dumps(one) for one in found)
    expected = [[None if (value := one.get(name)) is None else str(value) for name in "ab"] for one in found]
    assert json_fields(text) == expected


def test_super_columns_get_json_and_not_text() -> None:
    columns = (TableColumn("s", "super"),)
    pick = json_records.picker("auto", columns, objects=None)  # type: ignore[arg-type]
    assert [pick({"s": value}) for value in ("1", 1, [1], None)] == [['"1"'], ["1"], ["[1]"], [None]]
