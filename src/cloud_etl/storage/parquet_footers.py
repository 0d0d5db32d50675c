"""Footers of Parquet files, of this machine or in the store: only their last bytes are read, of many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

    from cloud_etl.domain.work_path import WorkPath

# A footer in S3 is one or two requests that are all waiting.
_AT_ONCE = 16
T = TypeVar("T")


@contextmanager
def parquet_source(path: WorkPath) -> Iterator[Path | BinaryIO]:
    """What pyarrow opens a file by: its path, or a reader that fetches the ranges it is asked for."""
    if isinstance(path, Path):
        yield path
    else:
        with path.open() as reader:
            yield reader


def footer(path: WorkPath) -> FileMetaData:
    """The footer of one file."""
    import pyarrow.parquet as pq

    with parquet_source(path) as source:
        return pq.read_metadata(source)


def footers(paths: Sequence[WorkPath]) -> list[FileMetaData]:
    """The footers of files, in their order."""
    return for_each(footer, paths)


def for_each(look: Callable[[WorkPath], T], paths: Sequence[WorkPath]) -> list[T]:
    """What a look at each file gives, in their order; objects are looked at many at once."""
    if len(paths) < 2 or all(isinstance(path, Path) for path in paths):
        return [look(path) for path in paths]
    with ThreadPoolExecutor(min(_AT_ONCE, len(paths)), thread_name_prefix="footers") as pool:
        return list(pool.map(look, paths))
