from __future__ import annotations

import pytest

from cloud_etl.extract.reader.read_batch import ReaderLimits

SMALL = ReaderLimits(window_bytes=1024, segment_bytes=1024, threads=2)
NAME = {"id": {"type": "integer"}, "name": {"type": "string"}}
THREE = {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}}


def csv(**options):
    return {"csv": options}


def test_a_missing_value_and_an_empty_text_stay_apart(read):
    assert read(b'id,name\n1,\n2,""\n3,x\n').values == [(1, None), (2, ""), (3, "x")]


def test_null_words_apply_to_unquoted_text_only(read):
    result = read(b'id,name\n1,NA\n2,"NA"\n3,\nNA,x\n', source=csv(null_words=["NA"]))
    assert result.values == [(1, None), (2, "NA"), (3, ""), (None, "x")]


def test_short_and_long_records_are_rejected_with_their_line_and_byte(read):
    result = read(b"id,name\n1,a\n2\n3,c,d\n4,,\n5,e\n")
    assert result.values == [(1, "a"), (5, "e")]
    assert result.codes == [(3, "too_few_fields"), (4, "too_many_fields"), (5, "too_many_fields")]
    assert [row["byte_position"] for row in result.rejects] == [12, 14, 20]
    assert [row["raw_text"] for row in result.rejects] == ["2", "3,c,d", "4,,"]


def test_a_file_counts_its_rejects_by_code_and_column(read):
    count = read(b"id,name\nx,a\n1\ny,b\n").count
    assert count.codes == {"bad_integer": 2, "too_few_fields": 1}
    assert count.columns == {"bad_integer": {"id": 2}}


def test_a_reject_tells_where_it_comes_from_and_holds_no_value_in_its_message(read):
    (reject,) = read(b"id,name\nsecret7,a\n").rejects
    assert reject["run_id"] == "run1"
    assert reject["pipeline"] == "sales"
    assert reject["source_uri"].startswith("file:///")
    assert reject["source_etag"] == "etag0"
    assert (reject["column"], reject["code"], reject["stage"]) == ("id", "bad_integer", "reader")
    assert reject["raw_bytes"] is None
    assert "secret7" not in reject["message"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'2,b"c', "stray_quote"),
        (b'2,"b"c', "text_after_quote"),
        (b'2,"b', "unclosed_quote"),
        (b'2,b""', "stray_quote"),
        (b'2, "b"', "stray_quote"),
        (b"2,b\rc", "bare_carriage_return"),
        (b"2,b\0c", "nul_byte"),
        (b"2,b\xff", "invalid_encoding"),
        (b'2,"b\xff"', "invalid_encoding"),
        (b'2,"b\\"c"', "text_after_quote"),
    ],
)
@pytest.mark.parametrize("limits", [None, SMALL])
def test_a_broken_record_costs_itself_and_nothing_else(read, line, code, limits):
    result = read(b"id,name\n1,a\n" + line + b"\n3,c\n4,d\n", limits=limits)
    assert result.values == [(1, "a"), (3, "c"), (4, "d")]
    assert result.codes == [(3, code)]
    assert (result.rejects[0]["raw_bytes"] or result.rejects[0]["raw_text"].encode()) == line


def test_a_stray_quote_in_the_last_cell_does_not_swallow_the_lines_below(read):
    body = b"".join(b"%d,n%d\n" % (number, number) for number in range(2, 500))
    result = read(b'id,name\n1,"a\n' + body)
    assert result.codes == [(2, "unclosed_quote")]
    assert len(result.rows) == 498


def test_a_quoted_field_may_span_lines(read):
    result = read(b'id,name\n1,"a\nb\r\n\nc"\n2,d\n')
    assert result.values == [(1, "a\nb\r\n\nc"), (2, "d")]
    assert [row["_row_id"] for row in result.rows] == [2, 6]


