"""Flat JSON lines that are taken by one pattern: never other rows or rejects than the strict parser gives."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.extract.reader import json_flat
from cloud_etl.extract.reader.read_batch import ReaderLimits

SCHEMA = {
    "id": {"type": "integer"},
    "name": {"type": "string"},
    "größe": {"type": "decimal(9,3)"},
    "tags": {"type": "json"},
    "flag": {"type": "boolean"},
}
SETTINGS = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
LIMITS = [ReaderLimits(window_bytes=1, segment_bytes=1, threads=2), ReaderLimits(window_bytes=300, threads=2), None]

numbers = st.sampled_from(
    ["0", "-0", "1", "-12.50", "1e3", "1E+400", "01", "1.", ".5", "+1", "--1", "NaN", "-Infinity"]
)
strings = st.one_of(
    st.text(max_size=6).map(json.dumps),
    st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(
        ['""', '"null"', '"1"', '"true"', '" x "', '"tab\t"', '"\\u0000"', '"\\ud800"', '"a\\"b"', '"\x7f"']
    ),
)
others = st.sampled_from(["null", "true", "false", "Null", "[]", "[1, 2]", '{"a":1}', '{"a": 1, "a": 2}', "", "x"])
scalars = st.one_of(numbers, strings, others)
blanks = st.sampled_from(["", "", "", " ", "\t", "\r", "\x0b"])


@st.composite
def objects(draw) -> str:
    keys = draw(
        st.sampled_from([list(SCHEMA), list(SCHEMA), list(SCHEMA)[::-1], ["id"], ["id", "id"], ["ID", "x"], []])
    )
    blank = draw(blanks)
    members = [f'{blank}"{key}"{blank}:{blank}{draw(scalars)}{blank}' for key in keys]
    text = blank + "{" + ",".join(members) + "}" + blank
    return text + draw(st.sampled_from(["", "", "", "", ",", "}", " {}", " \r"]))


lines = st.lists(st.one_of(objects(), objects(), st.sampled_from(["", " ", "[1]", "7", '"x"', "\0", "x"])), max_size=14)


def outcome(result):
    rejects = [
        (row["line"], row["byte_position"], row["code"], row["column"], row["raw_text"]) for row in result.rejects
    ]
    return result.rows, rejects, result.count.records_read


@pytest.mark.parametrize("new_columns", ["reject", "ignore", "evolve"])
@given(found=lines, broken=st.booleans())
@SETTINGS
def test_rows_and_rejects_are_the_same_with_and_without_the_pattern(read, new_columns, found, broken):
    data = "\n".join(found).encode("utf-8", "surrogatepass") + (b'\n{"id": 1, "name": "\xff"}' if broken else b"")
    options = {"source": {"format": "json", "json": {"layout": "lines"}}, "name": "x.json", "new_columns": new_columns}
    seen = [outcome(read(data, SCHEMA, limits=limits, **options)) for limits in LIMITS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_flat, "_pattern", lambda keys: None)
        strict = outcome(read(data, SCHEMA, **options))
    if new_columns != "evolve":
        assert seen == [strict] * len(LIMITS)
        return
    # Which spelling of a new column comes first decides its place among the columns, not its values.
    for rows, *rest in seen:
        assert rest == list(strict[1:])
        assert [{key: value for key, value in row.items() if value is not None} for row in rows] == [
            {key: value for key, value in row.items() if value is not None} for row in strict[0]
        ]


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        (b'{"id": 1, "name": "x y \xc3\xa9", "flag": true}', True),
        (b' {"id":-1.5e3,"name":null ,\t"flag":"false"} \r', True),
        (b'{"id": 1, "name": "a\\nb", "flag": true}', False),
        (b'{"id": 1, "name": [1], "flag": true}', False),
        (b'{"id": 1, "flag": true, "name": "x"}', False),
        (b'{"id": 01, "name": "x", "flag": true}', False),
        (b'{"id": 1, "name": "x", "flag": true,}', False),
        (b'{"id": 1, "name": "a\tb", "flag": true}', False),
    ],
)
def test_the_pattern_takes_flat_records_without_escapes(line, taken):
    found = json_flat._pattern(("id", "name", "flag")).findall(line + b"\n")
    assert len(found) == 1
    assert bool(found[0][0]) is taken
    assert (found[0][-1] == line) is not taken


def test_keys_that_need_escapes_have_no_pattern():
    assert json_flat._pattern(('a"b',)) is None
    assert json_flat._pattern(("a\nb",)) is None
    assert json_flat._pattern(("größe.*",)).findall('{"größe.*": 1}\n'.encode()) == [(b"1", b"")]
