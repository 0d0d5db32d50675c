"""The header of a CSV file, which is parsed and never skipped, and what stands around it."""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass, field

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.careful import NeedsMoreError, Parsed, Refused, parse_record
from cloud_etl.extract.reader.csv_prologue import PROBE_BYTES, skip_prologue
from cloud_etl.extract.reader.damaged_header import layout_by_position
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.header import Matched, SeenHeader, by_position, holds_contract, match_header
from cloud_etl.extract.reader.pieces import Layout, Reject
from cloud_etl.extract.reader.tally import Part
from cloud_etl.extract.reader.windows import Window

_SEARCHED_LINES = 20
_REPEATED_MOST = 1_000


@dataclass(slots=True)
class Head:
    """What the beginning of a file tells.

    Attributes:
        names: names in the header; empty where the file has none.
        rejects: lines above the header, and repeated headers below it.
        rejects_bytes: of their text.
    """

    layout: Layout
    names: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    rejects: list[Reject] = field(default_factory=list)
    rejects_bytes: int = 0


def read_head(window: Window, spec: PipelineSpec, seen: SeenHeader) -> Head:
    """Read up to the first record; a header that is refused stays in the window, as a record among the others."""
    skip_prologue(window, spec)
    if not window.dialect.options.header:
        return Head(by_position(spec))
    start = _seek_record(window)
    if start == len(window.buffer):
        _leave_above(window, start)
        return Head(Layout(len(spec.schema_)))
    head, end = _match(window, start, spec, seen)
    if _is_cut(window, end, head, spec):
        message = "the header is cut by a line end: with the line below it, it names more of the contract's columns"
        head = Head(Layout(len(head.names), refusal=(RejectCode.BAD_HEADER, message, None)), head.names)
    if head.layout.refusal is None:
        _leave_above(window, start)
        window.leave(Part.HEADER, end - start, window.buffer.count(b"\n", 0, end - start))
    elif head.layout.refusal[0] in (
        RejectCode.HEADER_MISMATCH, RejectCode.MISSING_COLUMN, RejectCode.UNEXPECTED_COLUMN, RejectCode.BAD_HEADER,
    ):  # fmt: skip
        head = _search(window, start, spec) or head
    if head.layout.refusal is not None and window.dialect.options.damaged_header == "by_position":
        head = _by_position(window, start, spec, head)
    if head.layout.refusal is None:
        _take_repeated(window, head)
    return head


def _seek_record(window: Window) -> int:
    """Offset of the first record; the window is moved until its line is complete, or as long as a record may be."""
    size = max(PROBE_BYTES, window.dialect.max_record_bytes + 2)
    window.fill(size)
    start = _first_record(window, 0)
    while not window.final and window.buffer.find(b"\n", start) < 0 and start > 0:
        _leave_above(window, start)
        window.fill(size)
        start = _first_record(window, 0)
    return start


def _leave_above(window: Window, end: int) -> int:
    """Leave everything up to there behind: blank lines, comments, and others, of which it gives the bytes."""
    buffer = window.buffer
    start = others = 0
    while start < end:
        line_end = buffer.find(b"\n", start)
        part = _part_beside(buffer[start:line_end], window.dialect)
        if part is None:
            others += line_end + 1 - start
        else:
            window.tally.take(part, line_end + 1 - start)
        start = line_end + 1
    window.advance(end)
    return others


def _first_record(window: Window, start: int) -> int:
    """Offset of the first line from there on that is neither blank nor a comment."""
    buffer = window.buffer
    while start < len(buffer):
        end = buffer.find(b"\n", start)
        if end < 0 or _part_beside(buffer[start:end], window.dialect) is None:
            break
        start = end + 1
    return start


def _part_beside(line: bytes, dialect: Dialect) -> Part | None:
    """Whether a line around the header is blank or a comment."""
    if not line or (line == b"\r" and not dialect.cr_file):
        return Part.BLANK
    return Part.COMMENT if dialect.comment is not None and line.startswith(dialect.comment) else None


def _mark(window: Window, start: int) -> int:
    """Bytes of a byte order mark there, which hides no header: a title may have been put above it."""
    return len(BOM_UTF8) if window.buffer.startswith(BOM_UTF8, start) else 0


def _parse(window: Window, start: int) -> Parsed | Refused:
    try:
        return parse_record(window.buffer, start, window.dialect, None, window.final)
    except NeedsMoreError:
        window.fill(start + window.dialect.max_record_bytes + 2)
    try:
        return parse_record(window.buffer, start, window.dialect, None, window.final)
    except NeedsMoreError:
        return Refused(RejectCode.RECORD_TOO_LONG, "the header is longer than max_record_bytes", start)