def test_a_record_over_lines_that_look_like_records_is_refused_line_by_line(read):
    result = read(b'id,name\n1,"a\n2,b\n3,c"\n4,d\n')
    assert result.values == [(4, "d")]
    assert result.codes == [(2, "ambiguous_quote"), (3, "ambiguous_quote"), (4, "ambiguous_quote")]


EVERY_SIZE = pytest.mark.parametrize(
    "limits", [None, SMALL, *(ReaderLimits(window_bytes=size, segment_bytes=1) for size in (1, 7, 20, 40))]
)


def texts(header):
    return {name: {"type": "string"} for name in header.decode().split(",")}


@pytest.mark.parametrize(
    ("data", "values", "refused", "code"),
    [
        (
            b'id,amt,note\n1,5,"log:\n9,999,fake\nend"x\n2,6,ok\n',
            [("2", "6", "ok")], ['1,5,"log:', "9,999,fake", 'end"x'], "text_after_quote",
        ),
        (
            b'name,address\nann,"1 Main St\nSpringfield, IL\nUSA",\nbob,x\n',
            [("bob", "x")], ['ann,"1 Main St', "Springfield, IL", 'USA",'], "unclosed_quote",
        ),
        (b't\n"one\ntwo\nthree"x\n', [], ['"one', "two", 'three"x'], "text_after_quote"),
        (b'a,b\n1,"x\n9,8\n\ny"\rz\n2,c\n', [("2", "c")], ['1,"x', "9,8", 'y"\rz'], "text_after_quote"),
        (b'a,b,c\n1,"x\ny","p\n7,8,9\nq"z\n2,3,4\n', [("2", "3", "4")],
         ['1,"x', 'y","p', "7,8,9", 'q"z'], "text_after_quote"),
        (b'a,b,c\n5,"abc,2\n6,"ok",3\n', [("6", "ok", "3")], ['5,"abc,2'], "text_after_quote"),
        (b'a,b\n5,"x\n\n6,"ok"\n', [("6", "ok")], ['5,"x'], "text_after_quote"),
    ],
)  # fmt: skip
@EVERY_SIZE
def test_lines_inside_a_quoted_field_of_a_refused_record_are_no_records(read, data, values, refused, code, limits):
    result = read(data, texts(data[: data.index(b"\n")]), limits=limits)
    assert result.values == values
    assert [row["raw_text"] for row in result.rejects] == refused
    assert set(result.count.codes) == {code}


@pytest.mark.parametrize("ending", [b'"x', b'9,"'])
@EVERY_SIZE
def test_between_two_stray_quotes_no_line_becomes_a_row(read, ending, limits):
    body = b"".join(b"%d,n%d\n" % (number, number) for number in range(2, 20))
    result = read(b'id,name\n1,"a\n' + body + ending + b"\n30,z\n", limits=limits)
    assert [row["id"] for row in result.rows] == [30]
    assert [line for line, _ in result.codes] == list(range(2, 22))


TYPED = {"id": {"type": "integer"}, "note": {"type": "string"}, "name": {"type": "string"}}


@EVERY_SIZE
def test_a_stray_quote_and_a_field_that_begins_with_a_line_end_do_not_swallow_the_records_between(read, limits):
    below = b'30,"\nx",z\n31,c,y\n'
    result = read(b'id,note,name\n2,b,"oops\n3,c,y\n' + below, TYPED, limits=limits)
    assert result.values == [(31, "c", "y")]
    assert [row["raw_text"] for row in result.rejects] == ['2,b,"oops', "3,c,y", '30,"', 'x",z']
    body = b"".join(b"%d,n,m\n" % number for number in range(3, 20))
    result = read(b'id,note,name\n2,b,"oops\n' + body + below, TYPED, limits=limits)
    assert result.values == [(31, "c", "y")]
    assert [line for line, _ in result.codes] == list(range(2, 22))


