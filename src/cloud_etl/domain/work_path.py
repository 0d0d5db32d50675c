"""Where a bulky file of a run lies: on this machine, or in the object store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a RemotePath tells of its object; named as in os.stat_result."""

    st_size: int


class RemotePath(ABC):
    """An object, or a prefix of objects, with as much of pathlib.Path as work files need; `str` gives its uri."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Path below the root of its store."""

    @property
    def name(self) -> str:
        """Last part of the key."""
        return PurePosixPath(self.key).name

    @abstractmethod
    def __truediv__(self, part: str) -> RemotePath:
        """A path below this one."""

    @abstractmethod
    def rglob(self, pattern: str) -> Iterator[RemotePath]:
        """Objects below this prefix whose names match, with their sizes, by one listing."""

    @abstractmethod
    def stat(self) -> ObjectStat:
        """Size of the object; asked of the store where the listing did not tell it."""

    @abstractmethod
    def is_file(self) -> bool:
        """Whether there is such an object."""

    @abstractmethod
    def open(self, mode: str = "rb") -> BinaryIO:
        """A seekable reader; each read is a request for these bytes alone."""

    @abstractmethod
    def put(self, path: Path) -> RemotePath:
        """Upload a local file to this key, whole or not at all; the file stays."""

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: B027 - a store has no folders
        """Nothing: prefixes need not be made."""


WorkPath = Path | RemotePath
