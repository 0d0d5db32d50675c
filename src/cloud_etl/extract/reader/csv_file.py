"""One CSV file, read from its first to its last line and cut into pieces that workers can take in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.careful import SWAP, TOO_LONG, NeedsMoreError, Parsed, Refused, parse_record
from cloud_etl.extract.reader.csv_header import Head, read_head
from cloud_etl.extract.reader.header import SeenHeader
from cloud_etl.extract.reader.pieces import FilePlace, Layout, Piece, Record, Reject, Runs
from cloud_etl.extract.reader.scan import WINDOW_LINES, Line, Lines, is_plain, line_ends, sort_lines
from cloud_etl.extract.reader.second_table import SecondTable
from cloud_etl.extract.reader.shape import Shape
from cloud_etl.extract.reader.streams import TextStream
from cloud_etl.extract.reader.tally import Part, Tally
from cloud_etl.extract.reader.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CsvFile:
    """Cuts the records out of one file; what it yields is in the order of the file.

    Attributes:
        notes: how columns were matched, for the report.
    """

    def __init__(
        self, place: FilePlace, stream: TextStream, window: Window, spec: PipelineSpec, seen: SeenHeader
    ) -> None:
        """Store the parts; nothing is read yet."""
        self._seen = seen
        self._place = place
        self._stream = stream
        self._window = window
        self._spec = spec
        self._layout = Layout(len(spec.schema_))
        self._endless = False
        self.notes: tuple[str, ...] = ()

    def pieces(
        self, window_bytes: int, refusal: tuple[RejectCode, str, str | None] | None = None, head: Head | None = None
    ) -> Iterator[Piece]:
        """Cut the file, about that many bytes at a time.

        Args:
            window_bytes: text looked at in one go.
            refusal: refuse every record for that reason.
            head: what the file's beginning told; without, the window stands there and is read.

        Raises:
            CorruptStreamError: the compressed stream is cut or damaged.
            WrongEncodingError: the file begins with a mark of another encoding.
        """
        window = self._window
        head = head or read_head(window, self._spec, self._seen)
        self._layout, self.notes = head.layout, head.notes
        if refusal is not None:
            self._layout = Layout(head.layout.width, refusal=refusal)
        if head.rejects:
            count, size = len(head.rejects), head.rejects_bytes
            yield self._finish(replace(self._piece(), rejects=head.rejects, records=count, looked_at_bytes=size))
        second = SecondTable(head, window)
        size = window_bytes
        while True:
            window.fill(size)
            if not window.buffer:
                return
            if window.complete() == 0 and len(window.buffer) > window.dialect.max_record_bytes:
                yield self._pass_over()
                continue
            self._endless = False
            # More than a window is asked for by what needs all of its lines.
            piece, used, lines = self._cut(second, WINDOW_LINES if size == window_bytes else None)
            size = window_bytes if used else max(size, len(window.buffer)) * 2
            if piece.records:
                yield self._finish(piece)
            window.advance(used, lines)
            if second.found is not None:
                self._layout = Layout(self._layout.width, refusal=second.found)
                second.stop()
            elif self._endless:
                yield self._pass_over()

    def _piece(self) -> Piece:
        return Piece(self._place, self._layout, self._stream.encoding, self._window.dialect)

    def _finish(self, piece: Piece) -> Piece:
        piece.stored_bytes = self._stream.stored_bytes_read
        if piece.layout.refusal is not None:
            code, message, column = piece.layout.refusal
            parsed = [Reject(item.line, item.position, item.raw, code, message, column) for item in piece.parsed]
            others = [replace(item, code=code, message=message, column=column) for item in piece.rejects]
            piece.rejects, piece.parsed = [*parsed, *others], []
        return piece

    def _cut(self, second: SecondTable, most_lines: int | None) -> tuple[Piece, int, int]:
        """Cut the window's complete lines, the first so many of them.

        Returns:
            A piece, and the bytes and lines that are done with: none of them where more text must be seen.
        """
        window, piece = self._window, self._piece()
        end = window.complete()
        if end == 0:
            return piece, 0, 0
        text = window.buffer if end == len(window.buffer) else window.buffer[:end]
        ends = line_ends(text)
        if most_lines is not None and len(ends) > most_lines:
            ends = ends[:most_lines].copy()
            text = text[: _bytes_of(ends, most_lines)]
        complete = window.final and len(text) == len(window.buffer)
        repeated = second.repeated_in(text, ends)
        if not repeated and is_plain(text, ends, window.dialect, self._layout.width):
            last = second.find_in_plain(text, ends)
            used = _bytes_of(ends, last)
            window.tally.last = Part.RECORD
            piece.lines, piece.ends = text[:used], ends[:last]
            piece.runs = Runs(*np.array([[0], [window.line], [window.position]]))
            piece.records = last
            return piece, used, last
        shape = shape_of(self._layout, self._spec)
        lines = sort_lines(text, ends, window.dialect, shape.holds_text)
        last = resolved = self._resolve(lines, shape, piece)
        self._refuse_repeated(lines, [number for number in repeated if number < last], piece)
        last = second.find(text, lines, last, self._endless or (complete and last == len(ends)))
        self._endless &= last == resolved
        _drop_from(piece, window.line + last)
        _take_runs(piece, text, lines, last, (window.line, window.position))
        kinds = lines.kinds[:last]
        piece.records = int(np.count_nonzero((kinds == Line.RECORD) | (kinds == Line.TAKEN)))
        piece.looked_at_bytes = _tally_lines(window.tally, lines, last)
        return piece, _bytes_of(ends, last), last

    def _resolve(self, lines: Lines, shape: Shape, piece: Piece) -> int:
        """Parse the doubtful lines one by one, in order.

        Returns:
            How many lines are done with; fewer than all where a record goes on behind the buffer, or is endless.
        """
        spans: list[int] = []
        last, done = len(lines.ends), 0
        for number in np.flatnonzero(lines.kinds == Line.DOUBTFUL).tolist():
            if number < done:
                continue
            if number in lines.spans:
                spans.append(number)
                done = lines.spans[number] + 1
                continue
            try:
                done = self._look_closely(lines, number, shape, piece)
            except NeedsMoreError:
                last = number
                break
            if self._endless:
                last = number
                break
        lines.take_spans(spans)
        return last

    def _look_closely(self, lines: Lines, number: int, shape: Shape, piece: Piece) -> int:
        """Parse the record that begins on a line; gives the number of the line behind it."""
        window, start = self._window, int(lines.starts[number])
        outcome = parse_record(window.buffer, start, window.dialect, shape, window.final)
        if isinstance(outcome, Refused) and outcome.endless:
            self._endless = True
            return number
        end = int(lines.ends[-1]) + 1
        if outcome.next > end and end < window.complete():
            raise NeedsMoreError
        done = number + 1
        while done < len(lines.ends) and lines.starts[done] < outcome.next:
            done += 1
        line = window.line + number
        if isinstance(outcome, Parsed):
            raw = self._raw(start, outcome.end)
            piece.parsed.append(Record(line, window.position + start, raw, outcome.fields))
        elif outcome.each:
            self._refuse_each(lines, (number, done), outcome, piece)
            return done
        else:
            raw = self._raw(start, min(outcome.next - 1, start + window.dialect.max_record_bytes))
            piece.rejects.append(Reject(line, window.position + start, raw, outcome.code, outcome.message))
        lines.kinds[number:done] = Line.CONTINUED
        lines.kinds[number] = Line.TAKEN
        return done

    def _refuse_each(self, lines: Lines, span: tuple[int, int], outcome: Refused, piece: Piece) -> None:
        window = self._window
        for number in range(*span):
            start, end = int(lines.starts[number]), int(lines.ends[number])
            raw = self._raw(start, end)
            if not raw:
                # Not a gap between records: it may as well stand inside the quotes.
                lines.kinds[number] = Line.CONTINUED
                continue
            lines.kinds[number] = Line.TAKEN
            reject = Reject(window.line + number, window.position + start, raw, outcome.code, outcome.message)
            piece.rejects.append(reject)

    def _refuse_repeated(self, lines: Lines, repeated: list[int], piece: Piece) -> None:
        window = self._window
        for number in repeated:
            start, end = int(lines.starts[number]), int(lines.ends[number])
            if lines.kinds[number] == Line.RECORD:
                lines.kinds[number] = Line.TAKEN
                piece.parsed.append(Record(window.line + number, window.position + start, self._raw(start, end), []))
        again = {window.line + number for number in repeated}
        for item in piece.parsed:
            if item.line in again:
                code, message = RejectCode.REPEATED_HEADER, "the header stands again among the records"
                piece.rejects.append(Reject(item.line, item.position, item.raw, code, message))
        if again:
            piece.parsed = [item for item in piece.parsed if item.line not in again]
            piece.rejects.sort(key=lambda item: item.line)

    def _raw(self, start: int, end: int) -> bytes:
        """A record's text as it stands in the file, without its line end."""
        raw = self._window.buffer[start:end]
        if self._window.dialect.cr_file:
            return raw.translate(SWAP)
        return raw.removesuffix(b"\r")

    def _pass_over(self) -> Piece:
        """One reject for the record at the window's beginning, which is longer than a record may be."""
        window, piece = self._window, self._piece()
        line, position, raw = window.line, window.position, self._raw(0, window.dialect.max_record_bytes)
        ended = window.skip_record()
        lines, code, message = window.line - line, RejectCode.RECORD_TOO_LONG, TOO_LONG
        if not ended:
            code = RejectCode.UNCLOSED_QUOTE
            message = f"{TOO_LONG}, and its quotes never close: the rest of the file, {lines} lines, is set aside"
        elif lines > 1:
            message = f"{TOO_LONG}: it has {lines} lines, up to line {window.line - 1}, and none of them was read"
        piece.rejects.append(Reject(line, position, raw, code, message))
        piece.records = 1
        piece.looked_at_bytes = window.position - position
        window.tally.last = Part.RECORD
        return self._finish(piece)