@EVERY_SIZE
def test_a_quoted_number_ends_on_its_line(read, limits):
    schema = {"note": {"type": "string"}, "n": {"type": "integer"}}
    result = read(b'note,n\na,"1\nb,2\n"\nc,3\n', schema, limits=limits)
    assert result.values == [("c", 3)]
    assert result.codes == [(line, "unclosed_quote") for line in (2, 3, 4)]
    body = b"".join(b"n,%d\n" % number for number in range(3, 20))
    result = read(b'note,n\na,"1\n' + body + b'"\nb",5\n', schema, limits=limits)
    assert result.values == []
    assert [line for line, _ in result.codes] == list(range(2, 22))


@EVERY_SIZE
def test_lines_of_text_with_as_many_delimiters_as_the_header_are_no_records_where_no_value_says_so(read, limits):
    data = b'id,note,name\n2,b,"x\none, two, three\n,,\nend"\n3,c,y\n'
    result = read(data, TYPED, limits=limits)
    assert result.values == [(2, "b", "x\none, two, three\n,,\nend"), (3, "c", "y")]


@EVERY_SIZE
def test_a_field_over_lines_is_one_record_where_its_last_line_is_none(read, limits):
    data = b'name,address\nann,"1 Main St\nSpringfield, IL\nUSA"\nbob,x\n'
    result = read(data, texts(b"name,address"), limits=limits)
    assert result.values == [("ann", "1 Main St\nSpringfield, IL\nUSA"), ("bob", "x")]


