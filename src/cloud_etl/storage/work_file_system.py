"""The store as a file system of DuckDB: it opens exactly the objects it was told of, and reads ranges of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # fsspec has no types

if TYPE_CHECKING:
    from cloud_etl.domain.work_path import RemotePath

_CLASS = re.compile(r"\[(.)\]")
# Work files are written once; DuckDB asks whether one changed since it was first opened.
_WRITTEN_AT = datetime(2000, 1, 1, tzinfo=UTC)


class WorkFileSystem(AbstractFileSystem):  # type: ignore[misc]  # as above
    """Objects under their uris. DuckDB's own extension for S3 would have to be fetched, and to be given credentials."""

    protocol = "s3"
    cachable = False

    def __init__(self) -> None:
        """Know no object yet."""
        super().__init__()
        self._paths: dict[str, RemotePath] = {}

    def know(self, paths: Iterable[RemotePath]) -> None:
        """Take in objects that queries may read."""
        self._paths |= {str(path): path for path in paths}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def glob(self, path: str, **_: Any) -> list[str]:
        """The one object that a literal pattern stands for."""
        found = _CLASS.sub(r"\1", path)
        return [found] if found in self._paths else []

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it is one of those that were told of."""
        return path in self._paths

    def info(self, path: str, **_: Any) -> dict[str, object]:
        """Name and size."""
        return {"name": path, "size": self._paths[path].stat().st_size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """The same for all."""
        return _WRITTEN_AT

    def open(self, path: str, mode: str = "rb", **_: Any) -> BinaryIO:
        """A reader by ranged requests; each thread of a query has one of its own."""
        return self._paths[path].open(mode)