def shape_of(layout: Layout, spec: PipelineSpec) -> Shape:
    """What a record of that layout looks like."""
    kinds = {place: spec.schema_[name].type.kind for name, place in layout.sources if name in spec.schema_}
    return Shape.of(layout.width, kinds)


def _drop_from(piece: Piece, line: int) -> None:
    piece.parsed = [item for item in piece.parsed if item.line < line]
    piece.rejects = [item for item in piece.rejects if item.line < line]


def _bytes_of(ends: NDArray[np.int64], lines: int) -> int:
    return int(ends[lines - 1]) + 1 if lines else 0


def _tally_lines(tally: Tally, lines: Lines, last: int) -> int:
    """Count the lines that are no record; gives the bytes of those that were looked at closely."""
    kinds = lines.kinds[:last]
    others = np.flatnonzero((kinds != Line.RECORD) & (kinds != Line.SPANNED))
    sizes, found = lines.ends[others] + 1 - lines.starts[others], kinds[others]
    for kind, part in ((Line.COMMENT, Part.COMMENT), (Line.NOTHING, Part.BLANK)):
        if count := int(np.count_nonzero(found == kind)):
            tally.take(part, int(sizes[found == kind].sum()), count)
    if last:
        tally.last = {Line.COMMENT: Part.COMMENT, Line.NOTHING: Part.BLANK}.get(Line(kinds[-1]), Part.RECORD)
    return int(sizes[(found == Line.TAKEN) | (found == Line.CONTINUED)].sum())


def _take_runs(piece: Piece, text: bytes, lines: Lines, last: int, origin: tuple[int, int]) -> None:
    """Put the proven records together, and note where lines that follow one another begin."""
    kinds = lines.kinds[:last]
    begins = kinds == Line.RECORD
    spanned = kinds == Line.SPANNED
    proven = begins | spanned
    # Where lines that are taken and lines that are not meet.
    edges = np.flatnonzero(np.diff(proven, prepend=False, append=False))
    first, behind = edges[::2], edges[1::2]
    starts, ends = lines.starts[first], lines.ends[behind - 1] + 1
    held = np.cumsum(ends - starts) - (ends - starts)
    piece.lines = b"".join([text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])
    piece.ends = lines.ends[:last][proven] - np.repeat(starts - held, behind - first)
    if spanned.any():
        # A record ends on the last of its lines.
        piece.ends = piece.ends[~np.append(spanned[1:], False)[proven]]
    numbers = np.flatnonzero(begins)
    breaks = np.flatnonzero(np.diff(numbers, prepend=-2) != 1)
    piece.runs = Runs(breaks, origin[0] + numbers[breaks], origin[1] + lines.starts[numbers[breaks]])
