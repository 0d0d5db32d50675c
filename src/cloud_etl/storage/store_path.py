"""An object of a store as a path of a work file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, BinaryIO

from cloud_etl.domain.work_path import ObjectStat, RemotePath
from cloud_etl.errors import ObjectMissingError

if TYPE_CHECKING:
    from pathlib import Path

    from cloud_etl.storage.object_store import ObjectStore


@dataclass(frozen=True)
class StorePath(RemotePath):
    """An object or a prefix of a store.

    Attributes:
        size_bytes: where a listing or the writer told it; None asks the store.
    """

    store: ObjectStore
    at: str
    size_bytes: int | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """Path below the root of the store."""
        return self.at

    def __str__(self) -> str:
        """The uri."""
        return self.store.uri(self.at)

    def __truediv__(self, part: str) -> StorePath:
        """A path below this one."""
        return StorePath(self.store, f"{self.at}/{part}")

    def rglob(self, pattern: str) -> Iterator[StorePath]:
        """Objects below this prefix whose names match, with their sizes, by one listing."""
        for info in self.store.list(self.at):
            if info.refused is None and fnmatchcase(info.key.rpartition("/")[2], pattern):
                yield StorePath(self.store, info.key, info.size_bytes)

    def stat(self) -> ObjectStat:
        """Size of the object.

        Raises:
            ObjectMissingError: there is none.
        """
        return ObjectStat(self.store.find(self.at).size_bytes if self.size_bytes is None else self.size_bytes)

    def is_file(self) -> bool:
        """Whether there is such an object; one that was listed is taken to be there still."""
        if self.size_bytes is not None:
            return True
        try:
            self.store.find(self.at)
        except ObjectMissingError:
            return False
        return True

    def put(self, path: Path) -> StorePath:
        """Upload a local file to this key, whole or not at all; the file stays."""
        self.store.upload(path, self.at)
        return StorePath(self.store, self.at, path.stat().st_size)

    def open(self, mode: str = "rb") -> BinaryIO:
        """A seekable reader; each read is a request for these bytes alone."""
        return self.store.reader(self.at, self.stat().st_size)
