"""Source objects and the batch they form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from cloud_etl.domain.schema import LINE_BITS


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
        generation: how many contents were loaded under this name before it.
        folder: what of a dated source folder stands above a store of its own, with a slash at its end; else empty.
    """

    uri: str
    key: str
    size_bytes: int
    etag: str | None
    version: str | None
    modified_at: datetime
    generation: int = 0
    folder: str = ""

    @property
    def place(self) -> str:
        """The object's name whatever it holds.

        In a folder the path below the store stands for the uri: a project that is moved or copied, warehouse and all,
        has loaded what it has loaded.
        """
        return f"{self.folder}{self.key}" if self.uri.startswith("file://") else self.uri

    @property
    def content(self) -> str:
        """What it holds: etag or version, and size."""
        return f"{self.etag or self.version or ''}\n{self.size_bytes}"

    @property
    def identity(self) -> str:
        """Name, content and generation: a content that comes back after another one is another load."""
        return f"{self.place}\n{self.content}" + (f"\n{self.generation}" if self.generation else "")


def source_of(row_id: int, files: Sequence[FileRef]) -> str:
    """File and line of a row in words, from its `_row_id`."""
    index, line = row_id >> LINE_BITS, row_id & ((1 << LINE_BITS) - 1)
    return f"{files[index].key} line {line}" if index < len(files) else f"row {row_id}"


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


@dataclass(frozen=True, slots=True)
class LoadedFiles:
    """The content that was loaded last under each name: what the tables hold of it now, not what they ever held.

    Attributes:
        last: by place the highest generation and its contents, one of them.
    """

    last: Mapping[str, tuple[int, frozenset[str]]]

    @classmethod
    def of(cls, identities: Iterable[str]) -> Self:
        """From the identities of loaded files in any order."""
        last: dict[str, tuple[int, frozenset[str]]] = {}
        for identity in identities:
            place, etag, size, *more = identity.split("\n")
            generation, contents = int(more[0]) if more else 0, frozenset((f"{etag}\n{size}",))
            highest, known = last.get(place, (-1, frozenset()))
            if generation >= highest:
                last[place] = (generation, contents | known if generation == highest else contents)
        return cls(last)

    @property
    def identities(self) -> frozenset[str]:
        """Identities of the contents loaded last."""
        return frozenset(
            f"{place}\n{content}" + (f"\n{generation}" if generation else "")
            for place, (generation, contents) in self.last.items()
            for content in contents
        )

    def holds(self, ref: FileRef) -> bool:
        """Whether the tables hold this very content of the file."""
        return ref.content in self.last.get(ref.place, (0, frozenset()))[1]

    def beyond(self, files: Iterable[FileRef]) -> tuple[str, ...]:
        """Names of which the tables hold another content than these files, or that are not among them."""
        given = {(file.place, file.content) for file in files}
        return tuple(
            sorted(
                place
                for place, (_, contents) in self.last.items()
                if not any((place, content) in given for content in contents)
            )
        )

    def next(self, ref: FileRef) -> FileRef:
        """The file as the content that comes after those that are loaded."""
        highest, _ = self.last.get(ref.place, (-1, frozenset()))
        return replace(ref, generation=highest + 1)


def batch_id(files: Iterable[FileRef]) -> str:
    """Identify a set of files: the same files in any order give the same 32 hex digits."""
    digest = hashlib.sha256()
    for identity in sorted(file.identity for file in files):
        digest.update(identity.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]
