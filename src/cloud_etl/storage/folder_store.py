"""A folder as the object store."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cloud_etl.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceError,
    TargetError,
    UnsafeKeyError,
)
from cloud_etl.storage.drafts import drafted, sync, target_errors, write_synced
from cloud_etl.storage.fingerprints import Fingerprints
from cloud_etl.storage.folder_listing import HOME, look, scan
from cloud_etl.storage.keys import checked
from cloud_etl.storage.lock import locked
from cloud_etl.storage.object_store import ObjectInfo, ObjectStore, OnBytes, StoredObject

if TYPE_CHECKING:
    from cloud_etl.domain.environment import S3Spec
    from cloud_etl.domain.files import FileRef

_COPY_BYTES = 1 << 20
_THREADED_BYTES = 1 << 18


class FolderStore(ObjectStore):
    """Objects are files below a root; etags are hashes of the content.

    Not built on obstore's LocalStore: that one hides files whose names end in `#1`, cannot replace conditionally,
    follows links out of its root, and has time-based etags (docs/adr/0003).
    """

    def __init__(self, root: Path, s3: S3Spec, home: Path | None = None) -> None:
        """Store the root; home is where hashes are kept, below the root without."""
        self._root = root.resolve()
        self._s3 = s3
        self._home = home or self._root / HOME
        self._fingerprints = Fingerprints(self._home / "fingerprints.json")

    @property
    def url(self) -> str:
        """Address of the folder, `file:///data/store`."""
        return f"file://{str(self._root).rstrip('/')}"

    def elsewhere(self, url: str) -> ObjectStore:
        """A store at another url; hashes of foreign folders are kept in this one, which is ours to write to."""
        other = ObjectStore.open(url, self._s3, self._root)
        return FolderStore(other._root, self._s3, self._home) if isinstance(other, FolderStore) else other

    def local_path(self, key: str) -> Path:
        """The file's path, whether or not it exists."""
        path = self._root / checked(key)
        if not self._stays_inside(path):
            raise UnsafeKeyError(
                f"key {key!r} is refused: it is, or goes through, a symbolic link that leaves {self.url}. "
                "Nothing was read or written. Name the folder it points to as a file:// url of its own."
            )
        return path

    def local_folder(self, prefix: str = "") -> Path:
        """The folder's path, whether or not it exists."""
        return self.local_path(prefix.rstrip("/")) if prefix.strip("/") else self._root

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every file below a folder; links that leave the store, pipes and odd names come refused."""
        with self._reading(start := self.local_folder(prefix)):
            yield from scan(self._root, start)

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        """Sorted names of the folders directly below a folder."""
        with self._reading(start := self.local_folder(prefix)):
            try:
                with os.scandir(start) as entries:
                    return tuple(sorted(entry.name for entry in entries if entry.is_dir() and entry.name != HOME))
            except (FileNotFoundError, NotADirectoryError):
                return ()

    def exists(self, prefix: str) -> bool:
        """Whether there is a file or a folder of that name."""
        return self.local_folder(prefix).exists()

    def find(self, key: str) -> ObjectInfo:
        """One file with the hash of its content."""
        path = self.local_path(key)
        with self._reading(path):
            info = look(self._root, path, self._root) if path.is_file() else None
        if info is None:
            raise ObjectMissingError(f"{self.uri(key)} does not exist.")
        return self._with_etag(info)

    def fingerprint(self, infos: Sequence[ObjectInfo]) -> tuple[ObjectInfo, ...]:
        """The same files with the hash of their content; hashing a large one leaves the interpreter lock to others."""
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            # Small ones would pay more for the change of threads than for their hash.
            large = {
                info.key: pool.submit(self._with_etag, info) for info in infos if info.size_bytes >= _THREADED_BYTES
            }
            return tuple(large[info.key].result() if info.key in large else self._with_etag(info) for info in infos)

    def remember_fingerprints(self) -> None:
        """Keep the hashes, so that unchanged files are not read again by the next run."""
        self._fingerprints.save()

    def verify(self, ref: FileRef) -> None:
        """Check that a file has the content it was listed with; its time does not matter."""
        path = self.local_path(ref.key)
        with self._reading(path):
            try:
                _compare(ref, *self._fingerprints.etag(path))
            except FileNotFoundError as exc:
                raise ObjectChangedError(f"{ref.uri} was deleted after it was listed. Run again.") from exc

    def get(self, key: str) -> StoredObject:
        """Content and hash of a small file."""
        path = self.local_path(key)
        with self._reading(path):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
                raise ObjectMissingError(f"{self.uri(key)} does not exist.") from exc
        return StoredObject(data, _etag(data))

    def write(self, key: str, data: bytes, *, once: bool = False) -> str:
        """Write a small file whole, on disk when this returns."""
        path = self.local_path(key)
        with drafted(path) as draft:
            write_synced(draft, data)
            if not once:
                draft.replace(path)
                return _etag(data)
            with self._locked():
                if os.path.lexists(path):
                    raise ObjectExistsError(f"{self.uri(key)} is written once and already there. It is untouched.")
                draft.replace(path)
        return _etag(data)

    def replace(self, key: str, data: bytes, etag: str) -> str:
        """Write a small file if its content still has that hash; writers of one store take turns by a lock."""
        path = self.local_path(key)
        with drafted(path) as draft, self._locked():
            try:
                found = _etag(path.read_bytes())
            except FileNotFoundError:
                found = "nothing"
            if found != etag:
                raise ObjectChangedError(f"{self.uri(key)} was changed by another process. It was not overwritten.")
            write_synced(draft, data)
            draft.replace(path)
        return _etag(data)

    def download(self, ref: FileRef, target: Path, on_bytes: OnBytes | None = None) -> None:
        """Copy a file and check that the copy has the content that was listed."""
        source = self.local_path(ref.key)
        with self._reading(source):
            data = source.open("rb")
        with data, drafted(target) as draft:
            with draft.open("wb") as copy:
                shutil.copyfileobj(data, copy, _COPY_BYTES)
            _compare(ref, *Fingerprints(None).etag(draft))
            draft.replace(target)
        if on_bytes is not None:
            on_bytes(ref.size_bytes)

    def upload(self, path: Path, key: str) -> str:
        """Copy a local file into the folder."""
        target = self.local_path(key)
        with drafted(target) as draft:
            shutil.copyfile(path, draft)
            sync(draft)
            etag, _ = Fingerprints(None).etag(draft)
            draft.replace(target)
        return etag

    def put_file(self, path: Path, key: str) -> None:
        """Move a local file into the folder: a rename, or a copy and a rename across file systems."""
        target = self.local_path(key)
        with drafted(target) as draft:
            # Data reaches the disk before the manifest that names it does.
            sync(path)
            # Hadoop gives files a mode of its own.
            path.chmod(0o600)
            try:
                path.replace(target)
                return
            except OSError as exc:
                if exc.errno != errno.EXDEV:
                    raise
            shutil.copyfile(path, draft)
            sync(draft)
            draft.replace(target)
        path.unlink()

    def reader(self, key: str, size_bytes: int) -> BinaryIO:
        """The file, open."""
        path = self.local_path(key)
        with self._reading(path):
            return path.open("rb")

    def delete(self, key: str) -> None:
        """Delete a file."""
        path = self.local_path(key)
        with target_errors(path):
            path.unlink(missing_ok=True)

    def delete_prefix(self, prefix: str) -> None:
        """Delete a folder with all that is in it."""
        if not prefix.strip("/"):
            raise TargetError(f"deleting the whole of {self.url} is refused. Nothing was deleted.")
        path = self.local_path(prefix.rstrip("/"))
        with target_errors(path), suppress(FileNotFoundError):
            if path.is_dir():
                shutil.rmtree(path)

    def _stays_inside(self, path: Path) -> bool:
        """Whether a path is below the root; a link could point anywhere, so the parts that exist decide.

        Where no part is a link there is nothing to resolve, which would take three times as long.
        """
        below = str(self._root)
        for part in path.relative_to(self._root).parts:
            below = f"{below}/{part}"
            if os.path.islink(below):  # noqa: PTH114 - without a Path for each part of each of ten thousand files
                return path.resolve().is_relative_to(self._root)
        return True

    def _with_etag(self, info: ObjectInfo) -> ObjectInfo:
        if info.refused is not None:
            return info
        path = self.local_path(info.key)
        with self._reading(path):
            try:
                etag, size_bytes = self._fingerprints.etag(path)
            except (ObjectChangedError, FileNotFoundError):
                return changed(info, refused="changed while it was looked at; the next run takes it")
        return changed(info, etag=etag, size_bytes=size_bytes)

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._root / HOME / "lock")

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            hint = " Give this user the right to read it." if exc.errno == errno.EACCES else ""
            raise SourceError(f"{path} could not be read: {exc.strerror or exc}.{hint}") from exc


def _compare(ref: FileRef, etag: str, size_bytes: int) -> None:
    if size_bytes != ref.size_bytes or ref.etag not in (None, etag):
        raise ObjectChangedError(f"{ref.uri} was overwritten after it was listed. Run again to take its new content.")


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
