"""A bucket, or a prefix of one, as the object store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace as changed
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from cloud_etl.errors import ObjectChangedError, ObjectMissingError, SourceError, TargetError
from cloud_etl.storage.drafts import drafted
from cloud_etl.storage.keys import checked
from cloud_etl.storage.object_store import ObjectInfo, ObjectStore, OnBytes, StoredObject
from cloud_etl.storage.s3_boto import MOST_COPIED_BYTES, copy_large, delete_markers
from cloud_etl.storage.s3_client import Bucket, Tries, asked, once_more, s3_errors
from cloud_etl.storage.s3_download import Source, chunks, fetch
from cloud_etl.storage.s3_listing import list_bucket
from cloud_etl.storage.s3_ranges import RangeReader

if TYPE_CHECKING:
    from obstore import PutMode, PutResult
    from obstore.store import S3Store as Client

    from cloud_etl.domain.environment import S3Spec
    from cloud_etl.domain.files import FileRef
    from cloud_etl.storage.store_path import StorePath

_PART_BYTES = 8 << 20
_MOST_PARTS = 9_000
_DELETED_AT_ONCE = 1_000


class S3Store(ObjectStore):
    """Objects below `s3://bucket/prefix`, through obstore."""

    def __init__(self, url: str, s3: S3Spec, root: Path) -> None:
        """Store the address.

        Raises:
            SourceError: the url names no bucket.
        """
        name, _, prefix = url.removeprefix("s3://").partition("/")
        if not name:
            raise SourceError(f"store {url!r} names no bucket; write s3://bucket or s3://bucket/prefix")
        prefix = prefix.strip("/")
        self._bucket = Bucket(name, s3)
        self._prefix = f"{checked(prefix)}/" if prefix else ""
        self._root = root

    @property
    def url(self) -> str:
        """Address of the prefix, `s3://bucket/prefix`."""
        return f"s3://{self._bucket.name}/{self._prefix}".rstrip("/")

    def elsewhere(self, url: str) -> ObjectStore:
        """A store at another url with the same S3 settings."""
        return ObjectStore.open(url, self._bucket.s3, self._root)

    def local_path(self, key: str) -> None:
        """Objects in S3 are no files of this machine."""
        checked(key)

    def local_folder(self, prefix: str = "") -> None:
        """Prefixes in S3 are no folders of this machine."""
        if prefix:
            checked(prefix.rstrip("/"))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object below a folder, in pages of 1,000."""
        for info in list_bucket(self._bucket, self._client, self._folder(prefix)):
            yield changed(info, key=info.key.removeprefix(self._prefix))

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        """Sorted names of the common prefixes directly below a folder."""
        import obstore

        start = self._folder(prefix)
        with asked(self._bucket, self.uri(prefix), SourceError):
            found = obstore.list_with_delimiter(self._client, start or None)
        return tuple(sorted(name.removeprefix(start).rstrip("/") for name in found["common_prefixes"]))

    def exists(self, prefix: str) -> bool:
        """Whether there is an object of that key or below it."""
        if next(self.list(prefix), None) is not None:
            return True
        if not prefix.strip("/"):
            return False
        try:
            self.find(prefix.rstrip("/"))
        except ObjectMissingError:
            return False
        return True

    def find(self, key: str) -> ObjectInfo:
        """One object, by a HEAD request."""
        import obstore

        with asked(self._bucket, self.uri(key), SourceError):
            meta = obstore.head(self._client, self._path(key))
        return ObjectInfo(key, meta["size"], meta["e_tag"], meta["version"], meta["last_modified"])

    def verify(self, ref: FileRef) -> None:
        """Check by one request that an object still has its etag and size."""
        try:
            found = self.find(ref.key)
        except ObjectMissingError as exc:
            raise ObjectChangedError(f"{ref.uri} was deleted after it was listed. Run again.") from exc
        if found.size_bytes != ref.size_bytes or ref.etag not in (None, found.etag):
            raise ObjectChangedError(
                f"{ref.uri} was overwritten after it was listed. Run again to take its new content."
            )

    def get(self, key: str) -> StoredObject:
        """Content and etag of a small object."""
        import obstore

        with asked(self._bucket, self.uri(key), SourceError):
            found = obstore.get(self._client, self._path(key))
            return StoredObject(bytes(found.bytes()), found.meta["e_tag"] or "")

    def write(self, key: str, data: bytes, *, once: bool = False) -> str:
        """Write a small object in one request; once is the condition `If-None-Match: *`."""
        with asked(self._bucket, self.uri(key), TargetError) as tries:
            return self._put(key, data, tries, "create" if once else "overwrite")

    def replace(self, key: str, data: bytes, etag: str) -> str:
        """Write a small object on the condition `If-Match: etag`."""
        with asked(self._bucket, self.uri(key), TargetError) as tries:
            return self._put(key, data, tries, {"e_tag": etag})

    def download(self, ref: FileRef, target: Path, on_bytes: OnBytes | None = None) -> None:
        """Fetch an object in parallel ranges, each on the condition `If-Match: etag`."""
        path = self._path(ref.key)
        with drafted(target) as draft:
            fetch(Source(self._bucket, self._client, path, ref), draft, on_bytes)
            draft.replace(target)

    def upload(self, path: Path, key: str) -> str:
        """Send a file, in parallel parts where it is large; the object appears when the last part is there."""
        import obstore

        part_bytes = max(_PART_BYTES, path.stat().st_size // _MOST_PARTS)
        with s3_errors(self.uri(key), TargetError):
            return _etag(obstore.put(self._client, self._path(key), path, chunk_size=part_bytes, max_concurrency=4))

    def reader(self, key: str, size_bytes: int) -> BinaryIO:
        """A reader by ranged requests."""
        reader = RangeReader((self._bucket, self._client), self._path(key), self.uri(key), size_bytes)
        return cast("BinaryIO", reader)

    def read_range(self, ref: FileRef, start: int, end: int) -> bytes:
        """One ranged request, on the condition `If-Match: etag`."""
        return b"".join(chunks(Source(self._bucket, self._client, self._path(ref.key), ref), (start, end)))

    def copy(self, source: StorePath, key: str) -> None:
        """Copy on the server: by one request within a bucket, in parts where it is large; a local file is sent."""
        import obstore

        other, size_bytes = source.store, source.stat().st_size
        if not isinstance(other, S3Store):
            super().copy(source, key)
        elif other._bucket == self._bucket and size_bytes <= MOST_COPIED_BYTES:
            with s3_errors(self.uri(key), TargetError):
                obstore.copy(self._client, other._path(source.key), self._path(key))
        else:
            copy_large((other._bucket, other._path(source.key)), (self._bucket, self._path(key)))

    def delete(self, key: str) -> None:
        """Delete an object."""
        with asked(self._bucket, self.uri(key), TargetError) as tries:
            self._delete([self._path(key)], self.uri(key), tries)

    def delete_prefix(self, prefix: str) -> None:
        """Delete every object below a folder, a thousand a request; markers that Hadoop made for folders too."""
        if not prefix.strip("/"):
            raise TargetError(f"deleting the whole of {self.url} is refused. Nothing was deleted.")
        found = [info for info in self.list(prefix) if info.refused is None]
        paths = [self._path(info.key) for info in found]
        for first in range(0, len(paths), _DELETED_AT_ONCE):
            with asked(self._bucket, self.uri(prefix), TargetError) as tries:
                self._delete(paths[first : first + _DELETED_AT_ONCE], self.uri(prefix), tries)
        # obstore shows a marker without its slash, and would delete another key.
        if any(not info.size_bytes for info in found):
            delete_markers(self._bucket, self._folder(prefix))

    @cached_property
    def _client(self) -> Client:
        return self._bucket.connect()

    def _put(self, key: str, data: bytes, tries: Tries, mode: PutMode) -> str:
        """Write in one request, sent again where its answer was lost; its own first try is no other writer's."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        path = self._path(key)

        def put() -> str:
            return _etag(obstore.put(self._client, path, data, mode=mode, use_multipart=False))

        try:
            return once_more(self._bucket, self.uri(key), tries, put)
        except (AlreadyExistsError, PreconditionError):
            # obstore may have sent it again, too, and does not tell.
            if (etag := self._etag_of(path, data)) is None:
                raise
            return etag

    def _etag_of(self, path: str, data: bytes) -> str | None:
        """The etag of an object where it holds exactly that; None where it does not, or is not there."""
        import obstore

        try:
            found = obstore.get(self._client, path)
            return (found.meta["e_tag"] or "") if bytes(found.bytes()) == data else None
        except FileNotFoundError:
            return None

    def _delete(self, paths: Sequence[str], uri: str, tries: Tries) -> None:
        import obstore

        once_more(self._bucket, uri, tries, lambda: obstore.delete(self._client, paths))

    def _path(self, key: str) -> str:
        return self._prefix + checked(key)

    def _folder(self, prefix: str) -> str:
        prefix = prefix.rstrip("/")
        return f"{self._path(prefix)}/" if prefix else self._prefix


def _etag(result: PutResult) -> str:
    return result["e_tag"] or ""
