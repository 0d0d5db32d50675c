"""An object in S3 as a seekable file: each read is one range request, resumed where a body is cut."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from cloud_etl.errors import SourceError
from cloud_etl.storage.s3_client import asked

if TYPE_CHECKING:
    from obstore.store import S3Store as Client
    from typing_extensions import Buffer

    from cloud_etl.storage.s3_client import Bucket


class RangeReader(io.RawIOBase):
    """Bytes of one object by position; reads nothing until asked.

    Args:
        bucket: the object's, and a client for it.
        path: the object's key.
        uri: full address, for messages.
        size_bytes: where the object ends; reads stop there.
    """

    def __init__(self, bucket: tuple[Bucket, Client], path: str, uri: str, size_bytes: int) -> None:
        """Stand at the first byte."""
        super().__init__()
        self._bucket, self._client = bucket
        self._path = path
        self._uri = uri
        self._size = size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; nothing is fetched."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Fetch bytes from here on.

        Raises:
            SourceError: the object is gone, or may not be read.
            TemporaryError: the server could not be reached, after several tries.
        """
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        import obstore

        with asked(self._bucket, self._uri, SourceError):
            data = obstore.get_range(self._client, self._path, start=self._position, length=wanted)
        self._position += len(data)
        return bytes(data)

    def readinto(self, buffer: Buffer) -> int:
        """Fetch bytes into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
