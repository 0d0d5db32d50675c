from __future__ import annotations

import pytest

from cloud_etl.extract.reader.read_batch import ReaderLimits

SMALL = ReaderLimits(window_bytes=64, segment_bytes=64, threads=2)
AB = {"a": {"type": "string"}, "b": {"type": "string"}}


def test_columns_are_matched_by_name_and_not_by_place(read):
    assert read(b"name,id\na,1\n").values == [(1, "a")]


def test_a_name_in_another_case_or_with_blanks_is_taken_and_noted(read):
    result = read(b" ID ,Name\n1,a\n")
    assert result.values == [(1, "a")]
    assert result.count.notes == ("column id was taken from ' ID '", "column name was taken from 'Name'")


def test_old_names_of_a_column(read):
    schema = {"id": {"type": "integer", "rename_from": ["no", "nr"]}, "name": {"type": "string"}}
    assert read(b"nr,name\n1,a\n", schema).values == [(1, "a")]
    assert read(b"nr,no,name\n1,2,a\n", schema).count.codes == {"duplicate_header": 2}


@pytest.mark.parametrize("header", [b"id,name,id", b"ID,Id,name"])
def test_a_duplicate_header_refuses_every_record(read, header):
    result = read(header + b"\n1,a,2\n3,b,4\n")
    assert result.codes == [(1, "duplicate_header"), (2, "duplicate_header"), (3, "duplicate_header")]
    assert [row["raw_text"] for row in result.rejects] == [header.decode(), "1,a,2", "3,b,4"]
    assert result.rows == []


def test_a_missing_optional_column_is_null_or_its_default(read):
    schema = {"id": {"type": "integer"}, "name": {"type": "string"}, "n": {"type": "integer", "default": 7}}
    result = read(b"id\n1\n", schema)
    assert result.values == [(1, None, 7)]
    assert result.count.notes == ("column name is not in the file", "column n is not in the file")


def test_a_missing_required_column_refuses_every_record(read):
    result = read(b"id\n1\n2\n", {"id": {"type": "integer"}, "name": {"type": "string", "required": True}})
    assert [code for _, code in result.codes] == ["missing_column"] * 3
    assert result.rejects[0]["column"] == "name"


def test_new_columns_are_rejected_ignored_or_taken(read):
    data = b"id,name,extra\n1,a,x\n2,b,\n"
    assert read(data).count.codes == {"unexpected_column": 3}
    ignored = read(data, new_columns="ignore")
    assert ignored.values == [(1, "a"), (2, "b")]
    evolved = read(data, new_columns="evolve")
    assert evolved.values == [(1, "a", "x"), (2, "b", None)]
    assert evolved.batch.schema.names == ("id", "name", "extra")


def test_new_columns_of_different_files_are_in_every_staged_file(read):
    result = read([b"id,name,x\n1,a,1\n", b"name,id,y\nb,2,2\n", b"id,name,X\n3,c,3\n"], new_columns="evolve")
    assert result.values == [(1, "a", "1", None), (2, "b", None, "2"), (3, "c", "3", None)]


@pytest.mark.parametrize("extra", [b"", b"_row_id"])
def test_a_new_column_needs_a_name_of_its_own(read, extra):
    assert set(read(b"id,name," + extra + b"\n1,a,x\n", new_columns="evolve").count.codes) == {"bad_header"}


def test_a_header_in_another_dialect_loses_nothing_silently(read):
    result = read(b"id;name\n1;a\n2;b\n", new_columns="ignore")
    assert result.rows == []
    assert [row["raw_text"] for row in result.rejects] == ["id;name", "1;a", "2;b"]
    assert set(result.count.codes) == {"header_mismatch"}


def test_a_file_without_its_header_keeps_the_first_record(read):
    result = read(b"1,a\n2,b\n")
    assert [row["raw_text"] for row in result.rejects] == ["1,a", "2,b"]


