"""One object into one local file: parallel ranges, pinned etag, resumed where a body is cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.errors import ObjectChangedError, SourceError, TemporaryError
from cloud_etl.storage.s3_client import asked

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store as Client
    from typing_extensions import Buffer

    from cloud_etl.domain.files import FileRef
    from cloud_etl.storage.object_store import OnBytes
    from cloud_etl.storage.s3_client import Bucket

RANGE_BYTES = 16 << 20
_PARALLEL = 4
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """An object as it was listed, and how to reach it; path is its key in the bucket."""

    bucket: Bucket
    client: Client
    path: str
    ref: FileRef


def fetch(source: Source, target: Path, on_bytes: OnBytes | None) -> None:
    """Write an object's bytes to a new file.

    Raises:
        ObjectChangedError: the object has another etag or length than when it was listed.
        TemporaryError: the connection was cut more often than makes sense to resume.
    """
    with target.open("wb") as file:
        job = _Download(source, file.fileno(), on_bytes)
        starts = range(0, source.ref.size_bytes, RANGE_BYTES)
        if len(starts) <= 1:
            job.fetch_range(0)
            return
        pool = ThreadPoolExecutor(max_workers=_PARALLEL)
        try:
            for _ in pool.map(job.fetch_range, starts):
                pass
        finally:
            # After a fault, or Ctrl-C, ranges that were not begun are not begun any more.
            pool.shutdown(cancel_futures=True)


def chunks(source: Source, span: tuple[int, int]) -> Iterator[Buffer]:
    """The bytes of an object from one offset to before another, in the order in which they come.

    Raises:
        ObjectChangedError: the object has another etag or length than when it was listed.
        TemporaryError: the connection was cut more often than makes sense to resume.
    """
    import obstore

    ref = source.ref
    options: GetOptions = {"range": span}
    if ref.etag:
        options["if_match"] = ref.etag
    left = span[1] - span[0]
    with asked(source.bucket, ref.uri, SourceError):
        answer = obstore.get(source.client, source.path, options=options)
        # Not every S3-compatible server heeds If-Match and Range; what it says it sent is looked at as well.
        if answer.meta["size"] != ref.size_bytes or ref.etag not in (None, answer.meta["e_tag"]):
            raise ObjectChangedError(f"{ref.uri} was overwritten after it was listed. Run again.")
        if tuple(answer.range) != span:
            raise SourceError(f"{ref.uri}: the server answered with another range of bytes than was asked for.")
    stream = answer.stream(min_chunk_size=_CHUNK_BYTES)
    while True:
        with asked(source.bucket, ref.uri, SourceError):
            chunk = next(stream, None)
        if chunk is None:
            break
        left -= len(memoryview(chunk))
        yield chunk
    if left:
        raise TemporaryError(f"{ref.uri}: the body ended {left} bytes early. Try again later.")


@dataclass(frozen=True, slots=True)
class _Download:
    source: Source
    descriptor: int
    on_bytes: OnBytes | None

    def fetch_range(self, start: int) -> None:
        """Fetch one range; obstore goes on from the last byte that came when a body is cut."""
        position = start
        end = min(start + RANGE_BYTES, self.source.ref.size_bytes)
        if position == end:
            return
        for chunk in chunks(self.source, (position, end)):
            position += self._store(chunk, position)

    def _store(self, chunk: Buffer, position: int) -> int:
        view = memoryview(chunk)
        written = 0
        while written < len(view):
            written += os.pwrite(self.descriptor, view[written:], position + written)
        if self.on_bytes is not None:
            self.on_bytes(written)
        return written
