"""JSON files: objects one a line or in one array."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import CsvOptions, JsonOptions, PipelineSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.reader.account import FileAccount
from cloud_etl.extract.reader.careful import TOO_LONG
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.json_array import ArrayScanner, Element
from cloud_etl.extract.reader.json_rows import FaultError, JsonColumns, parse
from cloud_etl.extract.reader.pieces import FilePlace, Reject
from cloud_etl.extract.reader.streams import (
    CorruptStreamError,
    Encoding,
    TextStream,
    WrongEncodingError,
    compression_of,
    open_text,
)
from cloud_etl.extract.reader.text_rows import FileRejects, TextRows
from cloud_etl.extract.reader.windows import Window

_PROBE_BYTES = 1 << 16
_BLANKS = b" \t\r\n"
# A parsed record takes about this many times its text.
_PARSED_FACTOR = 4
_RECORD_BYTES = 200


@dataclass(slots=True)
class JsonCut:
    """Records of one file, cut out and not yet parsed."""

    file: FilePlace
    encoding: Encoding
    spec: PipelineSpec
    elements: list[Element] = field(default_factory=list)
    stored_bytes: int = 0
    held_bytes: int = 0

    def add(self, element: Element) -> None:
        """Take another record."""
        self.elements.append(element)
        self.held_bytes += len(element.raw)

    @property
    def records(self) -> int:
        """Records in it."""
        return len(self.elements)

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
        rejects = []
        for cut in self.cuts:
            refused = []
            for element in cut.elements:
                try:
                    if element.broken is not None:
                        code = RejectCode.RECORD_TOO_LONG if element.broken == TOO_LONG else RejectCode.INVALID_JSON
                        raise FaultError(code, element.broken)
                    columns.add(cut.file.index, element)
                except FaultError as exc:
                    place = (element.line, element.position, element.raw)
                    refused.append(Reject(*place, exc.code, exc.message, exc.column))
            if refused:
                rejects.append(FileRejects(cut.file, cut.encoding, refused))
        return columns.rows(), rejects

    def files(self) -> Mapping[int, tuple[FilePlace, Encoding]]:
        """The files they come from, by index."""
        return {cut.file.index: (cut.file, cut.encoding) for cut in self.cuts}


def cut_json(account: FileAccount, spec: PipelineSpec, window_bytes: int) -> Iterator[JsonCut]:
    """Cut one file, in its order.

    Raises:
        SourceError: the file is not on this machine.
    """
    codec = compression_of(account.file.path, account.file.ref.key, spec.source.compression)
    options = spec.source.json_
    try:
        with open_text(account.file.path, codec, options.encoding) as stream:
            yield from _cut(account, stream, spec, window_bytes)
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
    while not window.final and not window.buffer.strip(_BLANKS):
        window.advance(window.complete())
        window.fill(len(window.buffer) + _PROBE_BYTES)
    if options.layout == "array" or (options.layout == "auto" and window.buffer.lstrip(_BLANKS)[:1] == b"["):
        found = ArrayScanner(window, options.max_record_bytes, _is_json).elements()
    else:
        found = _lines(window, options, window_bytes)
    cut = JsonCut(account.place, stream.encoding, spec)
    for element in found:
        cut.add(element)
        if cut.weight >= window_bytes:
            cut.stored_bytes = stream.stored_bytes_read
            yield cut
            cut = JsonCut(account.place, stream.encoding, spec)
    cut.stored_bytes = stream.stored_bytes_read
    if cut.records:
        yield cut


def _lines(window: Window, options: JsonOptions, window_bytes: int) -> Iterator[Element]:
    limit = options.max_record_bytes
    while True:
        window.fill(window_bytes)
        end = window.complete()
        if end == 0:
            if not window.buffer:
                return
            if len(window.buffer) > limit:
                yield Element(window.line, window.position, window.buffer[:limit], TOO_LONG)
                window.skip_line()
            else:
                window.fill(2 * max(window_bytes, len(window.buffer)))
            continue
        position = window.position
        lines = window.buffer[:end].split(b"\n")[:-1]
        for number, line in enumerate(lines, window.line):
            raw = line.strip(_BLANKS)
            if len(raw) > limit:
                yield Element(number, position, raw[:limit], TOO_LONG)
            elif raw:
                yield Element(number, position, raw)
            position += len(line) + 1
        window.advance(end, len(lines))


def _is_json(raw: bytes) -> bool:
    try:
        parse(raw)
    except FaultError:
        return False
    return True
