"""JSON files: objects one a line or in one array."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import CsvOptions, JsonOptions, PipelineSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.reader.account import FileAccount
from cloud_etl.extract.reader.bounds import ReaderLimits
from cloud_etl.extract.reader.careful import TOO_LONG
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.json_array import ArrayScanner, Element
from cloud_etl.extract.reader.json_flat import BLANKS, FlatRecords, LineBlock
from cloud_etl.extract.reader.json_rows import FaultError, JsonColumns
from cloud_etl.extract.reader.pieces import FilePlace, Reject
from cloud_etl.extract.reader.scan import WINDOW_LINES, line_ends
from cloud_etl.extract.reader.streams import (
    CorruptStreamError,
    Encoding,
    TextStream,
    WrongEncodingError,
    compression_of,
    open_text,
)
from cloud_etl.extract.reader.tally import Part, Tally
from cloud_etl.extract.reader.text_rows import FileRejects, TextRows
from cloud_etl.extract.reader.windows import Window

_PROBE_BYTES = 1 << 16
# Lines of pretty-printed values: brackets alone, members, and what is open at its end.
_PART = re.compile(rb'[\[{]|[\]}],?|"(?:[^"\\]|\\.)*"\s*:.*|[\[{].*[,:\[{]', re.DOTALL)
# A parsed record takes about this many times its text.
_PARSED_FACTOR = 4
_RECORD_BYTES = 200


@dataclass(slots=True)
class JsonCut:
    """Records of one file, cut out and not yet parsed.

    Attributes:
        notes: takes what is found out about the file's keys when they are parsed.
    """

    file: FilePlace
    encoding: Encoding
    spec: PipelineSpec
    notes: set[str]
    elements: list[Element] = field(default_factory=list)
    blocks: list[LineBlock] = field(default_factory=list)
    records: int = 0
    stored_bytes: int = 0
    held_bytes: int = 0
    text_bytes: int = 0

    def add(self, found: Element | LineBlock) -> None:
        """Take another record, or whole lines."""
        if isinstance(found, LineBlock):
            self.blocks.append(found)
            self.records += found.records
            self.text_bytes += found.record_bytes
            self.held_bytes += len(found.text)
        else:
            self.elements.append(found)
            self.records += 1
            self.held_bytes += len(found.raw)

    @property
    def weight(self) -> int:
        """Memory it holds, roughly, in bytes."""
        return self.held_bytes * _PARSED_FACTOR + self.records * _RECORD_BYTES

    @property
    def key(self) -> Hashable:
        """All cuts of a batch can share a task."""
        return None


@dataclass(frozen=True, slots=True)
class JsonTask:
    """Records of JSON files."""

    cuts: Sequence[JsonCut]

    def rows(self) -> tuple[TextRows | None, list[FileRejects]]:
        """Parse them into columns of text."""
        columns = JsonColumns(self.cuts[0].spec)
        flat = FlatRecords(columns)
        rejects = []
        for cut in self.cuts:
            refused = []
            lines = chain.from_iterable(flat.take(cut.file.index, block) for block in cut.blocks)
            elements = ((element, False) for element in cut.elements)
            for element, is_line in chain(elements, ((line, True) for line in lines)):
                try:
                    if element.broken is not None:
                        code = RejectCode.RECORD_TOO_LONG if element.broken == TOO_LONG else RejectCode.INVALID_JSON
                        raise FaultError(code, element.broken)
                    columns.add(cut.file.index, element)
                except FaultError as exc:
                    place = (element.line, element.position, element.raw)
                    message = exc.message + (_about_layout(exc.code, element.raw) if is_line else "")
                    refused.append(Reject(*place, exc.code, message, exc.column))
            if refused:
                rejects.append(FileRejects(cut.file, cut.encoding, refused))
            cut.notes.update(columns.notes.get(cut.file.index, ()))
        return flat.rows(), rejects

    def files(self) -> Mapping[int, tuple[FilePlace, Encoding]]:
        """The files they come from, by index."""
        return {cut.file.index: (cut.file, cut.encoding) for cut in self.cuts}


def cut_json(account: FileAccount, spec: PipelineSpec, limits: ReaderLimits) -> Iterator[JsonCut]:
    """Cut one file, in its order.

    Raises:
        SourceError: the file is not on this machine.
    """
    codec = compression_of(account.file.path, account.file.ref.key, spec.source.compression)
    options = spec.source.json_
    try:
        with open_text(account.file.path, codec, options.encoding, limits=spec.source.limits) as stream:
            yield from _cut(account, stream, spec, limits.window_bytes)
    except CorruptStreamError as exc:
        message = f"the compressed stream breaks off or is damaged after {account.records} records: {exc}"
        account.damage = (RejectCode.CORRUPT_STREAM, message)
    except WrongEncodingError:
        message = f"the file begins with a utf-16 mark, the declared encoding is {options.encoding}"
        account.damage = (RejectCode.WRONG_ENCODING, message)
    except FileNotFoundError as exc:
        raise SourceError(f"{account.file.ref.uri}: its local copy is gone; nothing was staged, run again") from exc


def _cut(account: FileAccount, stream: TextStream, spec: PipelineSpec, window_bytes: int) -> Iterator[JsonCut]:
    options = spec.source.json_
    dialect = Dialect(CsvOptions())
    window = Window(stream, dialect)
    window.fill(_PROBE_BYTES)
    window.settle(dialect)
    while not window.final and not window.buffer.strip(BLANKS):
        end = window.complete()
        window.leave(Part.BLANK, end, window.buffer.count(b"\n", 0, end))
        window.fill(len(window.buffer) + _PROBE_BYTES)
    if options.layout == "array" or (options.layout == "auto" and window.buffer.lstrip(BLANKS)[:1] == b"["):
        lines = False
        found: Iterator[Element | LineBlock] = ArrayScanner(window, options.max_record_bytes).elements()
    else:
        lines = True
        found = _lines(window, options, window_bytes)
    cut = JsonCut(account.place, stream.encoding, spec, account.found)
    for one in found:
        cut.add(one)
        if cut.weight >= window_bytes:
            cut.stored_bytes = stream.stored_bytes_read
            yield cut
            cut = JsonCut(account.place, stream.encoding, spec, account.found)
    cut.stored_bytes = stream.stored_bytes_read
    if cut.records:
        yield cut
    if lines:
        account.text = window.tally.count(stream.text_bytes, window.lent_bytes)


def _lines(window: Window, options: JsonOptions, window_bytes: int) -> Iterator[Element | LineBlock]:
    limit = options.max_record_bytes
    while True:
        window.fill(window_bytes)
        end = window.complete()
        if end == 0:
            if not window.buffer:
                return
            if len(window.buffer) > limit:
                yield Element(window.line, window.position, window.buffer[:limit], TOO_LONG)
                before = window.position
                window.skip_line()
                window.tally.take(Part.RECORD, window.position - before)
            else:
                window.fill(2 * max(window_bytes, len(window.buffer)))
            continue
        ends = line_ends(window.buffer)[:WINDOW_LINES]
        end = int(ends[-1]) + 1
        block = LineBlock(window.buffer[:end], window.line, window.position)
        _tally_blank(window.tally, block, len(ends))
        if np.diff(ends, prepend=-1).max() <= limit:
            yield block
        else:
            window.tally.size[Part.RECORD] += block.record_bytes
            yield from (_limited(element, limit) for element in block.elements())
        window.advance(end, len(ends))


def _tally_blank(tally: Tally, block: LineBlock, lines: int) -> None:
    if blank := lines - block.records:
        tally.take(Part.BLANK, len(block.text) - block.record_bytes, blank)
    last = block.text[block.text.rfind(b"\n", 0, -1) + 1 :]
    tally.last = Part.RECORD if last.strip(BLANKS) else Part.BLANK


def _limited(element: Element, limit: int) -> Element:
    if len(element.raw) <= limit:
        return element
    return Element(element.line, element.position, element.raw[:limit], TOO_LONG)


def _about_layout(code: RejectCode, raw: bytes) -> str:
    """What a refused line has to do with the layout, where it looks like a part of a larger value."""
    if code is RejectCode.NOT_AN_OBJECT and raw.startswith(b"["):
        return "; the line is an array: json: {layout: array} takes its elements as records"
    if code is RejectCode.INVALID_JSON and _PART.fullmatch(raw):
        return (
            "; the line looks like a part of a value over several lines (pretty-printed): layout: lines takes one "
            "object a line, json: {layout: array} takes objects over several lines, in one array"
        )
    return ""
