"""The beginning of a CSV file: its line ends, lines to skip, and its header, which is parsed and never skipped."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.careful import NeedsMoreError, Parsed, Refused, parse_record
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.header import Matched, SeenHeader, by_position, holds_contract, match_header
from cloud_etl.extract.reader.pieces import Layout, Reject
from cloud_etl.extract.reader.windows import Window

# How far the file is looked into before anything is decided; fixed, so that the window's size decides nothing.
PROBE_BYTES = 1 << 20
_SEARCHED_LINES = 20


@dataclass(slots=True)
class Head:
    """What the beginning of a file tells.

    Attributes:
        names: names in the header; empty where the file has none.
        rejects: lines above the header, and repeated headers below it.
    """

    layout: Layout
    names: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    rejects: list[Reject] = field(default_factory=list)


def read_head(window: Window, spec: PipelineSpec, seen: SeenHeader) -> Head:
    """Read up to the first record; a header that is refused stays in the window, as a record among the others."""
    window.fill(PROBE_BYTES)
    window.settle(Dialect.of(window.dialect.options, cr_file=_ends_lines_with_cr(window)))
    for _ in range(window.dialect.options.skip_lines):
        window.skip_line()
    if not window.dialect.options.header:
        return Head(by_position(spec))
    start = _seek_record(window)
    if start == len(window.buffer):
        window.advance(start)
        return Head(Layout(len(spec.schema_)))
    head, end = _match(window, start, spec, seen)
    if head.layout.refusal is None:
        window.advance(end)
    elif head.layout.refusal[0] in (
        RejectCode.HEADER_MISMATCH, RejectCode.MISSING_COLUMN, RejectCode.UNEXPECTED_COLUMN, RejectCode.BAD_HEADER,
    ):  # fmt: skip
        head = _search(window, start, spec) or head
    if head.layout.refusal is None:
        _take_repeated(window, head)
    return head


def _ends_lines_with_cr(window: Window) -> bool:
    """The first line end outside of quotes decides for the whole file."""
    probe = window.buffer
    if b"\r" not in probe:
        return False
    quote = window.dialect.quote
    field = rb"[^\r\n]" if quote is None else rb"(?!" + re.escape(quote) + rb")[^\r\n]"
    quoted = b"" if quote is None else rb"|" + re.escape(quote) + rb".*?" + re.escape(quote)
    line = re.match(rb"(?:" + field + quoted + rb")*+(\r\n|\r|\n)", probe, re.DOTALL)
    end = line or re.search(rb"(\r\n|\r|\n)", probe)
    return end is not None and end[1] == b"\r"


def _seek_record(window: Window) -> int:
    """Offset of the first record; the window is moved until its line is complete, or as long as a record may be."""
    size = max(PROBE_BYTES, window.dialect.max_record_bytes + 2)
    window.fill(size)
    start = _first_record(window, 0)
    while not window.final and window.buffer.find(b"\n", start) < 0 and start > 0:
        window.advance(start)
        window.fill(size)
        start = _first_record(window, 0)
    return start


def _first_record(window: Window, start: int) -> int:
    """Offset of the first line from there on that is neither blank nor a comment."""
    buffer, comment = window.buffer, window.dialect.comment
    while start < len(buffer):
        end = buffer.find(b"\n", start)
        if end < 0:
            return start
        line = buffer[start:end]
        blank = not line or (line == b"\r" and not window.dialect.cr_file)
        if not blank and not (comment is not None and line.startswith(comment)):
            break
        start = end + 1
    return start


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
    head = Head(matched.layout, names, matched.notes, rejects)
    assert isinstance(parsed, Parsed)
    window.advance(parsed.next)
    return head


def _above(window: Window, span: tuple[int, int], header_at: int) -> Reject:
    start, end = span
    line = window.line + window.buffer.count(b"\n", 0, start)
    header_line = window.line + window.buffer.count(b"\n", 0, header_at)
    message = f"the header is on line {header_line}; set csv.skip_lines to {header_line - 1}"
    raw = window.buffer[start:end].removesuffix(b"\r")
    return Reject(line, window.position + start, raw, RejectCode.HEADER_NOT_FIRST, message)


def _take_repeated(window: Window, head: Head) -> None:
    while True:
        start = _seek_record(window)
        if start == len(window.buffer):
            return
        mark = len(BOM_UTF8) if window.buffer.startswith(BOM_UTF8, start) else 0
        parsed = _parse(window, start + mark)
        if not isinstance(parsed, Parsed) or [name or "" for name in parsed.fields] != head.names:
            return
        line = window.line + window.buffer.count(b"\n", 0, start)
        raw = window.buffer[start : parsed.end]
        message = "the header stands again below the header"
        head.rejects.append(Reject(line, window.position + start, raw, RejectCode.REPEATED_HEADER, message))
        window.advance(parsed.next)