def _match(window: Window, start: int, spec: PipelineSpec, seen: SeenHeader) -> tuple[Head, int]:
    start += _mark(window, start)
    if seen.raw and seen.cr_file == window.dialect.cr_file and window.buffer.startswith(seen.raw, start):
        return Head(seen.matched.layout, seen.names, seen.matched.notes), start + len(seen.raw)
    parsed = _parse(window, start)
    if isinstance(parsed, Refused):
        message = f"the header cannot be read: {parsed.message}"
        return Head(Layout(len(spec.schema_), refusal=(RejectCode.BAD_HEADER, message, None))), start
    names = [name or "" for name in parsed.fields]
    matched: Matched = match_header(names, spec)
    if matched.accepted:
        seen.raw, seen.cr_file = window.buffer[start : parsed.next], window.dialect.cr_file
        seen.names, seen.matched = names, matched
    return Head(matched.layout, names, matched.notes), parsed.next


def _is_cut(window: Window, end: int, head: Head, spec: PipelineSpec) -> bool:
    """Whether an accepted header lacks columns that it names once the line below it is taken for its rest."""
    held = {name for name, _ in head.layout.sources} & set(spec.schema_)
    if head.layout.refusal is not None or len(held) == len(spec.schema_):
        return False
    window.fill(end + PROBE_BYTES)
    below = _parse(window, end) if end < len(window.buffer) else None
    if not isinstance(below, Parsed):
        return False
    first, *rest = (name or "" for name in below.fields)
    names = [*head.names[:-1], head.names[-1] + first, *rest]
    if not held < {name for name, _ in match_header(names, spec).layout.sources} & set(spec.schema_):
        return False
    # A record may hold a column's name as a value: it is as wide as the header, and the lines below it are not wider.
    following = _parse(window, below.next) if below.next < len(window.buffer) else None
    if isinstance(following, Parsed):
        return len(following.fields) == len(names)
    return len(below.fields) != len(head.names)


def _by_position(window: Window, start: int, spec: PipelineSpec, head: Head) -> Head:
    """The head of a file whose header is damaged, where the contract's columns can be taken by their place."""
    end = window.buffer.find(b"\n", start) + 1
    line, below = window.buffer[start + _mark(window, start) : end], window.buffer[end : end + PROBE_BYTES]
    layout = layout_by_position(line, below, spec, window.dialect)
    if layout is None or head.layout.refusal is None:
        return head
    _leave_above(window, start)
    window.leave(Part.HEADER, end - start, 1)
    note = f"columns were taken by their place, as csv.damaged_header says: {head.layout.refusal[1]}"
    return Head(layout, list(spec.schema_), (note,))


def _search(window: Window, start: int, spec: PipelineSpec) -> Head | None:
    """A line further down that names the whole contract is the header; the lines above it are rejected, one by one."""
    above: list[tuple[int, int]] = []
    at = start
    for _ in range(_SEARCHED_LINES):
        at = _first_record(window, at)
        line_end = window.buffer.find(b"\n", at)
        if line_end < 0:
            return None
        parsed = _parse(window, at)
        names = [name or "" for name in parsed.fields] if isinstance(parsed, Parsed) else []
        if names and above and holds_contract(names, spec):
            break
        above.append((at, line_end))
        at = line_end + 1
    else:
        return None
    matched = match_header(names, spec)
    rejects = [_above(window, span, at) for span in above]
    assert isinstance(parsed, Parsed)
    end = parsed.next - at
    head = Head(matched.layout, names, matched.notes, rejects, _leave_above(window, at))
    window.leave(Part.HEADER, end, window.buffer.count(b"\n", 0, end))
    return head


def _above(window: Window, span: tuple[int, int], header_at: int) -> Reject:
    start, end = span
    line = window.line + window.buffer.count(b"\n", 0, start)
    header_line = window.line + window.buffer.count(b"\n", 0, header_at)
    message = f"the header is on line {header_line}; set csv.skip_lines to {header_line - 1}"
    raw = window.buffer[start:end].removesuffix(b"\r")
    return Reject(line, window.position + start, raw, RejectCode.HEADER_NOT_FIRST, message)


def _take_repeated(window: Window, head: Head) -> None:
    # What stands below so many is a second table.
    while len(head.rejects) < _REPEATED_MOST:
        start = _seek_record(window)
        if start == len(window.buffer):
            return
        parsed = _parse(window, start + _mark(window, start))
        if not isinstance(parsed, Parsed) or [name or "" for name in parsed.fields] != head.names:
            return
        line = window.line + window.buffer.count(b"\n", 0, start)
        raw = window.buffer[start : parsed.end]
        message = "the header stands again below the header"
        head.rejects.append(Reject(line, window.position + start, raw, RejectCode.REPEATED_HEADER, message))
        _leave_above(window, start)
        head.rejects_bytes += parsed.next - start
        window.advance(parsed.next - start)
