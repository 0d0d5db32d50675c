"""Split proven lines into columns with pyarrow, and join them with the records that were parsed one by one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.errors import CloudEtlError
from cloud_etl.extract.reader.careful import SWAP, Parsed, parse_record, width_message
from cloud_etl.extract.reader.dialect import CR, LF, Dialect
from cloud_etl.extract.reader.pieces import NO_PLACES, Layout, Piece, Record, Reject, Runs
from cloud_etl.extract.reader.scan import line_starts
from cloud_etl.extract.reader.shape import Shape
from cloud_etl.extract.reader.text_rows import FileRejects, Origins, TextRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Places = NDArray[np.int64]

_BOM = b"\xef\xbb\xbf"
_SENTINELS = tuple(bytes((code,)) for code in range(1, 32) if code not in (9, LF, CR))
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Segment:
    """Pieces of one layout, of one file or of many, that are split and cast together."""

    pieces: Sequence[Piece]

    @property
    def layout(self) -> Layout:
        """The layout of all pieces."""
        return self.pieces[0].layout

    @property
    def dialect(self) -> Dialect:
        """The dialect of all pieces."""
        return self.pieces[0].dialect

    @cached_property
    def lines(self) -> bytes:
        """The proven lines of all pieces."""
        return self.pieces[0].lines if len(self.pieces) == 1 else b"".join(piece.lines for piece in self.pieces)

    @cached_property
    def ends(self) -> Places:
        """Offset of the LF of each proven line."""
        if len(self.pieces) == 1:
            return self.pieces[0].ends
        before = np.cumsum([0, *(len(piece.lines) for piece in self.pieces)])
        return np.concatenate([piece.ends + start for piece, start in zip(self.pieces, before.tolist(), strict=False)])

    @cached_property
    def starts(self) -> Places:
        """Offset of each proven line."""
        return line_starts(self.ends)

    @cached_property
    def origins(self) -> Origins:
        """Where each proven record comes from."""
        counts = [len(piece.ends) for piece in self.pieces]
        files = np.repeat([piece.file.index for piece in self.pieces], counts)
        held = np.cumsum([0, *counts[:-1]])
        first = np.concatenate([piece.runs.first + before for piece, before in zip(self.pieces, held, strict=True)])
        lengths = np.diff(first, append=len(files))
        line = np.concatenate([piece.runs.line for piece in self.pieces]) - first
        position = np.concatenate([piece.runs.position for piece in self.pieces]) - self.starts[first]
        lines = np.repeat(line, lengths) + np.arange(len(files))
        return Origins(files, lines, np.repeat(position, lengths) + self.starts)

    def raw(self, number: int) -> bytes:
        """The text of a proven line, without its line end."""
        text = self.lines[self.starts[number] : self.ends[number]]
        return text.translate(SWAP) if self.dialect.cr_file else text.removesuffix(b"\r")


def split(segment: Segment) -> tuple[TextRows | None, list[FileRejects]]:
    """Give the rows of a segment as text columns, and the records that were refused on the way."""
    if segment.layout.refusal is not None:
        return None, [*_refused_before(segment), *_all_refused(segment)]
    text = _with_single_delimiter(segment)
    try:
        table, kept, refused = _split_lines(segment, *text) if text else _no_lines()
    except pa.ArrowInvalid:
        text = None
    if text is None:
        segment = _parse_each(segment)
        table, kept, refused = _no_lines()
    parsed = [(piece, record) for piece in segment.pieces for record in piece.parsed]
    columns = _columns(segment, table, [record for _, record in parsed])
    origins = segment.origins if len(kept) == len(segment.ends) else segment.origins.take(kept)
    if parsed:
        origins = _with_parsed(origins, parsed)

    def raw(row: int) -> bytes:
        return segment.raw(int(kept[row])) if row < len(kept) else parsed[row - len(kept)][1].raw

    return TextRows(columns, origins, raw), [*_refused_before(segment), *refused]


def _refused_before(segment: Segment) -> list[FileRejects]:
    return [FileRejects(piece.file, piece.encoding, piece.rejects) for piece in segment.pieces if piece.rejects]


def _no_lines() -> tuple[pa.Table | None, Places, list[FileRejects]]:
    return None, NO_PLACES, []


def _with_parsed(origins: Origins, parsed: Sequence[tuple[Piece, Record]]) -> Origins:
    more = np.array([(piece.file.index, record.line, record.position) for piece, record in parsed], dtype=np.int64)
    return Origins(
        np.concatenate((origins.files, more[:, 0])),
        np.concatenate((origins.lines, more[:, 1])),
        np.concatenate((origins.positions, more[:, 2])),
    )


def _columns(segment: Segment, table: pa.Table | None, parsed: Sequence[Record]) -> dict[str, pa.ChunkedArray]:
    columns = {}
    for name, place in segment.layout.sources:
        chunks = [] if table is None else _trimmed(table.column(str(place)), segment.dialect).chunks
        if parsed:
            chunks.append(pa.array([record.fields[place] for record in parsed], type=pa.string()))
        columns[name] = pa.chunked_array(chunks, type=pa.string())
    return columns


def _trimmed(column: pa.ChunkedArray, dialect: Dialect) -> pa.ChunkedArray:
    """Only lines without quotes come here when fields are trimmed, so every field may be."""
    if not dialect.options.trim:
        return column
    trimmed = pc.utf8_trim(column, characters=" \t")
    words = pa.array(dialect.options.null_words, type=pa.string())
    return pc.if_else(pc.is_in(trimmed, value_set=words), pa.scalar(None, pa.string()), trimmed)


def _all_refused(segment: Segment) -> Iterator[FileRejects]:
    code, message, column = segment.layout.refusal or (RejectCode.HEADER_MISMATCH, "", None)
    wrong = [(number, code, message) for number in range(len(segment.ends))]
    for refused in _by_file(segment, wrong):
        rejects = [Reject(item.line, item.position, item.raw, code, message, column) for item in refused.rejects]
        yield FileRejects(refused.file, refused.encoding, rejects)


def _by_file(segment: Segment, wrong: Sequence[tuple[int, RejectCode, str]]) -> list[FileRejects]:
    """Refuse proven lines, by number."""
    if not wrong:
        return []
    origins = segment.origins.take(np.array([number for number, _, _ in wrong], dtype=np.int64))
    places = {piece.file.index: (piece.file, piece.encoding) for piece in segment.pieces}
    rejects: dict[int, list[Reject]] = {}
    rows = zip(wrong, origins.files.tolist(), origins.lines.tolist(), origins.positions.tolist(), strict=True)
    for (number, code, message), file, line, position in rows:
        rejects.setdefault(file, []).append(Reject(line, position, segment.raw(number), code, message))
    return [FileRejects(*places[file], items) for file, items in rejects.items()]


def _split_lines(segment: Segment, body: bytes, delimiter: str) -> tuple[pa.Table | None, Places, list[FileRejects]]:
    """Split the proven lines; pyarrow refuses those with a wrong number of fields.

    Returns:
        A table whose columns are named by their place, the numbers of the lines in it, and the refused lines.
    """
    if not body:
        return _no_lines()
    numbers, counts = array("q"), array("q")

    def invalid(row: pacsv.InvalidRow) -> str:
        numbers.append(row.number - 1)
        counts.append(row.actual_columns)
        return "skip"

    table = _read_csv(segment, body, delimiter, invalid)
    width = segment.layout.width
    wrong = [
        (
            number,
            RejectCode.TOO_FEW_FIELDS if count < width else RejectCode.TOO_MANY_FIELDS,
            width_message(count, width),
        )
        for number, count in zip(numbers, counts, strict=True)
    ]
    kept = np.arange(len(segment.ends))
    if wrong:
        kept = np.delete(kept, np.frombuffer(numbers, dtype=np.int64))
    if table.num_rows != len(kept):
        raise CloudEtlError(f"reader: {len(kept)} lines were split into {table.num_rows} rows; nothing was staged")
    return table, kept, _by_file(segment, wrong)


def _read_csv(segment: Segment, body: bytes, delimiter: str, invalid: Callable[[pacsv.InvalidRow], str]) -> pa.Table:
    dialect, width = segment.dialect, segment.layout.width
    longest = int((segment.ends - segment.starts).max()) * max(1, len(delimiter)) + 16
    block = max(_BLOCK_BYTES, 2 * longest)
    names = [str(place) for place in range(width)]
    wanted = [str(place) for _, place in segment.layout.sources]
    single = dialect.quote is not None and len(dialect.quote) == 1
    nulls = [] if dialect.options.trim else list(dialect.options.null_words)
    return pacsv.read_csv(
        pa.BufferReader(body),
        read_options=pacsv.ReadOptions(use_threads=False, column_names=names, block_size=block),
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter, quote_char=dialect.options.quote if single else False, double_quote=True,
            escape_char=False, newlines_in_values=single, ignore_empty_lines=False, invalid_row_handler=invalid,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=wanted, null_values=nulls,
            strings_can_be_null=bool(nulls), quoted_strings_can_be_null=False, check_utf8=False,
        ),
    )  # fmt: skip


def _parse_each(segment: Segment) -> Segment:
    """Parse the proven lines one by one: for lines that pyarrow cannot be given, or does not take."""
    pieces = [replace(piece, lines=b"", ends=NO_PLACES, runs=Runs(), parsed=[*piece.parsed], rejects=[*piece.rejects])
              for piece in segment.pieces]  # fmt: skip
    by_file = {piece.file.index: piece for piece in reversed(pieces)}
    origins = segment.origins
    places = zip(segment.starts.tolist(), origins.files.tolist(), origins.lines.tolist(), origins.positions.tolist(),
                 strict=True)  # fmt: skip
    for number, (start, file, line, position) in enumerate(places):
        outcome = parse_record(segment.lines, start, segment.dialect, Shape(segment.layout.width), True)
        raw = segment.raw(number)
        if isinstance(outcome, Parsed):
            by_file[file].parsed.append(Record(line, position, raw, outcome.fields))
        else:
            by_file[file].rejects.append(Reject(line, position, raw, outcome.code, outcome.message))
    return Segment(pieces)


def _with_single_delimiter(segment: Segment) -> tuple[bytes, str] | None:
    delimiter = segment.dialect.delimiter
    # pyarrow drops a byte order mark at the beginning; one that belongs to the data gets another to lose.
    body = _BOM + segment.lines if segment.lines.startswith(_BOM) else segment.lines
    if len(delimiter) == 1:
        return body, delimiter.decode()
    for sentinel in _SENTINELS:
        if sentinel not in body:
            return body.replace(delimiter, sentinel), sentinel.decode()
    return None
