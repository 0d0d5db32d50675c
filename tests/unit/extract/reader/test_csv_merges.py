"""Stray quotes join no two records, and nothing inside a field that was given up becomes a row."""

from __future__ import annotations

import csv
import io
import itertools
import random

import pytest

from cloud_etl.extract.reader.read_batch import ReaderLimits

TINY = ReaderLimits(window_bytes=64, segment_bytes=1, threads=2)
NAMES = ("id", "item", "qty", "note")
TYPED = {"id": {"type": "integer"}, "item": {"type": "string"}, "qty": {"type": "integer"}, "note": {"type": "string"}}
TEXTS = {name: {"type": "string"} for name in NAMES}
BOTH = pytest.mark.parametrize("schema", [TYPED, TEXTS], ids=["typed", "texts"])


def marked(name: str) -> str:
    """A text that no two cells share, so that a merge is seen."""
    return f"<{name}>"


def spoiled(cell: str, rng: random.Random) -> str:
    return rng.choice(['"', f'"{cell}', f'{cell}"', f'24"{cell}', f'"{cell}"', f'{cell} 24"', '""'])


def file_of(rng: random.Random, ends: str, columns: int) -> tuple[bytes, list[str]]:
    """Records of which some have a stray quote in a cell, some commas in quotes, some a text over lines."""
    lines, marks = [",".join(NAMES[:columns])], []
    for number in range(1, 13):
        mark = marked(f"r{number}")
        cells = [str(number), f"{mark}", str(number * 2), f"n{mark}"][:columns]
        kind = rng.choice(["plain", "plain", "stray", "stray", "commas", "lines"])
        if kind in ("commas", "stray") and rng.random() < 0.6:
            cells[1] = f'"bolt, {mark}"'
        if kind == "stray":
            place = rng.choice([0, columns - 1, rng.randrange(columns)])
            cells[place] = spoiled(cells[place].strip('"'), rng)
        if kind == "lines":
            cells[1] = f'"first of {mark}{ends}second, it is{ends}third"'
        lines.append(",".join(cells))
        marks.append(mark)
    return (ends.join(lines) + rng.choice(["", ends])).encode(), marks


@BOTH
@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_no_row_holds_more_than_one_record_whatever_quotes_are_stray(read, schema, columns, ends):
    rng = random.Random(f"{columns}{ends!r}")
    files = [file_of(rng, ends, columns) for _ in range(25)]
    wanted = {name: schema[name] for name in NAMES[:columns]}
    result = read([data for data, _ in files], wanted, limits=TINY)
    for row in result.rows:
        held = " ".join(str(value) for value in row.values())
        marks = {mark for mark in files[row["_row_id"] >> 40][1] if mark in held}
        assert len(marks) <= 1, held


@BOTH
@pytest.mark.parametrize("limits", [None, TINY])
def test_ditto_marks_beside_commas_in_quotes_merge_no_records(read, schema, limits):
    data = b'id,item,qty,note\n1,"bolt, long",5,"\n2,nut,7,"\n3,washer,9,ok\n'
    result = read(data, schema, limits=limits)
    assert [row["item"] for row in result.rows] == ["washer"]
    assert result.codes == [(2, "ambiguous_quote"), (3, "ambiguous_quote")]


def test_two_lines_of_one_quote_are_no_cell_of_a_one_column_file(read):
    schema = {"name": {"type": "string"}}
    assert read(b'name\na\n"\nb\n"\nc\n', schema).values == [("a",), ("c",)]
    assert read(b'name\n"a\nb"\nc\n', schema).values == [("a\nb",), ("c",)]


@pytest.mark.parametrize("width", [2, 3, 5])
def test_addresses_and_comments_over_lines_are_read_wherever_a_type_tells_them_from_records(read, width):
    rng = random.Random(width)
    words = ["Main St 5", "I came, saw and left", "Springfield, IL", "thanks", "see you, Ann", "USA", "", "no, never"]
    rows = [
        [str(number), *("\n".join(rng.choices(words, k=rng.randint(1, 6))) for _ in range(width - 1))]
        for number in range(200)
    ]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[f"c{place}" for place in range(width)], *rows])
    # Two columns of text: a last line with a comma is a record as well as it is an end.
    for kind, most in (("integer", 0.01), ("string", 0.65 if width == 2 else 0.1)):
        schema = {f"c{place}": {"type": "string" if place else kind} for place in range(width)}
        result = read(out.getvalue().encode(), schema)
        read_ids = {str(row["c0"]) for row in result.rows}
        assert len(read_ids) >= 200 * (1 - most)
        held = {str(row["c0"]): row for row in result.rows}
        for row in rows:
            if row[0] in held:
                assert [held[row[0]][f"c{place}"] or "" for place in range(1, width)] == row[1:]


LONG = {"csv": {"max_record_bytes": 1024}}
SIZES = pytest.mark.parametrize(
    "limits", [None, *(ReaderLimits(window_bytes=size, segment_bytes=1) for size in (1, 500))]
)


