"""CSV files: cut into pieces, and pieces of one layout turned into rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.reader.account import FileAccount
from cloud_etl.extract.reader.bounds import ReaderLimits
from cloud_etl.extract.reader.csv_file import CsvFile
from cloud_etl.extract.reader.csv_slice import cut_slice
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.pieces import FilePlace, Piece
from cloud_etl.extract.reader.split import Segment, split
from cloud_etl.extract.reader.streams import (
    CorruptStreamError,
    Encoding,
    WrongEncodingError,
    compression_of,
    open_text,
)
from cloud_etl.extract.reader.text_rows import FileRejects, TextRows
from cloud_etl.extract.reader.windows import Window


@dataclass(frozen=True, slots=True)
class CsvTask:
    """Pieces of one layout."""

    pieces: Sequence[Piece]

    def rows(self) -> tuple[TextRows | None, list[FileRejects]]:
        """Split them into columns."""
        return split(Segment(self.pieces))

    def files(self) -> Mapping[int, tuple[FilePlace, Encoding]]:
        """The files they come from, by index."""
        return {piece.file.index: (piece.file, piece.encoding) for piece in self.pieces}


def cut_csv(account: FileAccount, spec: PipelineSpec, limits: ReaderLimits) -> Iterator[Piece]:
    """Cut one file, in its order.

    Raises:
        SourceError: the file is not on this machine.
        NeedsWholeFileError: the file is a slice, and cannot be read as one.
    """
    if account.file.slice is not None:
        yield from cut_slice(account, spec, limits.window_bytes)
        return
    try:
        yield from _cut(account, spec, limits.window_bytes, spec.source.csv.encoding)
    except WrongEncodingError:
        # Its own encoding tells its records apart, so that each of them is reported.
        message = f"the file begins with a utf-16 mark, the declared encoding is {spec.source.csv.encoding}"
        refusal = (RejectCode.WRONG_ENCODING, message, None)
        yield from _cut(account, spec, limits.window_bytes, "utf-16", refusal)


def _cut(
    account: FileAccount, spec: PipelineSpec, window_bytes: int, encoding: str,
    refusal: tuple[RejectCode, str, str | None] | None = None,
) -> Iterator[Piece]:  # fmt: skip
    path, key = account.file.path, account.file.ref.key
    codec = compression_of(path, key, spec.source.compression)
    try:
        with open_text(path, codec, encoding, limits=spec.source.limits) as stream:
            window = Window(stream, Dialect.of(spec.source.csv))
            file = CsvFile(account.place, stream, window, spec, account.seen)
            yield from file.pieces(window_bytes, refusal)
            account.notes = file.notes
            account.text = window.tally.count(stream.text_bytes, window.lent_bytes)
    except CorruptStreamError as exc:
        message = f"the compressed stream breaks off or is damaged after {account.records} records: {exc}"
        account.damage = (RejectCode.CORRUPT_STREAM, message)
    except FileNotFoundError as exc:
        raise SourceError(f"{account.file.ref.uri}: its local copy is gone; nothing was staged, run again") from exc
