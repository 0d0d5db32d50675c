"""Fold many tiny Parquet files into few, row by row the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.errors import TargetError
from cloud_etl.publish.parquet_schema import footer
from cloud_etl.storage.parquet_queries import parquet_queries, query_error, text

if TYPE_CHECKING:
    from cloud_etl.domain.resources import Resources
    from cloud_etl.engines.marked_frame import WrittenFile

TINY_BYTES = 8 << 20
MOST_TINY_FILES = 32
TARGET_BYTES = 256 << 20
ROWS_PER_GROUP = 122_880


def compacted(files: Sequence[WrittenFile], folder: Path, resources: Resources) -> tuple[WrittenFile, ...]:
    """The same rows in few files, where one partition has many tiny ones; the files themselves where not.

    Args:
        files: accepted files of one partition, all with rows.
        folder: takes the new files; the old ones stay where they are.
        resources: memory and threads that may be used.

    Raises:
        TargetError: the files cannot be folded, or rows were lost on the way.
    """
    sizes = [file.path.stat().st_size for file in files]
    if len(files) <= MOST_TINY_FILES or sum(sizes) >= TINY_BYTES * len(files):
        return tuple(files)
    folder.mkdir(parents=True, exist_ok=True)
    groups = _groups(files, sizes)
    return tuple(_fold(group, folder / f"{number:05}.parquet", resources) for number, group in enumerate(groups))


def _groups(files: Sequence[WrittenFile], sizes: Sequence[int]) -> list[list[WrittenFile]]:
    groups: list[list[WrittenFile]] = [[]]
    held = 0
    for file, size in zip(files, sizes, strict=True):
        if groups[-1] and held + size > TARGET_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(file)
        held += size
    return groups


def _fold(group: list[WrittenFile], target: Path, resources: Resources) -> WrittenFile:
    try:
        with parquet_queries(resources, target.parent, keep_order=True) as queries:
            queries.rows(
                f"COPY (SELECT * FROM {queries.files([file.path for file in group])}) TO {text(target)} "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_PER_GROUP})"
            )
    except query_error() as exc:
        raise TargetError(
            f"{len(group)} small files could not be folded into {target}: {str(exc).splitlines()[0]}. "
            "Nothing was published. Run again; see that the disk has room."
        ) from exc
    rows = sum(file.rows for file in group)
    if footer(target).num_rows != rows:
        raise TargetError(f"folding {len(group)} small files into {target} changed their {rows} rows. Not published.")
    return replace(group[0], path=target, rows=rows)
