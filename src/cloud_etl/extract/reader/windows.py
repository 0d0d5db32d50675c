"""A window that moves over the text of a file, and knows the line and the byte at which it begins."""

from __future__ import annotations

from cloud_etl.extract.reader.careful import SWAP
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.record_end import RecordEnd
from cloud_etl.extract.reader.streams import TextStream
from cloud_etl.extract.reader.tally import Part, Tally


class Window:
    """The part of a file's text that is in memory.

    Attributes:
        buffer: the text; ends with LF once the dialect is settled and the file has ended.
        line: number of the first line in the buffer, from 1.
        position: byte offset of the buffer in the file's text.
        final: nothing follows behind the buffer.
        lent_bytes: of the line end that was put behind the last line, where the file lacks it.
        tally: what was left behind that is no record.
        dialect: settled by the first look at the text.
    """

    def __init__(self, stream: TextStream, dialect: Dialect, line: int = 1, position: int = 0) -> None:
        """Store the stream, and where in the file it begins; nothing is read yet."""
        self._stream = stream
        self.dialect = dialect
        self._settled = False
        self.buffer = b""
        self.line = line
        self.position = position
        self.final = False
        self.lent_bytes = 0
        self.tally = Tally()

    def fill(self, size_bytes: int) -> None:
        """Read until the buffer holds that many bytes or the file has ended."""
        parts = [self.buffer]
        held = len(self.buffer)
        while held < size_bytes and not self.final:
            text = self._stream.read(max(size_bytes - held, 1024))
            if self.dialect.cr_file:
                text = text.translate(SWAP)
            self.final = not text
            parts.append(text)
            held += len(text)
        self.buffer = b"".join(parts) if len(parts) > 1 else self.buffer
        if self._settled:
            self._end_last_line()

    def settle(self, dialect: Dialect) -> None:
        """Go on with that dialect; what was read is swapped where CR ends its lines."""
        self.dialect = dialect
        self._settled = True
        if dialect.cr_file:
            self.buffer = self.buffer.translate(SWAP)
        self._end_last_line()

    def _end_last_line(self) -> None:
        if self.final and self.buffer and not self.buffer.endswith(b"\n"):
            self.buffer += b"\n"
            self.lent_bytes = 1

    def leave(self, part: Part, size_bytes: int, lines: int = 1) -> None:
        """Leave text behind that is no record."""
        self.tally.take(part, size_bytes, lines)
        self.advance(size_bytes, lines)

    def advance(self, size_bytes: int, lines: int | None = None) -> None:
        """Leave that many bytes behind; lines are counted where the caller has not."""
        self.line += self.buffer.count(b"\n", 0, size_bytes) if lines is None else lines
        self.position += size_bytes
        self.buffer = self.buffer[size_bytes:]

    def complete(self) -> int:
        """Bytes up to the last line end in the buffer."""
        return self.buffer.rfind(b"\n") + 1

    def skip_line(self) -> None:
        """Leave the rest of the line behind, however long it is."""
        while (end := self.buffer.find(b"\n") + 1) == 0 and not self.final:
            self.position += len(self.buffer)
            self.buffer = b""
            self.fill(1 << 20)
        self.advance(end)

    def skip_record(self) -> bool:
        """Leave the rest of a record behind that cannot be read, however long it is; whether it ends in the file."""
        end = RecordEnd(self.dialect)
        while self.buffer or not self.final:
            done, ended = end.feed(self.buffer, self.final)
            self.advance(done)
            if ended:
                return True
            self.fill(len(self.buffer) + (1 << 20))
        return False
