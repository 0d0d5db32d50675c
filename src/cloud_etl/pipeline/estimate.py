"""How many rows a file will bring, told from its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.errors import CloudEtlError
from cloud_etl.extract.reader.streams import (
    CorruptStreamError,
    WrongCompressionError,
    WrongEncodingError,
    compression_of,
    open_text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.spec import SourceSpec
    from cloud_etl.storage.object_store import ObjectStore

SAMPLE_BYTES = 1 << 18
# A decompressor reads ahead: only behind much text does its place in the stored file tell the ratio.
PACKED_SAMPLE_BYTES = 1 << 24


def estimate_rows(store: ObjectStore, file: FileRef, source: SourceSpec) -> int | None:
    """Rows in a file: exact for Parquet, lines for text, from the beginning of the file.

    None where it cannot be told without a download, or the file cannot be read; the run will say why.
    """
    try:
        path = store.local_path(file.key)
        return None if path is None else _rows(path, file, source)
    except (OSError, CloudEtlError, CorruptStreamError, WrongCompressionError, WrongEncodingError):
        return None


def _rows(path: Path, file: FileRef, source: SourceSpec) -> int | None:
    if source.format == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return int(pq.read_metadata(path).num_rows)
        except pa.ArrowInvalid:
            return None
    encoding = source.csv.encoding if source.format == "csv" else source.json_.encoding
    codec = compression_of(path, file.key, source.compression)
    with open_text(path, codec, encoding) as stream:
        text = stream.read(PACKED_SAMPLE_BYTES if codec else SAMPLE_BYTES)
        stored = stream.stored_bytes_read
        whole = not stream.read(1)
    return _lines(text, None if whole else file.size_bytes / stored, source)


def _lines(text: bytes, times: float | None, source: SourceSpec) -> int:
    """Lines in the whole file if it goes on as it begins; for a JSON array, its objects.

    Args:
        text: the beginning of the file.
        times: how many times longer the file is; None where the text is all of it.
        source: the format.
    """
    if source.format == "json" and text.lstrip().startswith(b"["):
        ends = text.count(b"},")
    else:
        ends = text.count(b"\n") or text.count(b"\r")
    if times is not None:
        return round(ends * times)
    header = int(source.format == "csv" and source.csv.header)
    unended = int(bool(text) and not text.endswith((b"\n", b"\r")))
    return max(0, ends + unended - header)
