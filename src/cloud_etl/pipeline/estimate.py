"""How many rows a file will bring, told from its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.errors import CloudEtlError
from cloud_etl.extract.reader.streams import CorruptStreamError, WrongEncodingError, compression_of, open_text

if TYPE_CHECKING:
    from pathlib import Path

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.spec import SourceSpec
    from cloud_etl.storage.object_store import ObjectStore

SAMPLE_BYTES = 1 << 18


def estimate_rows(store: ObjectStore, file: FileRef, source: SourceSpec) -> int | None:
    """Rows in a file: exact for Parquet, lines for text, from the beginning of the file.

    None where it cannot be told without a download, or the file cannot be read; the run will say why.
    """
    try:
        path = store.local_path(file.key)
        return None if path is None else _rows(path, file, source)
    except (OSError, CloudEtlError, CorruptStreamError, WrongEncodingError):
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
    with open_text(path, compression_of(path, file.key, source.compression), encoding) as stream:
        text = stream.read(SAMPLE_BYTES)
        stored = stream.stored_bytes_read
    return _lines(text, stored, file.size_bytes, source)


def _lines(text: bytes, stored: int, size_bytes: int, source: SourceSpec) -> int | None:
    """Lines in the whole file if it goes on as it begins; for a JSON array, its objects."""
    if source.format == "json" and text.lstrip().startswith(b"["):
        ends = text.count(b"},")
    else:
        ends = text.count(b"\n") or text.count(b"\r")
    if stored == 0:
        return 0
    header = int(source.format == "csv" and source.csv.header)
    whole = stored >= size_bytes
    unended = int(bool(text) and not text.endswith((b"\n", b"\r")))
    return max(0, ends + unended - header) if whole else round(ends * size_bytes / stored)
