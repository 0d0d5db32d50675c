"""The text of a file in S3, decompressed and decoded, line by line."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from cloud_etl.local_aws.redshift.copy.failures import s3_failures
from cloud_etl.local_aws.redshift.port import RedshiftError

if TYPE_CHECKING:
    from cloud_etl.local_aws.redshift.copy.objects import Objects
    from cloud_etl.local_aws.redshift.copy.sources import SourceFile
    from cloud_etl.local_aws.redshift.copy.statement import CopyStatement

_BUFFER_BYTES = 4 << 20
_CODECS = {
    "UTF8": "utf-8", "UTF16": "utf-16", "UTF16LE": "utf-16-le", "UTF16BE": "utf-16-be", "ISO88591": "latin-1",
}  # fmt: skip
_BOM = "\ufeff"


def lines(statement: CopyStatement, source: SourceFile, objects: Objects) -> Iterator[str]:
    r"""Lines with their ends, split at `\n` alone; wrong bytes of UTF-8 stand as lone surrogates.

    Raises:
        RedshiftError: the file is gone, or not compressed as the statement says.
    """
    encoding = _CODECS[statement.rows.encoding]
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    with objects.open(source.address, source.size_bytes) as raw, s3_failures():
        plain = _decompressed(statement, io.BufferedReader(raw, _BUFFER_BYTES))
        text = io.TextIOWrapper(plain, encoding, errors, newline="\n")
        try:
            for number, line in enumerate(text):
                yield line.removeprefix(_BOM) if number == 0 else line
        except (OSError, EOFError, UnicodeError) as exc:
            what = f"as {statement.rows.encoding}" if isinstance(exc, UnicodeError) else f"as {statement.compression}"
            raise RedshiftError(f"{source.address.uri} could not be read {what}.") from exc


def _decompressed(statement: CopyStatement, file: BinaryIO) -> BinaryIO:
    if statement.compression == "GZIP":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if statement.compression == "BZIP2":
        return cast(BinaryIO, bz2.BZ2File(file))
    if statement.compression == "ZSTD":
        import pyarrow as pa

        return cast(BinaryIO, io.BufferedReader(pa.CompressedInputStream(file, "zstd")))
    if statement.compression == "LZOP":
        raise RedshiftError("LZOP is not supported by COPY on this server.", sqlstate="0A000")
    return file