def test_a_stray_quote_in_the_header_swallows_nothing(read):
    result = read(b'id,"name\n1,a\n2,b\n')
    assert result.rows == []
    assert [row["raw_text"] for row in result.rejects] == ['id,"name', "1,a", "2,b"]
    assert set(result.count.codes) == {"bad_header"}


@pytest.mark.parametrize("above", [[b"Report"], [b"Report,,", b"", b"by us"], [b"x,y", b'a "quote', b"z"]])
def test_lines_above_the_header_are_rejected_and_the_records_below_are_read(read, above):
    result = read(b"\n".join([*above, b"id,name", b"1,a", b"2,b", b""]))
    assert result.values == [(1, "a"), (2, "b")]
    assert set(result.count.codes) == {"header_not_first"}
    assert [row["raw_text"].encode() for row in result.rejects] == [line for line in above if line]
    assert f"csv.skip_lines to {len(above)}" in result.rejects[0]["message"]


def test_a_header_right_below_the_header_is_one_reject(read):
    result = read(b'id,name\nid,name\n"id","name"\n1,a\n')
    assert result.values == [(1, "a")]
    assert result.codes == [(2, "repeated_header"), (3, "repeated_header")]


@pytest.mark.parametrize("header", [b"id,name", b'"id","name"', b'id,"name"'])
@pytest.mark.parametrize("blank", [b"", b"\n"])
@pytest.mark.parametrize("limits", [None, SMALL])
def test_a_header_inside_the_file_begins_a_second_table(read, header, blank, limits):
    result = read(b"id,name\n1,a\n2,b\n" + blank + header + b"\n3,c\n4,d\n", limits=limits)
    assert result.values == [(1, "a"), (2, "b")]
    line = 4 + len(blank)
    assert result.codes == [(line, "second_table"), (line + 1, "second_table"), (line + 2, "second_table")]
    assert f"begins on line {line}" in result.rejects[0]["message"]


@pytest.mark.parametrize("header", [b"ID,NAME", b"Id,Name", b" ID , Name ", b'"ID","name"', b"id ,NAME"])
@pytest.mark.parametrize("blank", [b"", b"\n"])
def test_a_header_inside_a_text_file_in_other_case_or_with_blanks_begins_a_second_table_too(read, header, blank):
    texts = {"id": {"type": "string"}, "name": {"type": "string"}}
    result = read(b"id,name\n1,a\n2,b\n" + blank + header + b"\n3,c\n4,d\n", texts)
    assert result.values == [("1", "a"), ("2", "b")]
    assert [code for _, code in result.codes] == ["second_table"] * 3


def test_a_header_inside_a_quoted_field_is_text(read):
    result = read(b'id,name\n1,"a\nid,name\nb"\n2,c\n')
    assert result.values == [(1, "a\nid,name\nb"), (2, "c")]


@pytest.mark.parametrize("limits", [None, SMALL, ReaderLimits(window_bytes=7, segment_bytes=1)])
def test_a_table_of_another_width_below_a_gap_is_a_second_table(read, limits):
    result = read(b"a,b\n1,x\n2,y\n\np,q,r\n1,2,3\n4,5,6\n7,8\n", AB, limits=limits)
    assert result.values == [("1", "x"), ("2", "y")]
    assert [code for _, code in result.codes] == ["second_table"] * 4


@pytest.mark.parametrize("limits", [None, SMALL, ReaderLimits(window_bytes=7, segment_bytes=1)])
def test_a_table_with_its_own_header_of_the_same_width_is_a_second_table(read, limits):
    result = read(b"a,b\n1,10\n2,20\n\ncity,code\nRome,3\nOslo,4\n", AB, limits=limits)
    assert result.values == [("1", "10"), ("2", "20")]
    assert [line for line, _ in result.codes] == [5, 6, 7]


