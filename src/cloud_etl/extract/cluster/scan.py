"""Look through a range of a large CSV file: where its lines are, and whether they can be read apart from the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloud_etl.extract.reader.csv_header import read_head
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.header import SeenHeader
from cloud_etl.extract.reader.streams import TextStream, UndecodableError, WrongEncodingError
from cloud_etl.extract.reader.windows import Window

if TYPE_CHECKING:
    from cloud_etl.domain.files import FileRef, FileSlice
    from cloud_etl.domain.spec import CsvOptions, PipelineSpec
    from cloud_etl.storage.object_store import ObjectStore

_WINDOW_BYTES = 4 << 20
# More than the longest of the texts that are looked for.
_BEFORE_BYTES = 64


@dataclass(frozen=True, slots=True)
class RangeScan:
    """What a range of bytes holds.

    Attributes:
        entangled: something in it lets lines depend on one another; the rest is not told then.
        lines: line ends in it.
        text_bytes: its length as UTF-8 text.
        carriage_returns: those in it, less those that the LF of a CRLF in it makes good.
        line_end: offset of its first LF in its bytes and in its text; None where it has none.
        head_position: for the first range: where in the file's text the first record begins.
        head_bytes: for the first range: how much of the file was read to know that.
    """

    entangled: bool = False
    lines: int = 0
    text_bytes: int = 0
    carriage_returns: int = 0
    line_end: tuple[int, int] | None = None
    head_position: int = 0
    head_bytes: int = 0


ENTANGLED = RangeScan(entangled=True)


class StoredRange:
    """Bytes of an object from one offset to before another, as it was listed."""

    def __init__(self, store: ObjectStore, ref: FileRef, start: int, end: int) -> None:
        """Stand at the first byte; nothing is fetched yet."""
        self._store = store
        self._ref = ref
        self._start = self._position = start
        self._end = end

    def tell(self) -> int:
        """How many bytes were read."""
        return self._position - self._start

    def read(self, size: int, /) -> bytes:
        """The next bytes; b"" at the end."""
        end = min(self._position + size, self._end)
        data = self._store.read_range(self._ref, self._position, end) if end > self._position else b""
        self._position = end
        return data


def scan_range(store: ObjectStore, ref: FileRef, part: FileSlice, spec: PipelineSpec) -> RangeScan:
    """Scan a range, a window at a time; the first range of a file is asked for the header as well.

    Raises:
        ObjectChangedError: the object was overwritten since it was listed.
    """
    try:
        head = (0, 0) if part.start else _head(store, ref, spec)
        if head is None:
            return ENTANGLED
        before = _text(store, ref, max(0, part.start - _BEFORE_BYTES), part.start, spec.source.csv)
        counts = _Counts(Dialect.of(spec.source.csv), before.read(_BEFORE_BYTES) if part.start else b"")
        text = _text(store, ref, part.start, part.end, spec.source.csv)
        while window := text.read(_WINDOW_BYTES):
            if not counts.add(window, text):
                return ENTANGLED
    except (WrongEncodingError, UndecodableError):
        return ENTANGLED
    return RangeScan(False, counts.lines, counts.text_bytes, counts.carriage_returns, counts.line_end, *head)


def _text(store: ObjectStore, ref: FileRef, start: int, end: int, csv: CsvOptions) -> TextStream:
    stored = StoredRange(store, ref, start, end)
    return TextStream(stored, stored, csv.encoding, begun=start > 0)


def _head(store: ObjectStore, ref: FileRef, spec: PipelineSpec) -> tuple[int, int] | None:
    """Where the first record begins and how much was read; None where the head refuses a record."""
    text = _text(store, ref, 0, ref.size_bytes, spec.source.csv)
    window = Window(text, Dialect.of(spec.source.csv))
    head = read_head(window, spec, SeenHeader())
    if head.layout.refusal is not None or head.rejects or window.dialect.cr_file:
        return None
    return window.position, text.stored_bytes_read


@dataclass
class _Counts:
    """What was counted so far; before is the text in front of the next window."""

    dialect: Dialect
    before: bytes
    lines: int = 0
    text_bytes: int = 0
    carriage_returns: int = 0
    line_end: tuple[int, int] | None = None
    _characters: int = field(default=0, repr=False)

    def add(self, window: bytes, text: TextStream) -> bool:
        """Count a window; whether all its lines still stand apart."""
        joined = self.before + window
        if any(mark in joined for mark in self._marks()):
            return False
        if self.line_end is None:
            self._find_line_end(window, text)
        self.lines += window.count(b"\n")
        self.carriage_returns += window.count(b"\r") - (self.before[-1:] + window).count(b"\r\n")
        self.text_bytes += len(window)
        self.before = joined[-_BEFORE_BYTES:]
        return True

    def _marks(self) -> list[bytes]:
        # Quotes and escapes protect what follows; below a gap (a short comment is one) another table may begin.
        dialect = self.dialect
        marks = [b"\n\n", b"\n\r\n", *(mark for mark in (dialect.quote, dialect.escape) if mark)]
        return [*marks, b"\n" + dialect.comment] if dialect.comment else marks

    def _find_line_end(self, window: bytes, text: TextStream) -> None:
        place = window.find(b"\n")
        above = window if place < 0 else window[:place]
        # Each byte of the other encodings is a character.
        self._characters += len(above) if text.encoding.is_utf8 else len(above.decode("utf-8", "surrogatepass"))
        if place >= 0:
            self.line_end = (self._characters, self.text_bytes + place)
