from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.extract.reader.read_batch import ReaderLimits

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


def test_an_array_that_is_cut_off_says_so(read):
    result = read(b'[{"id": 1}, {"id": 2}, {"id": 3, "na', SCHEMA, source=SOURCE, name="x.json")
    assert [row["id"] for row in result.rows] == [1, 2]
    assert result.codes == [(3, "invalid_json")]
    assert result.rejects[0]["raw_text"] == '{"id": 3, "na'


def test_text_behind_the_array_is_one_reject(read):
    result = read(b'[{"id": 1}] {"id": 2}', SCHEMA, source=SOURCE, name="x.json")
    assert len(result.rows) == 1
    assert result.rejects[0]["raw_text"] == '{"id": 2}'


def array(read, data, **options):
    source = {"format": "json", "json": {"layout": "array"}}
    return read(data, {"a": {"type": "json"}}, source=source, name="x.json", **options)


@pytest.mark.parametrize("limits", [None, SMALL])
@pytest.mark.parametrize(
    ("data", "rows", "rejects"),
    [
        (b'[{"a":1},,{"a":3}{"a":4},]', ["1", "3"], [",", '{"a":4}', ","]),
        (b'[,{"a":1}]', ["1"], [","]),
        (b"[,]", [], [",", ","]),
        (b'x{"a":1},{"a":2}]', [], ['x{"a":1},{"a":2}]']),
        (b'{"a":1},{"a":2}]', [], ['{"a":1},{"a":2}]']),
        (b'[{"a":1} x {"a":2}]', ["1"], ['x {"a":2}]']),
        (b'[{"a":1},x,{"a":2}]', ["1", "2"], ["x"]),
        (b'[{"a":NaN},{"a":2}]', ["2"], ['{"a":NaN}']),
        # What lies inside a damaged element, or inside a text, never becomes a row.
        (b'[{"b":"x},{"a":"},{},{"},{"a":3}]', [], ['{"b":"x},{"a":"},{},{"},{"a":3}]']),
        (b'[{"a":}{"a":5},{"a":6}]},{"a":7}]', [], ['{"a":}{"a":5},{"a":6}]},{"a":7}]']),
        (b'[{"a":{"a":5},{"a":6}],"b":1},{"a":7}]', [], ['{"a":{"a":5},{"a":6}],"b":1},{"a":7}]']),
        (b'[\n{"a":[\n{"a":2},\n{"a":3}\n],"b":"x},\n{"a":4}\n]', [], None),
        (b'[{"a":1}"},{},{"a":2}]', ["1"], ['"},{},{"a":2}]']),
    ],
)
def test_a_fault_between_elements_costs_what_is_in_doubt(read, data, rows, rejects, limits):
    result = array(read, data, limits=limits)
    assert [row["a"] for row in result.rows] == rows
    assert len(result.rejects) == (1 if rejects is None else len(rejects))
    assert rejects is None or [row["raw_text"] for row in result.rejects] == rejects


@pytest.mark.parametrize(("end", "rows"), [(b'"x"]}', ["1", "3"]), (b'"x}', ["1"])])
def test_an_element_that_is_too_long_is_one_reject_and_nothing_in_it_is_a_row(read, end, rows):
    source = {"format": "json", "json": {"layout": "array", "max_record_bytes": 1024}}
    data = b'[{"a": 1},\n{"a": [' + b'{"a": 2},\n' * 20_000 + end + b',\n{"a": 3}]'
    result = read(data, {"a": {"type": "json"}}, source=source, name="x.json", limits=SMALL)
    assert [row["a"] for row in result.rows] == rows
    assert result.codes == [(2, "record_too_long")]


@pytest.mark.parametrize("data", [b"", b"[]", b" \n [ ] \n"])
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


marks = st.sampled_from(list('{}[]",:\\\n 0x'))
inner = st.lists(st.fixed_dictionaries({"nested": st.sampled_from([1, "}", "},{", '"', ",{},", []])}), max_size=3)
records = st.lists(
    st.fixed_dictionaries({"a": inner | values, "b": st.sampled_from([1, "x", "},{},{", ",[{"])}), max_size=8
)
STYLES = [{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (",\n", ":")}]


@given(
    records, st.sampled_from(STYLES), st.booleans(), st.floats(0, 0.999), marks | st.just(""), st.booleans(),
    st.sampled_from([SMALL, None]),
)  # fmt: skip
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_array_with_one_fault_gives_what_python_reads_or_rejects(
    read, found, style, ascii_only, at, mark, cut, limits
):
    whole = json.dumps(found, **style, ensure_ascii=ascii_only)
    place = int(at * len(whole))
    text = whole[:place] + mark + whole[place + cut :]
    schema = {"a": {"type": "json"}, "b": {"type": "json"}, "nested": {"type": "json"}}
    source = {"format": "json", "json": {"layout": "array"}}
    result = read(text.encode(), schema, source=source, name="x.json", limits=limits, new_columns="ignore")
    try:
        right = json.loads(text, object_pairs_hook=_unique)
    except ValueError:
        right = None
    if isinstance(right, list) and all(isinstance(record, dict) for record in right):
        rows = [None if row["a"] is None else json.loads(row["a"]) for row in result.rows]
        # A blank in a key is no other key.
        assert rows == [{key.strip(): value for key, value in record.items()}.get("a") for record in right]
    else:
        # Nothing that lies in a record, or in a text, has become a row.
        assert result.rejects
        assert len(result.rows) <= len(found)
        assert not any(row["nested"] for row in result.rows)


