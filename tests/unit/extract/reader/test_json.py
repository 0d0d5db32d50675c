from __future__ import annotations

import io
import json
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.domain.spec import CsvOptions
from cloud_etl.extract.reader import json_array
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.read_batch import ReaderLimits
from cloud_etl.extract.reader.streams import TextStream
from cloud_etl.extract.reader.windows import Window

TO_BRACKET = json_array._TO_BRACKET

SCHEMA = {
    "id": {"type": "integer", "required": True},
    "name": {"type": "string"},
    "price": {"type": "decimal(30,10)"},
    "tags": {"type": "json"},
}
SOURCE = {"format": "json"}
SMALL = ReaderLimits(window_bytes=64, segment_bytes=64, threads=2)


def lines(read, *records, **options):
    return read(b"\n".join(records) + b"\n", SCHEMA, source=SOURCE, name="x.json", **options)


def test_numbers_keep_every_digit(read):
    result = lines(read, b'{"id": 1, "price": 12345678901234567890.1234567891, "tags": {"n": 1.10}}')
    assert result.values == [(1, None, Decimal("12345678901234567890.1234567891"), '{"n": 1.10}')]


def test_scalars_become_the_text_they_are_written_in(read):
    result = lines(
        read, b'{"id": "4", "name": true}', b'{"id": 5, "name": 1.50}', b'{"id": 6, "name": ""}', b'{"id":7,"price":""}'
    )
    assert [row[1] for row in result.values] == ["true", "1.50", "", None]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (b'{"id": 1, "id": 2}', "duplicate_key"),
        (b'{"id": 1, "ID": 2}', "duplicate_key"),
        (b'{"id": 1, "tags": {"a": 1, "a": 2}}', "duplicate_key"),
        (b'{"id": NaN}', "invalid_json"),
        (b'{"id": 1, "price": Infinity}', "invalid_json"),
        (b'{"id": 1,}', "invalid_json"),
        (b'{"id": 1} {"id": 2}', "invalid_json"),
        (b"{'id': 1}", "invalid_json"),
        (b'{"id": 1', "invalid_json"),
        (b"[1]", "not_an_object"),
        (b"7", "not_an_object"),
        (b'{"id": 1.5}', "bad_integer"),
        (b'{"id": 1.0}', "bad_integer"),
        (b'{"id": true}', "bad_integer"),
        (b'{"id": {"a": 1}}', "bad_integer"),
        (b'{"id": 1, "name": [1]}', "bad_string"),
        (b'{"id": null}', "missing_value"),
        (b'{"name": "x"}', "missing_value"),
        (b'{"id": 1, "other": 2}', "unexpected_column"),
        (b'{"id": 1, "name": "\xff"}', "invalid_encoding"),
        (b'{"id": 1, "name": "\\u0000"}', "nul_byte"),
        (b'{"id": 1, "name": "\\ud800"}', "invalid_encoding"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"id": 1, "tags": ' + b"[" * 600 + b"]" * 600 + b"}", "invalid_json"),
    ],
)
def test_a_bad_record_costs_itself_only(read, record, code):
    result = lines(read, b'{"id": 8}', record, b"", b'{"id": 9}')
    assert [row[0] for row in result.values] == [8, 9]
    assert result.codes == [(2, code)]
    assert result.rejects[0]["byte_position"] == 10


def test_unknown_keys_follow_new_columns(read):
    records = (b'{"id": 1, "x": 5}', b'{"id": 2}', b'{"id": 3, "X": {"a": 1}}')
    assert [row[0] for row in lines(read, *records, new_columns="ignore").values] == [1, 2, 3]
    evolved = lines(read, *records, new_columns="evolve", limits=SMALL)
    assert [row["x"] for row in evolved.rows] == ["5", None, '{"a": 1}']


@pytest.mark.parametrize("layout", ["auto", "array"])
@pytest.mark.parametrize("limits", [None, SMALL])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_element_by_element(read, layout, limits, indent):
    records = [{"id": number, "name": 'br{a}ck[e]ts, "q" \\', "tags": [{"a": []}]} for number in range(50)]
    data = json.dumps(records, indent=indent).encode()
    result = read(data, SCHEMA, source={"format": "json", "json": {"layout": layout}}, name="x.json", limits=limits)
    assert [row["id"] for row in result.rows] == list(range(50))
    assert result.rows[0]["name"] == 'br{a}ck[e]ts, "q" \\'


def test_a_broken_element_of_an_array_is_one_reject(read):
    data = b'[\n{"id": 1},\n{"id": 2, "name": "x},\n{"id": 3},\n{"id": 4,},\n7,\n{"id": 5}\n]\n'
    result = read(data, SCHEMA, source=SOURCE, name="x.json")
    assert [row["id"] for row in result.rows] == [1, 3, 5]
    assert result.codes == [(2, "invalid_json"), (4, "invalid_json"), (5, "not_an_object")]


@pytest.mark.parametrize(
    ("unit", "tail"), [(b'{"a":{"b":1},\n', b""), (b'{"a":"x},\n', b""), (b'{"a":{"b":1},\n', b"}")]
)
def test_each_element_is_searched_once_when_none_is_closed(unit, tail):
    reads = Counter()

    class Counted:
        def match(self, buffer, position):
            found = TO_BRACKET.match(buffer, position)
            reads["bytes"] += (found.end() if found else len(buffer)) - position
            return found

    data = b"[\n" + unit * 2000 + tail * 2000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_TO_BRACKET", Counted())
        window = Window(TextStream(io.BytesIO(), io.BytesIO(data), "utf-8"), Dialect(CsvOptions()))
        elements = list(json_array.ArrayScanner(window, 1 << 24, lambda raw: False).elements())
    assert len(elements) > 900
    assert reads["bytes"] < 12 * len(data)


def test_an_array_that_is_cut_off_says_so(read):
    result = read(b'[{"id": 1}, {"id": 2}, {"id": 3, "na', SCHEMA, source=SOURCE, name="x.json")
    assert [row["id"] for row in result.rows] == [1, 2]
    assert [code for _, code in result.codes] == ["invalid_json", "invalid_json"]


def test_text_behind_the_array_is_one_reject(read):
    result = read(b'[{"id": 1}] {"id": 2}', SCHEMA, source=SOURCE, name="x.json")
    assert len(result.rows) == 1
    assert result.rejects[0]["raw_text"] == '{"id": 2}'


@pytest.mark.parametrize("data", [b"", b"[]", b" \n [ ] \n", b"\n\n"])
def test_no_records(read, data):
    assert read(data, SCHEMA, source=SOURCE, name="x.json").count.records_read == 0


def test_a_long_record_is_rejected(read):
    source = {"format": "json", "json": {"max_record_bytes": 1024}}
    data = b'{"id": 1}\n{"id": 2, "name": "' + b"x" * 200_000 + b'"}\n{"id": 3}\n'
    result = read(data, SCHEMA, source=source, name="x.json", limits=SMALL)
    assert [row["id"] for row in result.rows] == [1, 3]
    assert result.codes == [(2, "record_too_long")]


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(values, max_size=8), st.sampled_from([None, 1]), st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_value_survives_in_a_json_column(read, found, indent, ascii_only):
    records = [{"id": number, "tags": value} for number, value in enumerate(found)]
    data = json.dumps(records, indent=indent, ensure_ascii=ascii_only).encode()
    result = read(data, SCHEMA, source=SOURCE, name="x.json", limits=SMALL)
    assert [None if row["tags"] is None else json.loads(row["tags"]) for row in result.rows] == found
