"""The bytes of a source file as UTF-8 text: decompressed, decoded, its byte order mark dropped."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from cloud_etl.domain.limits import ExpandedLimit, LimitsSpec

Compression = Literal["auto", "none", "gz", "zst", "bz2"]
_CODECS = {"gz": "gzip", "zst": "zstd", "bz2": "bz2"}
_ENDINGS = {".gz": "gz", ".gzip": "gz", ".zst": "zst", ".zstd": "zst", ".bz2": "bz2"}
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARK_BYTES = 4
_PACKED = {
    b"\x1f\x8b\x08": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"PK\x03\x04": "zip", b"\xfd7zXZ\0": "xz",
    b"PAR1\x15": "Parquet",
}  # fmt: skip
# Behind the beginning of bz2, which is text, stands pi.
_BZ2_BLOCK = b"1AY&SY"
_SHOWN = {codec: short for short, codec in _CODECS.items()}


class CorruptStreamError(Exception):
    """A compressed stream is cut or damaged."""


class WrongCompressionError(Exception):
    """A file is not packed as its name or the configuration says; the message says what it is."""


class ExpandsTooFarError(Exception):
    """A packed file unpacks to more than it may."""


class WrongEncodingError(Exception):
    """The file begins with the byte order mark of another encoding."""


class UndecodableError(Exception):
    """The declared encoding cannot read the file at all, such as one that needs a byte order mark."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def tell(self) -> int: ...