@pytest.mark.parametrize("new_columns", ["ignore", "evolve", "reject"])
@pytest.mark.parametrize("place", range(1, 13))
def test_a_header_that_is_cut_by_a_line_end_empties_no_column(read, place, new_columns):
    schema = {"id": {"type": "integer"}, "name": {"type": "string"}, "price": {"type": "integer"}}
    header = "id,name,price"
    good = "id,name\n9,z\n"
    data = f"{header[:place]}\n{header[place:]}\n1,a,2\n3,b,4\n"
    result = read([good.encode(), data.encode()], schema, new_columns=new_columns)
    assert result.values == [(9, "z", None)]
    assert result.batch.counts[1].records_read == result.batch.counts[1].rejected >= 3


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        ("größe", "gro\u0308ße", "with U+0308 COMBINING DIAERESIS, without U+00F6"),
        ("gro\u0308ße", "größe", "with U+00F6 LATIN SMALL LETTER O WITH DIAERESIS, without U+0308"),
        ("full name", "full\u00a0name", "with U+00A0 NO-BREAK SPACE"),
        ("name", "na\u200bme", "with U+200B ZERO WIDTH SPACE"),
        ("name", "\u2060Name\u00ad", "with U+2060 WORD JOINER, U+00AD SOFT HYPHEN"),
    ],
)
def test_a_name_that_reads_like_the_contracts_is_taken_and_its_code_points_are_noted(read, name, header, said):
    schema = {"id": {"type": "integer"}, name: {"type": "string", "required": True}}
    result = read(f"id,{header}\n1,a\n".encode(), schema)
    assert result.values == [(1, "a")]
    assert said in result.count.notes[0]


def test_a_name_with_a_letter_of_another_alphabet_is_another_name_and_its_code_point_is_told(read):
    for required in (True, False):
        schema = {"id": {"type": "integer"}, "name": {"type": "string", "required": required}}
        result = read("id,n\u0430me\n1,a\n".encode(), schema, new_columns="ignore")
        told = result.rejects[0]["message"] if required else result.count.notes[0]
        assert "U+0430 CYRILLIC SMALL LETTER A" in told


PHONES = {name: {"type": "string"} for name in ("name", "phone", "zip")}
WORDS = [
    [("Cid", "n/a", "none")],
    [("Cid", "unlisted", "abroad")],
    [("Cid", "unlisted", "abroad"), ("Dee", "hidden", "island")],
    [("Cid", "n/a", "none"), ("Dee", "n/a", "12345"), ("Eve", "n/a", "23456")],
    [("#c", "a\\", "+"), ("d", "e", "1"), ("f", "g", "2"), ("h", "i", "3")],
    [("c", "d", "\x7f"), ("d", "e", "1"), ("f", "g", "2"), ("h", "i", "3")],
]


@pytest.mark.parametrize("limits", [None, SMALL, ReaderLimits(window_bytes=7, segment_bytes=1)])
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("tail", [0, 1, 20])
@pytest.mark.parametrize("gap", ["\n", "\n\n", "\n\n\n"])
def test_words_below_a_gap_are_records_where_the_rows_below_go_on_as_above(read, words, tail, gap, limits):
    rows = [("Ann", "555-1", "12345"), ("Bob", "555-2", "23456")]
    rows += [*words, *((f"N{number}", f"555-{number}", f"{number:05d}") for number in range(tail))]
    # Of a double-spaced file every line stands below a gap.
    lines = ["name,phone,zip", *(",".join(row) for row in rows)]
    data = (gap.join(lines) if gap != "\n" else "\n".join([*lines[:3], "", *lines[3:]])) + "\n"
    result = read(data.encode(), PHONES, limits=limits)
    assert (result.values, result.codes) == (rows, [])


@pytest.mark.parametrize("limits", [None, SMALL, ReaderLimits(window_bytes=7, segment_bytes=1)])
@pytest.mark.parametrize(
    "below",
    [
        "city,code,area\nRome,3,x\nOslo,4,y\n",
        "x,a,b\n1,2,3\n4,5,6\n",
        "city,country,area\nRome,Italy,x\nOslo,Norway,y\nBonn,Germany,z\n",
    ],
)
def test_a_table_whose_columns_hold_something_else_is_a_second_table(read, below, limits):
    data = b"name,phone,zip\nAnn,555-1,12345\nBob,555-2,23456\n\n" + below.encode()
    result = read(data, PHONES, limits=limits)
    assert result.values == [("Ann", "555-1", "12345"), ("Bob", "555-2", "23456")]
    assert {code for _, code in result.codes} == {"second_table"}