@SIZES
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("tail", [b'"', b' ""quoted"" to the end"'])
def test_a_quoted_field_longer_than_a_record_may_be_is_one_reject_and_its_lines_are_no_rows(read, limits, ends, tail):
    inside = b"".join(b"%d,phantom%s" % (number, ends) for number in range(600))
    data = b"id,name" + ends + b"1,a" + ends + b'2,"x' + ends + inside + tail + ends + b"3,c" + ends
    result = read(data, source=LONG, limits=limits)
    assert result.values == [(1, "a"), (3, "c")]
    assert result.codes == [(3, "record_too_long")]
    assert "602 lines, up to line 604" in result.rejects[0]["message"]
    assert len(result.rejects[0]["raw_text"]) == 1024


@SIZES
def test_behind_a_quote_that_never_closes_the_rest_of_a_long_file_is_set_aside_and_counted(read, limits):
    data = b'id,name\n1,a\n2,"x\n' + b"".join(b"%d,phantom\n" % number for number in range(600))
    result = read(data, source=LONG, limits=limits)
    assert result.values == [(1, "a")]
    assert result.codes == [(3, "unclosed_quote")]
    assert "601 lines" in result.rejects[0]["message"]


@SIZES
def test_a_line_longer_than_a_record_may_be_that_leaves_a_field_open_hides_what_is_in_it(read, limits):
    data = b"id,name\n" + b'1,"' + b"x" * 5000 + b'\n2,phantom\n3,phantom"\n4,d\n5,' + b'y"' * 2000 + b"\n6,f\n"
    result = read(data, source=LONG, limits=limits)
    assert result.values == [(4, "d"), (6, "f")]
    assert result.codes == [(2, "record_too_long"), (6, "record_too_long")]


DAMAGES = {
    "text behind the quote": b'"x',
    "one field more": b'",extra',
    "a NUL": b'\0"',
    "bytes that are no text": b'\xff"',
    "quotes in the text": b'and "so" on "x',
}


@SIZES
@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 20, 30])
@pytest.mark.parametrize("damage", DAMAGES)
def test_no_line_of_a_damaged_record_becomes_a_row(read, limits, count, damage):
    inside = b"".join(b"%d,phantom\n" % number for number in range(count))
    data = b'id,name\n1,a\n2,"x\n' + inside + DAMAGES[damage] + b"\n900,c\n"
    result = read(data, limits=limits)
    assert result.values == [(1, "a"), (900, "c")]
    assert len(result.rejects) in (1, count + 2)


def test_a_text_that_is_cut_off_with_its_file_gives_no_rows(read):
    texts = {"name": {"type": "string"}, "address": {"type": "string"}}
    assert read(b'name,address\nbob,x\nann,"1 Main St\nSpringfield, IL', texts).values == [("bob", "x")]


CELLS = ["x\\y", 'say "hi"', "a,b", "a\nb", "a\r\nb", "ends\\", '"', "\\", '\\"', "\\\\n", "", "N", "\\N", "it's"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("doublequote", [True, False])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(("quote", "escape", "option"), [('"', "\\", "backslash"), ("'", '"', '"'), ("'", "^", "^")])
def test_what_a_csv_writer_escaped_arrives_or_is_refused(read, quoting, doublequote, ends, quote, escape, option):
    rows = [[str(number), *pair] for number, pair in enumerate(itertools.product(CELLS, ["it", '"']))]
    contents = []
    for row in rows:
        out = io.StringIO()
        writer = csv.writer(out, quoting=quoting, doublequote=doublequote, escapechar=escape, quotechar=quote,
                            lineterminator=ends)  # fmt: skip
        writer.writerows([["id", "a", "b"], row, ["z", "z", "z"]])
        contents.append(out.getvalue().encode())
    schema = {name: {"type": "string"} for name in ("id", "a", "b")}
    source = {"csv": {"escape": option, "quote": quote}}
    result = read(contents, schema, source=source, limits=TINY)
    found = [[row["id"], row["a"] or "", row["b"] or ""] for row in result.rows if row["id"] != "z"]
    assert all(row in rows for row in found)
    if not doublequote:
        refused = len(rows) - len(found)
        # Python leaves a lone CR bare where CR ends no line, and text over lines may look like records.
        assert refused <= len(rows) * 0.2


@pytest.mark.parametrize("letter", "0bfnrtvZN")
def test_a_letter_behind_a_backslash_that_readers_take_differently_is_refused(read, letter):
    data = f'id,name\n1,a\\{letter}\n2,"a\\{letter}"\n3,a\\\\{letter}\n4,\\N\n'.encode()
    result = read(data, source={"csv": {"escape": "backslash", "null_words": ["", "\\N"]}})
    assert result.values == [(3, f"a\\{letter}"), (4, None)]
    assert result.codes == [(2, "bad_escape"), (3, "bad_escape")]


def test_a_backslash_before_a_crlf_or_the_end_of_the_file_is_refused(read):
    source = {"csv": {"escape": "backslash"}}
    result = read(b"id,name\r\n1,C:\\dir\\\r\n2,b\r\n3,c\\", source=source)
    assert result.values == [(2, "b")]
    assert result.codes == [(2, "bad_escape"), (4, "bad_escape")]
