"""Source objects and the batch they form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileRef:
    """One source object as it was when it was listed.

    Attributes:
        uri: full address, `file:///...` or `s3://bucket/key`.
        key: path below the store's root, with forward slashes.
        size_bytes: length of the object as stored (compressed).
        etag: entity tag of the store, or None where it has none.
        version: version id of the store, or None.
        modified_at: time of the last change, in UTC; never part of the identity.
    """

    uri: str
    key: str
    size_bytes: int
    etag: str | None
    version: str | None
    modified_at: datetime

    @property
    def identity(self) -> str:
        """The object's identity: uri, etag or version, and size; the same name with new content differs.

        In a folder the path below the store stands for the uri: a project that is moved or copied, warehouse and all,
        has loaded what it has loaded.
        """
        place = self.key if self.uri.startswith("file://") else self.uri
        return f"{place}\n{self.etag or self.version or ''}\n{self.size_bytes}"


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Some bytes of a source object; where it is read by them, they are whole lines.

    Attributes:
        start: offset of the first byte in the stored object.
        end: offset behind the last one.
        line: number of the first line in the whole file, from 1.
        position: byte offset of that line in the whole file's text.
        head_bytes: bytes at the object's beginning that tell its header; 0 where the slice itself begins there.
    """

    start: int
    end: int
    line: int = 1
    position: int = 0
    head_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A source object whose bytes can be read from a path on this machine.

    Attributes:
        slice: what of the object is at the path; all of it without.
        head: where the object's first bytes are, for a slice that lacks them.
    """

    ref: FileRef
    path: Path
    slice: FileSlice | None = None
    head: Path | None = None


def batch_id(files: Iterable[FileRef]) -> str:
    """Identify a set of files: the same files in any order give the same 32 hex digits."""
    digest = hashlib.sha256()
    for identity in sorted(file.identity for file in files):
        digest.update(identity.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]
