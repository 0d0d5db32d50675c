"""What is skipped decides nothing, and every byte of a file is header, skipped, comment, blank line or record."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.extract.reader.read_batch import ReaderLimits

LIMITS = [
    ReaderLimits(window_bytes=1, segment_bytes=1, threads=2),
    ReaderLimits(window_bytes=20, segment_bytes=60, threads=2),
    ReaderLimits(threads=1),
]
NOTE = {"id": {"type": "integer"}, "note": {"type": "string"}}
RECORDS = [(1, "first\rsecond"), (2, "x"), (3, "y")]


def lines(*texts: str, end: str = "\n") -> bytes:
    return "".join(text + end for text in texts).encode()


BODY = ("id,note", '1,"first\rsecond"', '2,"x"', "3,y")


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize(
    ("above", "csv"),
    [
        (['Report for 24" screens', "Printed 2024-01-05"], {"skip_lines": 2}),
        (['24" screens\rby us', "Printed"], {"skip_lines": 2}),
        (['# 24" screens'], {"comment": "#"}),
        (['# 24"\rscreens', "", '# "'], {"comment": "#"}),
        (['24"', '# 32"'], {"comment": "#", "skip_lines": 1}),
        ([], {}),
    ],
)
def test_quotes_and_line_ends_above_the_header_do_not_decide_how_lines_end(read, above, csv, limits):
    result = read(lines(*above, *BODY), NOTE, source={"csv": csv}, limits=limits)
    assert (result.values, result.codes) == (RECORDS, [])
    without = read(lines(*above, *BODY[1:]), NOTE, source={"csv": csv | {"header": False}}, limits=limits)
    assert (without.values, without.codes) == (RECORDS, [])


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("above", [['24" screens', "by us"], ['24"\nscreens', "by us"], ["it's", "b"], ['"', '""']])
def test_a_file_that_ends_lines_with_cr_may_hold_lf_in_cells_below_what_is_skipped(read, above, limits):
    for quote in ('"', "'"):
        body = [line.replace("\r", "\n").replace('"', quote) for line in BODY]
        csv = {"skip_lines": 2, "quote": quote}
        result = read(lines(*above, *body, end="\r"), NOTE, source={"csv": csv}, limits=limits)
        assert result.values == [(1, "first\nsecond"), (2, "x"), (3, "y")]
        assert result.codes == []


def test_an_apostrophe_in_what_is_skipped_is_no_quote(read):
    data = lines("it's late", "id,note", "1,'first\rsecond'", "2,'x'", "3,y")
    assert read(data, NOTE, source={"csv": {"skip_lines": 1, "quote": "'"}}).values == RECORDS


def test_a_title_with_other_line_ends_than_the_table_below_it_is_skipped_line_by_line(read):
    data = b"Title\nPrinted\nid,note\r1,a\r2,b\r"
    assert read(data, NOTE, source={"csv": {"skip_lines": 2}}).values == [(1, "a"), (2, "b")]


def test_a_byte_order_mark_below_a_title_hides_no_header(read):
    data = "Title\n\ufeffid,note\n1,a\n".encode()
    assert read(data, NOTE, source={"csv": {"skip_lines": 1}}).values == [(1, "a")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_prologue_longer_than_the_first_look_into_the_file_decides_nothing_either(read, line_end):
    body = [line.replace("\r", " ") for line in BODY]
    for above in ([f'{"x" * 3_000_000} 24"'], ["# y\r\n"[:3] + '"' * 7] * 400_000):
        csv = {"skip_lines": len(above)} if len(above) == 1 else {"comment": "#"}
        result = read(lines(*above, *body, end=line_end), NOTE, source={"csv": csv})
        assert [row[0] for row in result.values] == [1, 2, 3]
        assert result.rows[0]["_row_id"] == len(above) + 2


NOTHING = [
    (b"\n\n", {}, "2 blank lines (2 bytes)"),
    (b"\xef\xbb\xbf", {}, "no text"),
    (b"# a\n\n# b", {"comment": "#"}, "2 comment lines (7 bytes), 1 blank line (1 byte)"),
    (b"id,note\n1,a\n", {"skip_lines": 2}, "2 skipped lines (12 bytes); csv.skip_lines is 2"),
    (b"id,note\r1,a\r2,b", {"skip_lines": 5}, "3 skipped lines (15 bytes); csv.skip_lines is 5"),
]


@pytest.mark.parametrize(("data", "csv", "held"), NOTHING)
@pytest.mark.parametrize("header", [True, False])
def test_a_file_with_bytes_and_neither_header_nor_record_is_refused(read, data, csv, held, header):
    good = b"# x\n" * 3 + b"id,note\n1,a\n"
    for pack, name in ((bytes, "x.csv"), (gzip.compress, "x.csv.gz")):
        result = read([pack(data), pack(good)], NOTE, source={"csv": csv | {"header": header}}, name=name)
        assert result.batch.counts[0].codes == {"no_record": 1}
        assert result.batch.counts[0].records_read == 1
        assert held in result.rejects[0]["message"]
        assert result.batch.counts[1].staged <= 1


def test_skipped_lines_comments_and_blank_lines_of_a_file_are_counted_with_their_bytes(read):
    data = b'Title\r\nid,note\r\n# c\r\n1,a\r\n\r\n2,"b\r\n\r\nc"\r\n#\r\n3'
    text = read(data, NOTE, source={"csv": {"skip_lines": 1, "comment": "#"}}, limits=LIMITS[1]).count.text
    assert (text.total_bytes, text.header_bytes, text.record_bytes) == (len(data), 9, 5 + 12 + 1)
    assert (text.skipped_lines, text.skipped_bytes) == (1, 7)
    assert (text.comment_lines, text.comment_bytes) == (2, 8)
    assert (text.blank_lines, text.blank_bytes) == (1, 2)


@dataclass
class Slow:
    """A reader that takes one character at a time and knows how the file was made."""

    end: str
    comment: str | None
    rows: list[tuple[str | None, str | None]] = field(default_factory=list)

    def read(self, text: str, skip: int, *, header: bool) -> list[tuple[str | None, str | None]]:
        position = 0
        for _ in range(skip):
            position = text.index(self.end, position) + len(self.end)
        while position < len(text):
            if text.startswith(self.end, position):
                position += len(self.end)
            elif self.comment and text.startswith(self.comment, position):
                position = text.index(self.end, position) + len(self.end)
            else:
                position = self.record(text, position)
        return self.rows[int(header) :]

    def record(self, text: str, position: int) -> int:
        cells: list[str | None] = []
        while True:
            cell, quoted = "", text[position] == '"'
            position += quoted
            while quoted or not text.startswith((",", self.end), position):
                if quoted and text[position] == '"':
                    if text[position + 1] != '"':
                        position += 1
                        break
                    position += 1
                cell += text[position]
                position += 1
            cells.append(cell if quoted or cell else None)
            if text[position] != ",":
                self.rows.append((cells[0], cells[1]))
                return position + len(self.end)
            position += 1


TEXTS = {"id": {"type": "string"}, "note": {"type": "string"}}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str, dict[str, object]]:
    """A file by the rules of its dialect, below a prologue of anything."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    other = "\n" if end == "\r" else "\r"
    prologue = st.text(st.sampled_from("\"',#a1é ") | st.just(";"), max_size=8)
    skipped = draw(st.lists(prologue, max_size=3))
    comment = draw(st.sampled_from([None, "#"]))
    comments = st.lists(prologue.map("#".__add__) | st.just(""), max_size=3) if comment else st.just([])
    words = st.text(st.sampled_from("'ax1é"), min_size=1, max_size=4)
    hard = st.text(st.sampled_from("'a\"," + other), min_size=1, max_size=6).map(
        lambda t: '"' + t.replace('"', '""') + '"'
    )
    header = draw(st.booleans())
    out = [*skipped, *draw(comments), *(["id,note"] if header else [])]
    for _ in range(draw(st.integers(1, 5))):
        out += [f"{draw(words)},{draw(words | hard)}", *draw(comments)]
    options = {"skip_lines": len(skipped), "comment": comment, "header": header}
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return mark + "".join(line + end for line in out), end, options


@given(file=files(), cut=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_reader_finds_what_a_slow_one_finds_below_any_prologue(read, file, cut):
    text, end, options = file
    wanted = Slow(end, options["comment"]).read(
        text.removeprefix("\ufeff"), options["skip_lines"], header=options["header"]
    )
    if cut:
        text = text.removesuffix(end)
    for limits in LIMITS:
        result = read(text.encode(), TEXTS, source={"csv": options}, limits=limits)
        if any(code in ("ambiguous_quote", "second_table", "repeated_header") for _, code in result.codes):
            return
        assert (result.values, result.codes) == (wanted, [])
        assert result.count.text.total_bytes == len(text.removeprefix("\ufeff").encode())
