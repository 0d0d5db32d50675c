"""One way to objects, be they in a folder or in S3: list, read, write once, replace, download, upload."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cloud_etl.domain.files import FileRef
from cloud_etl.errors import ObjectChangedError, SourceError
from cloud_etl.storage.store_path import StorePath

if TYPE_CHECKING:
    from cloud_etl.domain.environment import S3Spec
    from cloud_etl.domain.work_path import WorkPath

_COPIES_AT_ONCE = 8
OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as a listing shows it.

    Attributes:
        key: path below the store's root, with forward slashes, exactly as stored.
        etag: entity tag; in a folder it is a hash of the content, and None until `fingerprint` computed it.
        version: version id, or None where the listing does not tell.
        modified_at: in UTC.
        refused: why the object must not be read (its key leaves the store, it is no file ...), else None.
    """

    key: str
    size_bytes: int
    etag: str | None
    version: str | None
    modified_at: datetime
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The content of a small object and the etag that `replace` wants."""

    data: bytes
    etag: str


class ObjectStore(ABC):
    """Objects below one root. Keys are exact: no escaping, no unescaping.

    Every method may be called from any thread. A passing fault (after retries) is a TemporaryError; a fault
    that stays is a SourceError when reading and a TargetError when writing.
    """

    @staticmethod
    def open(url: str, s3: S3Spec, root: Path) -> ObjectStore:
        """Give the store at a url; connects to nothing yet.

        Args:
            url: a folder (relative to root), `file:///folder` taken literally, or `s3://bucket/prefix`.
            s3: settings for s3:// urls.
            root: root of the project.

        Raises:
            SourceError: no store has such a url.
        """
        scheme, separator, rest = url.partition("://")
        if separator and scheme == "s3":
            from cloud_etl.storage.s3_store import S3Store

            return S3Store(url, s3, root)
        if separator and scheme != "file":
            raise SourceError(f"store {url!r} has the scheme {scheme}://; known are a folder, file:// and s3://")
        from cloud_etl.storage.folder_store import FolderStore

        path = Path(rest if separator else url).expanduser()
        return FolderStore(root / path, s3)

    @abstractmethod
    def elsewhere(self, url: str) -> ObjectStore:
        """A store at another url, opened with the settings of this one."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Address of the root, without a slash at its end."""

    def uri(self, key: str) -> str:
        """Full address of a key, not percent-encoded: `s3://bucket/prefix/a b.csv`, `file:///data/a b.csv`."""
        return f"{self.url}/{key}"

    @abstractmethod
    def local_path(self, key: str) -> Path | None:
        """The key's path on this machine, whether or not it exists; None where objects are not files.

        Raises:
            UnsafeKeyError: the key would leave the store.
        """

    @abstractmethod
    def local_folder(self, prefix: str = "") -> Path | None:
        """Path of a folder, or of the root, on this machine, whether or not it exists; None where there is none."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object below a folder, page by page and in no promised order; hidden ones too.

        Args:
            prefix: whole path parts, `raw-data/sales`; empty for the whole store.

        Raises:
            SourceError: the bucket is missing, access is denied, a folder cannot be read.
        """

    @abstractmethod
    def folders(self, prefix: str = "") -> tuple[str, ...]:
        """Sorted names of the folders directly below a folder; empty where there is none."""

    @abstractmethod
    def exists(self, prefix: str) -> bool:
        """Whether there is an object with that key, or a folder (in S3: at least one object below it)."""

    @abstractmethod
    def find(self, key: str) -> ObjectInfo:
        """One object with its etag.

        Raises:
            ObjectMissingError: there is no such key.
        """

    def fingerprint(self, infos: Sequence[ObjectInfo]) -> tuple[ObjectInfo, ...]:
        """The same objects with their etag; those that change while they are looked at come back refused."""
        return tuple(infos)

    def remember_fingerprints(self) -> None:
        """Keep what `fingerprint` computed for the next process; a store that needs no such help does nothing."""
        return

    @abstractmethod
    def verify(self, ref: FileRef) -> None:
        """Check that an object is still as it was listed.

        Raises:
            ObjectChangedError: it has other content by now, or is gone.
        """

    def ref(self, info: ObjectInfo) -> FileRef:
        """The reference by which the rest of the program knows an object."""
        return FileRef(self.uri(info.key), info.key, info.size_bytes, info.etag, info.version, info.modified_at)

    def read(self, key: str) -> bytes:
        """Content of a small object; errors as in `get`."""
        return self.get(key).data

    @abstractmethod
    def get(self, key: str) -> StoredObject:
        """Content and etag of a small object.

        Raises:
            ObjectMissingError: there is no such key.
        """

    @abstractmethod
    def write(self, key: str, data: bytes, *, once: bool = False) -> str:
        """Write a small object whole and give its etag; readers see the old or the new content, nothing between.

        Raises:
            ObjectExistsError: once was asked for and the key is taken; the object there is untouched.
        """

    @abstractmethod
    def replace(self, key: str, data: bytes, etag: str) -> str:
        """Write a small object if it still has that etag, and give the new one.

        Raises:
            ObjectChangedError: it has another etag or is gone; nothing was written.
        """

    @abstractmethod
    def download(self, ref: FileRef, target: Path, on_bytes: OnBytes | None = None) -> None:
        """Copy an object to a local file that appears whole or not at all.

        Args:
            ref: the object as listed; its etag and size are pinned.
            target: path of the new file; its folder is made.
            on_bytes: told the size of each piece when it is there; may be called from several threads.

        Raises:
            ObjectChangedError: the object was overwritten since it was listed; the target is not there.
            UnsafeKeyError: the key would leave the store.
        """

    @abstractmethod
    def upload(self, path: Path, key: str) -> str:
        """Copy a local file into the store, whole or not at all, and give its etag; the file stays."""

    def put_file(self, path: Path, key: str) -> None:
        """Move a local file into the store, whole or not at all; the local file is gone when this returns."""
        self.upload(path, key)
        path.unlink()

    @abstractmethod
    def reader(self, key: str, size_bytes: int) -> BinaryIO:
        """A seekable reader of an object that fetches the ranges it is asked for.

        Args:
            key: the object.
            size_bytes: its size, as listed.

        Raises:
            SourceError: there is no such object, or it may not be read; in S3 when it is first read.
        """

    def read_range(self, ref: FileRef, start: int, end: int) -> bytes:
        """Some bytes of an object as it was listed; in a folder only `verify` tells whether it still is.

        Raises:
            ObjectChangedError: the object was overwritten since it was listed.
            SourceError: the object may not be read.
        """
        with self.reader(ref.key, ref.size_bytes) as file:
            file.seek(start)
            data = file.read(end - start)
        if len(data) != end - start:
            raise ObjectChangedError(f"{ref.uri} was overwritten after it was listed. Run again.")
        return data

    def copy(self, source: StorePath, key: str) -> None:
        """Copy an object of this or another store to a key, whole or not at all; on the server where both are in S3.

        Raises:
            ObjectMissingError: there is no such object.
        """
        path = source.store.local_path(source.key)
        if path is not None and path.is_file():
            self.upload(path, key)
            return
        with tempfile.TemporaryDirectory(prefix="cloud-etl-copy-") as folder:
            fetched = Path(folder) / "object"
            source.store.download(source.store.ref(source.store.find(source.key)), fetched)
            self.put_file(fetched, key)

    def take(self, path: WorkPath, key: str) -> None:
        """Bring a work file to a key: moved where it is local, copied on the server where it is in the store."""
        if isinstance(path, Path):
            self.put_file(path, key)
            return
        assert isinstance(path, StorePath)
        self.copy(path, key)

    def take_all(self, moves: Sequence[tuple[WorkPath, str]]) -> None:
        """`take` for many work files; those in the store are copied several at once."""
        if all(isinstance(path, Path) for path, _ in moves):
            for path, key in moves:
                self.take(path, key)
            return
        with ThreadPoolExecutor(_COPIES_AT_ONCE, thread_name_prefix="copies") as pool:
            for _ in pool.map(lambda move: self.take(*move), moves):
                pass

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is fine."""

    @abstractmethod
    def delete_prefix(self, prefix: str) -> None:
        """Delete every object below a folder; the root itself is refused with a TargetError."""
