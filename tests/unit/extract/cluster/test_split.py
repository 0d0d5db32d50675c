"""A file that executors read in slices gives what it gives when it is read from its first to its last line."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from cloud_etl.errors import ObjectChangedError

HEADER = "id,n,name"
WORDS = st.sampled_from(["", "x", "Zoë 🙂", "€"])
LINES = st.one_of(
    st.builds("{},{},{}".format, st.sampled_from("abcdé"), st.integers(0, 999), WORDS),
    st.sampled_from(["a,1", "a,1,x,y", "a,x,b", ",1,b", "   ", "a,1,\0", "n" * 90, f"{'m' * 1100},1,x", "a,1,\\"]),
)
# What ties lines together; rare, so that most files are split.
TIES = st.sampled_from(['"a",1,x', 'a,1,"x', 'a,1,x"', "", "a,1,x\ry,2,z", HEADER, "#", "# a,b,c", "other,names,here"])
ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "latin-1", "ascii")


@st.composite
def csv_files(draw: st.DrawFn) -> tuple[bytes, dict[str, object]]:
    options: dict[str, object] = {"encoding": draw(st.sampled_from(ENCODINGS)), "max_record_bytes": 1024}
    options |= draw(st.sampled_from([{}, {}, {"comment": "#"}, {"quote": None}, {"skip_lines": 2}, {"header": False}]))
    options |= draw(st.sampled_from([{}, {"trim": True}, {"delimiter": ","}, {"escape": "backslash"}]))
    header = draw(st.sampled_from([HEADER, "ID,n,name", "id,name,n", "id,n,name,more", "id"]))
    lines = [*["to be skipped"] * int(options.get("skip_lines", 0)), *([header] if options.get("header", True) else [])]
    lines += draw(st.lists(LINES, max_size=40))
    for tie in draw(st.one_of(st.just([]), st.just([]), st.lists(TIES, max_size=2))):
        lines.insert(draw(st.integers(0, len(lines))), tie)
    line_end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = line_end.join(lines) + draw(st.sampled_from([line_end, ""]))
    written = draw(st.sampled_from([options["encoding"], options["encoding"], "utf-8"]))
    return text.encode(str(written), "replace"), options


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(csv_files(), st.integers(12, 160), st.sampled_from(["ignore", "evolve", "reject"]))
def test_slices_together_give_what_the_whole_file_gives(new_split_files, file, range_bytes, new_columns):
    data, options = file
    source = {"path": "raw/", "pattern": "*", "format": "csv", "csv": options}
    batch = new_split_files({"a.csv": data, "b.csv": b"id,n,name\nz,1,z\n"}, source=source, new_columns=new_columns)
    assert batch.there(range_bytes) == batch.here()
    slices = [one for task in batch.session.read_tasks for one in task if one.slice is not None]
    event("in slices" if slices else "whole")


CLEAN = b"id,n,name\n" + b"".join(b"a%d,%d,x\n" % (row, row) for row in range(200))


def _parts(batch) -> list[tuple]:
    return [tuple((one.index, one.slice is not None) for one in task) for task in batch.session.read_tasks]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain lines", CLEAN),
        ("lines that end with CRLF", CLEAN.replace(b"\n", b"\r\n")),
        ("a mark of UTF-8", b"\xef\xbb\xbf" + CLEAN),
        ("no line end at the end", CLEAN[:-1]),
        ("records of another width", CLEAN + b"a,1\n" * 30),
        ("bytes that are no text", CLEAN + b"a,1,\xff\n" * 30),
        ("a record over several ranges", CLEAN + b"a,1," + b"y" * 1500 + b"\n" + CLEAN[10:]),
    ],
)
def test_a_file_is_split_whose_lines_stand_apart(new_split_files, name, data):
    batch = new_split_files({"a.csv": data})
    assert batch.there(256) == batch.here(), name
    assert len(batch.session.read_tasks) > 4
    assert {part for task in _parts(batch) for part in task} == {(0, True)}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a quote", CLEAN + b'"a",1,x\n'),
        ("a blank line", CLEAN + b"\n" + CLEAN),
        ("a blank line that ends with CRLF", (CLEAN + b"\n" + CLEAN).replace(b"\n", b"\r\n")),
        ("a CR among its lines", CLEAN + b"a,1\r,x\n"),
        ("line ends that are CR", CLEAN.replace(b"\n", b"\r")),
        ("a header that is refused", CLEAN.replace(b"id,n", b"no,no")),
        ("a header that stands twice", b"id,n,name\n" + CLEAN),
        ("a mark of UTF-16", b"\xff\xfe" + CLEAN.decode().encode("utf-16-le")),
    ],
)
def test_a_file_is_read_whole_whose_lines_may_depend_on_one_another(new_split_files, name, data):
    batch = new_split_files({"a.csv": data})
    assert batch.there(256) == batch.here(), name
    assert _parts(batch) == [((0, False),)]


@pytest.mark.parametrize("ending", ["a.csv.gz", "a.csv.zst", "a.csv.bz2"])
def test_a_compressed_file_is_not_looked_through(new_split_files, ending):
    batch = new_split_files({ending: CLEAN})
    assert batch.there(256) == batch.here()
    assert len(batch.session.jobs) == 1


def test_where_a_second_table_begins_in_a_slice_the_file_is_read_again_whole(new_split_files):
    batch = new_split_files({"a.csv": CLEAN + CLEAN, "b.csv": CLEAN})
    there = batch.there(256)
    assert there == batch.here()
    assert [count.codes for count in there.counts] == [{"second_table": 201}, {}]
    parts = _parts(batch)
    assert parts[-1] == ((0, False),)
    assert ((1, True),) in parts and ((1, False),) not in parts


def test_a_file_that_was_overwritten_after_it_was_listed_is_refused_though_a_folder_pins_nothing(new_split_files):
    batch = new_split_files({"a.csv": CLEAN})
    batch.store.write("raw/a.csv", CLEAN.replace(b"x", b"y"))
    with pytest.raises(ObjectChangedError, match=r"a\.csv was overwritten"):
        batch.there(256)
    assert len(batch.session.read_tasks) > 4


def test_a_file_that_became_shorter_is_refused_where_its_end_is_missed(new_split_files):
    batch = new_split_files({"a.csv": CLEAN})
    batch.store.write("raw/a.csv", CLEAN[:-300])
    with pytest.raises(ObjectChangedError, match=r"a\.csv was overwritten"):
        batch.there(256)
    assert batch.session.read_tasks == []


@pytest.mark.parametrize("tie", ["“", "\n\n", "\n# a comment\n", "x\r"])
def test_what_ties_lines_together_is_seen_across_the_border_of_ranges(new_split_files, tie):
    options = {"quote": "“", "comment": "#"}
    source = {"path": "raw/", "pattern": "*", "format": "csv", "csv": options}
    for shift in range(5):
        data = b"id,n,name\n" + b"a" * (241 + shift) + tie.encode() + CLEAN[10:]
        batch = new_split_files({"a.csv": data}, source=source)
        assert batch.there(256) == batch.here()
        assert _parts(batch) == [((0, False),)]


def test_a_crlf_across_the_border_of_ranges_is_a_plain_line_end(new_split_files):
    for shift in range(3):
        data = b"id,n,name\r\n" + b"a" * (243 + shift) + b"\r\n" + CLEAN[10:]
        batch = new_split_files({"a.csv": data})
        assert batch.there(256) == batch.here()
        assert len(batch.session.read_tasks) > 4


@pytest.mark.parametrize("more", [0, 1])
def test_slices_that_refuse_too_many_records_together_have_the_file_refused_whole(new_split_files, more):
    """No slice alone refuses more than it may."""
    data = b"id,n,name\n" + b"".join(b"a,%s,x\n" % (b"bad" if row % 10 == 0 else b"1") for row in range(200))
    files = {"a.csv": data + b"a,bad,x\n" * more, "b.csv": b"id,n,name\nb,1,y\n"}
    split = new_split_files(files, source={"path": "raw/", "format": "csv", "limits": {"rejects": 20}})
    here, there = split.here(), split.there(500)
    assert [count.rejected for count in there.counts] == [1 if more else 20, 0]
    assert [count.staged for count in there.counts] == [0 if more else 180, 1]
    assert (here.rows, here.counts) == (there.rows, there.counts)
    assert {reject["code"] for reject in there.rejects} == {"too_many_rejects" if more else "bad_integer"}


def test_a_slice_that_refuses_too_many_records_alone_has_the_file_refused_whole(new_split_files):
    data = b"id,n,name\n" + b"a,1,x\n" * 200 + b"a,bad,x\n" * 100
    split = new_split_files({"a.csv": data}, source={"path": "raw/", "format": "csv", "limits": {"rejects": 20}})
    there = split.there(500)
    assert (there.rows, [reject["code"] for reject in there.rejects]) == ([], ["too_many_rejects"])