@pytest.mark.parametrize("limits", [None, SMALL, ReaderLimits(window_bytes=7, segment_bytes=1)])
def test_one_odd_code_below_a_gap_is_no_second_table(read, limits):
    schema = {"code": {"type": "string"}, "name": {"type": "string"}}
    result = read(b"code,name\nA1,foo\nA2,bar\n\nMISC,other\nA3,x\n", schema, limits=limits)
    assert result.values == [("A1", "foo"), ("A2", "bar"), ("MISC", "other"), ("A3", "x")]


@pytest.mark.parametrize("limits", [None, SMALL, ReaderLimits(window_bytes=7, segment_bytes=1)])
def test_a_value_like_the_header_of_a_one_column_file_is_one_reject(read, limits):
    data = b'name\na\nname\n"x\nname\ny"\n"name"\n\n\xef\xbb\xbfname\nb\n"c"d\n'
    result = read(data, {"name": {"type": "string"}}, limits=limits)
    assert result.values == [("a",), ("x\nname\ny",), (None,), ("b",)]
    again = "repeated_header"
    assert result.codes == [(3, again), (7, again), (9, again), (11, "text_after_quote")]


@pytest.mark.parametrize("header", [b"a,b", b'"a","b"'])
@pytest.mark.parametrize("limits", [None, SMALL, ReaderLimits(window_bytes=7, segment_bytes=1)])
def test_a_file_put_behind_another_with_its_byte_order_mark_is_a_second_table(read, header, limits):
    mark = b"\xef\xbb\xbf"
    result = read(mark + b"a,b\nx,1\n" + mark + header + b"\ny,2\n", AB, limits=limits)
    assert result.values == [("x", "1")]
    assert result.codes == [(3, "second_table"), (4, "second_table")]


def test_a_repeated_header_with_its_byte_order_mark_right_below_the_header_is_one_reject(read):
    result = read(b"a,b\n\xef\xbb\xbfa,b\ny,2\n", AB)
    assert result.values == [("y", "2")]
    assert result.codes == [(2, "repeated_header")]


def test_a_gap_between_records_and_a_footnote_are_no_second_table(read):
    result = read(b"a,b\n1,x\n\n2,y\n3,z\n\n\n4,w\n\nTotal 4\n", AB)
    assert result.values == [("1", "x"), ("2", "y"), ("3", "z"), ("4", "w")]
    assert result.codes == [(10, "too_few_fields")]


def test_without_a_header_columns_go_by_position(read):
    result = read(b"1,a\n2\n", source={"csv": {"header": False}})
    assert result.values == [(1, "a")]
    assert result.codes == [(2, "too_few_fields")]


@pytest.mark.parametrize("data", [b"", b"id,name", b"id,name\n", b"\n\nid,name\n\n"])
def test_a_file_without_records_has_none_and_no_reject(read, data):
    result = read(data)
    assert result.count.records_read == 0
    assert result.batch.schema.names == ("id", "name")


def test_a_very_long_header_name_is_read(read):
    name = "h" * 600_000
    assert read(f"id,{name}\n1,a\n".encode(), {"id": {"type": "integer"}, name: {"type": "string"}}).values == [
        (1, "a")
    ]


def test_a_value_that_reads_like_a_missing_column_cuts_no_header(read):
    schema = {"id": {"type": "string"}, "n": {"type": "string"}, "day": {"type": "string"}}
    for below in (b"", b"d,e,f\n"):
        result = read(b"id,note,more\nc,n,m\n" + below, schema=schema, new_columns="evolve")
        assert result.rejects == [] and len(result.rows) == 1 + bool(below)