class TextStream:
    """Reads a file as UTF-8; what cannot be decoded arrives as bytes that are not UTF-8."""

    def __init__(
        self,
        raw: _Readable,
        source: _Readable,
        encoding: str,
        *,
        begun: bool = False,
        limit: ExpandedLimit | None = None,
    ) -> None:
        """Store the open file, the decompressed source over it and the name of the encoding.

        Args:
            raw: the stored file.
            source: its decompressed bytes.
            encoding: the declared one.
            begun: the source does not begin where the file does, so no byte order mark is looked for.
            limit: how many decompressed bytes there may be.
        """
        self._raw = raw
        self._source = source
        self.encoding = Encoding(encoding)
        try:
            self._decoder = self.encoding.decoder()
        except UnicodeError as exc:
            raise UndecodableError(str(exc)) from exc
        self._first = not begun
        self._limit = limit
        self._source_bytes = 0
        self._given_bytes = 0
        self._ended = False

    @property
    def text_bytes(self) -> int | None:
        """How long the text is, without a byte order mark; None before its end was read."""
        return self._given_bytes if self._ended else None

    @property
    def stored_bytes_read(self) -> int:
        """How far the stored, compressed file has been read."""
        return self._raw.tell()

    def read(self, size_bytes: int) -> bytes:
        """The next text, about that many bytes; b"" at the end.

        Raises:
            CorruptStreamError: the compressed stream is cut or damaged.
            WrongEncodingError: the declared encoding is UTF-8 and the file begins with a UTF-16 mark.
            UndecodableError: the declared encoding cannot read the file at all.
            ExpandsTooFarError: it unpacks to more than its limit.
        """
        while True:
            data = self._read_stored(size_bytes)
            self._source_bytes += len(data)
            if self._limit is not None and self._source_bytes > self._limit.size_bytes:
                raise ExpandsTooFarError(
                    f"the file unpacks to more than {self._limit.size_bytes:,} bytes; {self._limit.saying}"
                )
            if self._first and data[:2] in _UTF16_MARKS and self._decoder is None:
                raise WrongEncodingError
            text = self._decode(data)
            if self._first and text:
                self._first = False
                text = text.removeprefix(codecs.BOM_UTF8)
            if text or not data:
                self._given_bytes += len(text)
                self._ended = not text
                return text

    def _read_stored(self, size_bytes: int) -> bytes:
        try:
            data = self._source.read(size_bytes)
            while self._first and 0 < len(data) < _MARK_BYTES and (more := self._source.read(size_bytes)):
                data += more
        except (OSError, EOFError) as exc:
            raise CorruptStreamError(str(exc)) from exc
        return data

    def _decode(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data
        try:
            return self._decoder.decode(data, final=not data).encode("utf-8", "surrogatepass")
        except UnicodeError as exc:
            # Such as a missing mark, which is no fault of single bytes.
            raise UndecodableError(exc.reason if isinstance(exc, UnicodeDecodeError) else str(exc)) from exc


class Encoding:
    """A declared encoding; None is done for UTF-8, any other is decoded and encoded again."""

    def __init__(self, name: str) -> None:
        """Look the codec up; the configuration has checked that it exists."""
        self.name = codecs.lookup(name).name
        self.is_utf8 = self.name in ("utf-8", "utf-8-sig")

    def decoder(self) -> codecs.IncrementalDecoder | None:
        """A fresh decoder that turns each undecodable byte b into the lone surrogate U+DC00 + b; None for UTF-8."""
        if self.is_utf8:
            return None
        return codecs.getincrementaldecoder(self.name)("cloud_etl_keep_bytes")

    def quarantine(self, raw: bytes) -> tuple[str, bytes | None]:
        """The raw text of a record, and its bytes in the file's own encoding where the text is not all of it."""
        try:
            return raw.decode(), None
        except UnicodeDecodeError:
            pass
        if self.is_utf8:
            return raw.decode("utf-8", "replace"), raw
        # A record that is too long is cut, maybe inside a character, which is left out.
        text = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(raw)
        shown = "".join("\ufffd" if "\udc00" <= char <= "\udfff" else char for char in text)
        return shown, b"".join(self._original(char) for char in text)

    def _original(self, char: str) -> bytes:
        if "\udc00" <= char <= "\udcff":
            return bytes((ord(char) - 0xDC00,))
        # The marking codecs (utf-16) would put a byte order mark before each character.
        name = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(self.name, self.name)
        try:
            return char.encode(name, "replace")
        except UnicodeError:
            return b"?"


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


codecs.register_error("cloud_etl_keep_bytes", _keep_bytes)


def compression_of(path: Path, key: str, declared: Compression) -> str | None:
    """The codec of a file: as declared, else by the ending of its key."""
    if declared == "none":
        return None
    short = _ENDINGS.get(Path(key).suffix.lower() or path.suffix.lower()) if declared == "auto" else declared
    return _CODECS[short] if short else None


def _check_compression(path: Path, codec: str | None) -> None:
    with path.open("rb") as file:
        begin = file.read(64)
    found = next((name for mark, name in _PACKED.items() if begin.startswith(mark)), None)
    if found == "bz2" and begin[4:10] != _BZ2_BLOCK:
        found = codec if codec == "bz2" else None
    is_text = bool(begin) and not any(byte < 9 or 13 < byte < 32 for byte in begin)
    if found == codec or (found is None and not is_text):
        return
    if found is None:
        message = f"the file holds plain text and is read as {codec}; drop the ending from its name"
        raise WrongCompressionError(f"{message}, or set source.compression to none")
    if found == "Parquet":
        raise WrongCompressionError("the file is a Parquet file; set source.format to parquet")
    remedy = "unpack it"
    if found in _SHOWN:
        remedy = f"give its name the ending .{_SHOWN[found]}, or set source.compression to {_SHOWN[found]}"
    read_as = "without unpacking it" if codec is None else f"as {codec}"
    raise WrongCompressionError(f"the file is packed with {found} and is read {read_as}; {remedy}")


@contextmanager
def open_bytes(path: Path, codec: str | None) -> Iterator[tuple[_Readable, _Readable]]:
    """The stored file, and its decompressed bytes; streams of several members are read to their end.

    Raises:
        WrongCompressionError: the file begins in another way than that codec's.
    """
    _check_compression(path, codec)
    if codec is None or path.stat().st_size == 0:
        with path.open("rb", buffering=0) as raw:
            yield raw, raw
        return
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as stored, pa.CompressedInputStream(stored, codec) as source:
        yield stored, source


@contextmanager
def open_text(
    path: Path, codec: str | None, encoding: str, *, begun: bool = False, limits: LimitsSpec | None = None
) -> Iterator[TextStream]:
    """The text of a file, or of a part of one that had begun before it; limits bound a packed one."""
    limit = limits.for_text(path.stat().st_size) if limits is not None and codec is not None else None
    with open_bytes(path, codec) as (raw, source):
        yield TextStream(raw, source, encoding, begun=begun, limit=limit)