def _unique(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


@pytest.mark.parametrize("key", ["\\u0000", "\\uD800", "", "   ", "x" * 10_000, "_row_id", "a\\tb", "a\\u200bb"])
@pytest.mark.parametrize("new_columns", ["reject", "ignore", "evolve"])
def test_a_key_that_no_column_can_have_costs_its_record_at_most(read, key, new_columns):
    bad = b'{"id": 2, "' + key.encode() + b'": 0}'
    result = lines(read, b'{"id": 1}', bad, b'{"id": 3, "fine": 1}', new_columns=new_columns)
    ids = [row["id"] for row in result.rows]
    kept = new_columns == "ignore" and key != "\\uD800"
    assert ids == ([1, 2, 3] if kept else [1, 3] if new_columns != "reject" else [1])
    assert len(result.rejects) == 3 - len(ids)
    assert {column.name for column in result.batch.schema.columns} - set(SCHEMA) <= {"fine"}


@pytest.mark.parametrize("record", [b'{"id": 2, "x": ["\\uDFAA"]}', b'{"id": 2, "tags": {"\\uDFAA": 1}}'])
def test_half_a_surrogate_anywhere_costs_its_record(read, record):
    for data in (b'{"id": 1}\n' + record + b'\n{"id": 3}\n', b'[{"id": 1},' + record + b',{"id": 3}]'):
        result = read(data, SCHEMA, source=SOURCE, name="x.json", new_columns="ignore")
        assert [row["id"] for row in result.rows] == [1, 3]
        assert [row["code"] for row in result.rejects] == ["invalid_encoding"]


def test_a_key_twice_behind_its_escape_is_told(read):
    result = lines(read, b'{"id": 1, "\\u0069d": 2}', b'{"id": 3}')
    assert (result.codes, [row["id"] for row in result.rows]) == ([(1, "duplicate_key")], [3])


@pytest.mark.parametrize("data", [b'{" ID": 1, "x": 2}\n{"id": 3}\n', b'[{" ID": 1, "x": 2}, {"id": 3}]'])
def test_keys_that_are_matched_by_case_or_dropped_are_noted_as_headers_are(read, data):
    result = read(data, SCHEMA, source=SOURCE, name="x.json", new_columns="ignore")
    assert [row["id"] for row in result.rows] == [1, 3]
    assert result.count.notes == ("column id was taken from ' ID'", "columns dropped: 'x'")


@pytest.mark.parametrize("indent", [1, "\t"])
def test_pretty_printed_records_are_told_of_the_layout(read, indent):
    for value in ({"id": 1, "tags": {"a": [1, {}]}}, [{"id": 1}]):
        data = json.dumps(value, indent=indent).encode()
        result = read(data, SCHEMA, source={"format": "json", "json": {"layout": "lines"}}, name="x.json")
        assert not result.rows
        assert any("layout: array" in row["message"] for row in result.rejects)
    one_line = read(b'[{"id": 1}]', SCHEMA, source={"format": "json", "json": {"layout": "lines"}}, name="x.json")
    assert "json: {layout: array}" in one_line.rejects[0]["message"]


@pytest.mark.parametrize("data", [b"\n\n", b" \r\n\t", b"\xef\xbb\xbf", b"\n" * 100_000])
def test_a_file_with_bytes_and_no_record_is_refused(read, data):
    result = read(data, source={"format": "json"}, name="x.jsonl", limits=SMALL)
    assert (result.count.records_read, result.count.codes) == (1, {"no_record": 1})


LONG = b'{"id": 1, "name": "%s"}' % (b"x" * 3000)


@pytest.mark.parametrize("window", [1, 40, 1 << 20])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n \n ", b"\r\n"])
@pytest.mark.parametrize("body", [b'{"id": 1}', b'\n\n{"id": 1}\n  \n{"id": 2}', b"{x\n\n" + LONG, LONG + b"\n" + LONG])
def test_every_byte_of_json_lines_is_of_a_record_or_of_a_blank_line(read, body, end, window):
    source = {"format": "json", "json": {"max_record_bytes": 1024}}
    limits = ReaderLimits(window_bytes=window, segment_bytes=100, threads=1)
    text = read(body + end, source=source, name="x.jsonl", limits=limits).count.text
    assert text.total_bytes == len(body + end) == text.blank_bytes + text.record_bytes
    blank = [line for line in (body + end).split(b"\n") if not line.strip()]
    assert text.blank_lines == len(blank) - (body + end).endswith(b"\n")
