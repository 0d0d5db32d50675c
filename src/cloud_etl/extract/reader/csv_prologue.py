"""What stands above the header or first record of a CSV file, and how its lines end, which only the rest can tell."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field

from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.careful import SWAP, NeedsMoreError, Parsed, parse_record
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.header import match_header
from cloud_etl.extract.reader.tally import Part, Tally
from cloud_etl.extract.reader.windows import Window

# How far the file is looked into before anything is decided; fixed, so that the window's size decides nothing.
PROBE_BYTES = 1 << 20
_ANY, _LF, _CR = re.compile(rb"\r\n|\r|\n"), re.compile(rb"\n"), re.compile(rb"\r")


@dataclass(slots=True)
class _Reading:
    """One way to cut the lines above the first record.

    Attributes:
        end: offset behind them.
        inside: the text ends within a line of that kind.
        line_ends: kinds of line ends that were met.
        cr_file: by the first line end outside of quotes in what follows.
    """

    end: int = 0
    tally: Tally = field(default_factory=Tally)
    inside: Part | None = None
    line_ends: set[bytes] = field(default_factory=set)
    cr_file: bool = False

    @property
    def lines(self) -> int:
        return self.tally.lines.total()

    @property
    def is_mixed(self) -> bool:
        """Whether lines above end in another way than those below, so that they may have been cut wrongly."""
        return any((end == b"\r") != self.cr_file for end in self.line_ends)


def skip_prologue(window: Window, spec: PipelineSpec) -> None:
    """Leave lines to skip, comments and blank lines above the first record behind, and settle the window's dialect.

    Lines above end with any line end, unless they hold both kinds: then those of the kind that the rest has, where only
    that makes a header or first record of the contract of what follows.
    """
    _probe(window)
    reading = _read(window, _ANY, spec)
    if reading.is_mixed and reading.inside is None and reading.end < len(window.buffer):
        others = [_read(window, ends, spec) for ends in (_LF, _CR)]
        fitting = (one for one in [reading, *others] if not one.is_mixed or one is reading)
        reading = next((one for one in fitting if _fits(window, one, spec)), reading)
    skipped = reading.tally.lines[Part.SKIPPED]
    _leave(window, reading)
    while not window.final and (reading.inside is not None or not window.buffer):
        _probe(window)
        reading = _read(window, _ANY, spec, skipped, reading.inside)
        skipped += reading.tally.lines[Part.SKIPPED]
        _leave(window, reading)
    window.settle(Dialect.of(window.dialect.options, cr_file=reading.cr_file))


def _probe(window: Window) -> None:
    size = max(PROBE_BYTES, window.dialect.max_record_bytes + 2)
    window.fill(size)
    while window.buffer.endswith(b"\r") and not window.final:
        # Whether it is half of a CRLF.
        size = len(window.buffer) + 1
        window.fill(size)


def _leave(window: Window, reading: _Reading) -> None:
    window.tally.add(reading.tally)
    window.advance(reading.end, reading.lines)


def _read(
    window: Window, ends: re.Pattern[bytes], spec: PipelineSpec, skipped: int = 0, inside: Part | None = None
) -> _Reading:
    text, dialect = window.buffer, window.dialect
    options, reading = dialect.options, _Reading()
    left = options.skip_lines - skipped
    # A line without anything is a record where there is one column, and a line above it where there is a header.
    blank_is_none = options.header or len(spec.schema_) > 1
    while reading.end < len(text):
        start = reading.end
        part = inside or _part(text, start, left > 0, dialect, blank_is_none)
        if part is None:
            break
        line_end = ends.search(text, start)
        reading.end = line_end.end() if line_end else len(text)
        whole = line_end is not None or window.final
        reading.tally.take(part, reading.end - start, int(whole))
        left -= int(part is Part.SKIPPED and whole)
        reading.inside = inside = None if whole else part
        if line_end is not None:
            reading.line_ends.add(line_end[0])
    reading.cr_file = b"\r" in text and _first_line_end(text, reading.end, dialect) == b"\r"
    return reading


def _part(text: bytes, start: int, skip: bool, dialect: Dialect, blank_is_none: bool) -> Part | None:
    """What the line is that begins there; None for the first record."""
    if skip:
        return Part.SKIPPED
    if blank_is_none and text.startswith((b"\n", b"\r"), start):
        return Part.BLANK
    if dialect.comment is not None and text.startswith(dialect.comment, start):
        return Part.COMMENT
    return None


def _first_line_end(text: bytes, start: int, dialect: Dialect) -> bytes:
    """The first line end outside of quoted fields; a quote that is not closed is a character as any other."""
    stop = re.compile(rb"\r\n|\r|\n|" + re.escape(dialect.delimiter))
    while True:
        if dialect.quote is not None and text.startswith(dialect.quote, start):
            quoted = dialect.quoted_field.match(text, start)
            start = quoted.end() if quoted else start
        found = stop.search(text, start)
        if found is None or found[0] != dialect.delimiter:
            return found[0] if found else b""
        start = found.end()


def _fits(window: Window, reading: _Reading, spec: PipelineSpec) -> bool:
    """Whether what follows begins with a header of the contract, or a record with as many fields as it has columns."""
    text = window.buffer[reading.end :].removeprefix(BOM_UTF8)
    dialect = Dialect.of(window.dialect.options, cr_file=reading.cr_file)
    text = (text.translate(SWAP) if reading.cr_file else text) + (b"\n" if window.final else b"")
    try:
        parsed = parse_record(text, 0, dialect, None, window.final)
    except NeedsMoreError:
        return False
    if not isinstance(parsed, Parsed):
        return False
    if not dialect.options.header:
        return len(parsed.fields) == len(spec.schema_)
    return match_header([name or "" for name in parsed.fields], spec).accepted