@EVERY_SIZE
def test_a_null_word_is_no_proof_that_a_line_is_part_of_a_field(read, limits):
    schema = {"id": {"type": "integer"}, "n": {"type": "integer"}, "t": {"type": "string"}}
    data = b'id,n,t\n1,NA,"foo\n2,NA,bar"\n3,4,ok\n'
    result = read(data, schema, source=csv(null_words=["", "NA"]), limits=limits)
    assert result.values == [(3, 4, "ok")]
    assert result.codes == [(2, "ambiguous_quote"), (3, "ambiguous_quote")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last", [True, False])
def test_every_kind_of_line_end_gives_the_same_rows(read, end, last):
    data = end.join([b"id,name", b"1,a", b"", b'2,"b,""c"', b"3,"]) + (end if last else b"")
    assert read(data).values == [(1, "a"), (2, 'b,"c'), (3, None)]


def test_a_cr_file_keeps_the_line_feeds_inside_quotes(read):
    result = read(b'id,name\r1,"a\nb\rc"\r2,x\ny\r3,z\r')
    assert result.values == [(1, "a\nb\rc"), (3, "z")]
    assert result.codes == [(4, "bare_carriage_return")]
    assert result.rejects[0]["raw_text"] == "2,x\ny"


def test_crlf_is_not_part_of_the_last_value_and_blank_lines_are_no_records(read):
    result = read(b"id,name\r\n1,a\r\n\r\n2,b\n\n3,c\r\n\r\n")
    assert result.values == [(1, "a"), (2, "b"), (3, "c")]
    assert result.count.records_read == 3


def test_a_blank_line_of_a_one_column_file_is_a_missing_value(read):
    assert read(b"name\na\n\nb\n", {"name": {"type": "string"}}).values == [("a",), (None,), ("b",)]


def test_comments_and_leading_lines_are_no_records(read):
    data = b'junk " here\nmore\n# note\nid,name\n1,a\n# it\'s "odd\n2,b # not a comment\n'
    result = read(data, source=csv(comment="#", skip_lines=2))
    assert result.values == [(1, "a"), (2, "b # not a comment")]
    assert result.count.records_read == 2
    assert [row["_row_id"] for row in result.rows] == [5, 7]


@pytest.mark.parametrize("delimiter", [";", "\t", "||", ", ", "§", "\\t", "a,b"])
def test_any_delimiter_splits_with_and_without_quotes(read, delimiter):
    lines = ["id{0}name", "1{0}x", '2{0}"y{0}z"', "3{0}", '4{0}""', "5{0}v{0}w"]
    data = "\n".join(line.format(delimiter) for line in lines).encode()
    result = read(data, source=csv(delimiter=delimiter))
    assert result.values == [(1, "x"), (2, f"y{delimiter}z"), (3, None), (4, "")]
    assert result.codes == [(6, "too_many_fields")]


def test_a_long_delimiter_works_when_no_control_character_is_free(read):
    taken = bytes(code for code in range(1, 32) if code not in (9, 10, 13))
    result = read(b"id||name\n1||" + taken + b"\n2||b\n3\n", source=csv(delimiter="||"))
    assert result.values == [(1, taken.decode()), (2, "b")]
    assert result.codes == [(4, "too_few_fields")]


def test_backslash_escapes(read):
    data = rb"""id,name
1,"a\"b\\c\d"
2,a\d
3,"x""y"
4,"z\"
5,"q",
6,"ok"
"""
    result = read(data, source=csv(escape="backslash"))
    assert result.values == [(1, 'a"b\\c\\d'), (2, "a\\d")]
    assert result.codes == [(4, "text_after_quote"), *((line, "text_after_quote") for line in (5, 6, 7))]


def test_without_escape_a_quote_cannot_stand_in_a_quoted_field(read):
    result = read(b'id,name\n1,"a,b"\n2,"a""b"\n3,""\n', source=csv(escape="none"))
    assert result.values == [(1, "a,b"), (3, "")]
    assert result.codes == [(3, "text_after_quote")]


def test_without_a_quote_character_quotes_are_text(read):
    result = read(b'id,name\n1,"a\n2,b"c\n3,"x,y"\n', source=csv(quote=None))
    assert result.values == [(1, '"a'), (2, 'b"c')]
    assert result.codes == [(4, "too_many_fields")]


def test_another_quote_character(read):
    assert read(b"id,name\n1,'a,''b'\n2,\"x\"\n", source=csv(quote="'")).values == [(1, "a,'b"), (2, '"x"')]
    assert read("id,name\n1,»a,b»\n".encode(), source=csv(quote="»")).values == [(1, "a,b")]


def test_trim_cuts_blanks_around_unquoted_text_only(read):
    data = b'id,name\n 1 ,  a b \n2,"  c "\n 3,   \n'
    assert read(data, source=csv(trim=True)).values == [(1, "a b"), (2, "  c "), (3, None)]
    assert read(b"id,name\n1,  a \n", source=csv()).values == [(1, "  a ")]
    assert read(b"id,name\n 1,a\n").codes == [(2, "bad_integer")]


def test_a_record_that_is_too_long_is_rejected_whatever_the_window(read):
    long = b"x" * 5000
    data = b"id,name\n1,a\n2," + long + b'\n3,c\n4,"' + long + b'"\n5,e\n'
    for limits in (None, SMALL, ReaderLimits(window_bytes=100, segment_bytes=100)):
        result = read(data, source=csv(max_record_bytes=2000), limits=limits)
        assert result.values == [(1, "a"), (3, "c"), (5, "e")]
        assert result.codes == [(3, "record_too_long"), (5, "record_too_long")]


def test_a_line_without_end_does_not_fill_the_memory_and_is_one_reject(read):
    data = b"id,name\n1,a\n" + b"y" * 300_000 + b"\n2,b\n"
    result = read(data, source=csv(max_record_bytes=1024), limits=SMALL)
    assert result.values == [(1, "a"), (2, "b")]
    assert len(result.rejects[0]["raw_text"]) == 1024


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
@pytest.mark.parametrize("blanks", [0, 1])
def test_a_record_that_is_cut_inside_a_character_is_one_reject(read, encoding, blanks):
    data = ("id,name\n1,a\n2," + "x" * blanks + "é" * 3000 + "\n3,c\n").encode(encoding)
    result = read(data, source=csv(encoding=encoding, max_record_bytes=1024))
    assert result.values == [(1, "a"), (3, "c")]
    assert result.codes == [(3, "record_too_long")]
    assert result.rejects[0]["raw_text"] == "2," + "x" * blanks + "é" * ((1022 - blanks) // 2)


def test_a_byte_order_mark_is_dropped_at_the_beginning_and_kept_elsewhere(read):
    mark = b"\xef\xbb\xbf"
    result = read(mark + b"name,id\na,1\n" + mark + b"b,2\n" * 1, limits=ReaderLimits(window_bytes=16, segment_bytes=1))
    assert result.values == [(1, "a"), (2, "\ufeffb")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252", "utf-32"])
def test_encodings(read, encoding):
    data = 'id,name\n1,é\n2,"ü\nx"\n'.encode(encoding)
    assert read(data, source=csv(encoding=encoding)).values == [(1, "é"), (2, "ü\nx")]


def test_undecodable_bytes_reject_their_record_and_are_kept(read):
    result = read(b"id,name\n1,\x80\n2,\x81x\n3,c\n", source=csv(encoding="cp1252"))
    assert result.values == [(1, "€"), (3, "c")]
    assert result.codes == [(3, "invalid_encoding")]
    assert result.rejects[0]["raw_bytes"] == b"2,\x81x"
    assert result.rejects[0]["raw_text"] == "2,\ufffdx"


def test_a_utf_16_file_declared_as_utf_8_is_refused_record_by_record(read):
    result = read("id,name\n1,a\n2,b\n".encode("utf-16"))
    assert result.codes == [(2, "wrong_encoding"), (3, "wrong_encoding")]


def test_a_file_of_bad_lines_only_becomes_rejects(read):
    result = read(b"id,name\n" + b"x\n" * 30_000, limits=ReaderLimits(window_bytes=1 << 16, segment_bytes=1 << 20))
    assert result.count.codes == {"too_few_fields": 30_000}


def test_rejects_carry_the_right_line_behind_many_blocks(read):
    lines = [b"%d,%s" % (number, b"v" * 60) for number in range(60_000)]
    for place in (17_000, 17_001, 40_000, 59_999):
        lines[place] = b"broken"
    result = read(b"id,name\n" + b"\n".join(lines) + b"\n")
    assert [line for line, _ in result.codes] == [17_002, 17_003, 40_002, 60_001]
    assert all(row["id"] == row["_row_id"] - 2 for row in result.rows)


def test_many_small_files_share_segments_and_keep_their_own_accounts(read):
    contents = [b"id,name\n%d,a\nx,b\n" % number if number % 2 else b"name,id\nc,%d\n" % number for number in range(60)]
    result = read(contents)
    assert [row["id"] for row in result.rows] == list(range(60))
    assert [row["_row_id"] >> 40 for row in result.rows] == list(range(60))
    assert len(result.batch.staged) == 2
    assert [file.rejected for file in result.batch.counts] == [number % 2 for number in range(60)]


def test_values_are_the_same_in_every_column_of_a_wide_file(read):
    names = [f"c{number}" for number in range(300)]
    schema = {name: {"type": "string"} for name in names}
    rows = [[f"r{row}c{number}" for number in range(300)] for row in range(50)]
    data = "\n".join(",".join(row) for row in [names, *rows]).encode()
    assert read(data, schema).values == [tuple(row) for row in rows]


def test_a_few_lines_before_many_parsed_records_do_not_shift_their_values(read):
    lines = [f"{number},true,x" for number in range(3)]
    # Records over that many lines are parsed one by one, and follow the others in the table that is cast.
    note = '"' + "a\n" * 12 + '"'
    lines += [f"{number},{'' if number % 2 else 'no'},{note}" for number in range(3, 900)]
    schema = {"id": {"type": "integer"}, "flag": {"type": "boolean"}, "note": {"type": "string"}}
    result = read(("id,flag,note\n" + "\n".join(lines)).encode(), schema)
    assert [row[:2] for row in result.values] == [(n, True if n < 3 else None if n % 2 else False) for n in range(900)]
