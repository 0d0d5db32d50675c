"""A slice of a large CSV file, cut as it would be cut within its file."""

from __future__ import annotations

from collections.abc import Iterator

from cloud_etl.domain.files import LocalFile
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.account import FileAccount, NeedsWholeFileError
from cloud_etl.extract.reader.csv_file import CsvFile
from cloud_etl.extract.reader.csv_header import Head, read_head
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.header import SeenHeader
from cloud_etl.extract.reader.pieces import Piece
from cloud_etl.extract.reader.streams import CorruptStreamError, WrongCompressionError, open_text
from cloud_etl.extract.reader.windows import Window


def cut_slice(account: FileAccount, spec: PipelineSpec, window_bytes: int) -> Iterator[Piece]:
    """Cut a slice, in its order; lines and positions are those of the whole file.

    Raises:
        NeedsWholeFileError: a second table begins in it, or it cannot be read to its end.
    """
    local, csv = account.file, spec.source.csv
    assert local.slice is not None
    try:
        head = _head(local, spec, account.seen)
        with open_text(local.path, None, csv.encoding, begun=head is not None) as stream:
            window = Window(stream, Dialect.of(csv), local.slice.line, local.slice.position)
            if head is not None:
                window.settle(window.dialect)
            file = CsvFile(account.place, stream, window, spec, account.seen)
            for piece in file.pieces(window_bytes, head=head):
                # The header was accepted, so what is refused stands below another one.
                if piece.layout.refusal is not None:
                    raise NeedsWholeFileError
                yield piece
            account.notes = file.notes
            account.text = window.tally.count(stream.text_bytes, window.lent_bytes)
    except (CorruptStreamError, WrongCompressionError) as exc:
        raise NeedsWholeFileError from exc


def _head(local: LocalFile, spec: PipelineSpec, seen: SeenHeader) -> Head | None:
    if local.head is None:
        return None
    with open_text(local.head, None, spec.source.csv.encoding) as stream:
        return read_head(Window(stream, Dialect.of(spec.source.csv)), spec, seen)
