"""What a worker does with a task: rows of text in, one Parquet file of rows and one of rejects out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.run import RunContext
from cloud_etl.domain.schema import LINE_BITS, ROW_ID
from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.pieces import FilePlace
from cloud_etl.extract.reader.reject_table import write_rejects
from cloud_etl.extract.reader.streams import Encoding
from cloud_etl.extract.reader.text_rows import FileRejects, TextRows
from cloud_etl.extract.reader.typed import Caster, rejects_of
from cloud_etl.storage.memory_databases import memory_database

_ROW_GROUP_ROWS = 131_072
_SAMPLE_ROWS = 5_000


class Task(Protocol):
    """Some records, ready to become rows in a worker."""

    def rows(self) -> tuple[TextRows | None, list[FileRejects]]:
        """The rows as text, and the records that were refused on the way."""

    def files(self) -> Mapping[int, tuple[FilePlace, Encoding]]:
        """The files the records come from, by index."""


@dataclass(frozen=True, slots=True)
class Part:
    """What became of a task.

    Attributes:
        staged: Parquet of the accepted rows, or None where there are none.
        rejects: Parquet of the refused records, or None.
        files: indexes of the files whose records are in them.
        refused: how many records of a file, by its index, were refused with a code.
    """

    staged: Path | None
    rejects: Path | None
    files: tuple[int, ...]
    refused: Mapping[tuple[int, RejectCode], int]


@dataclass(frozen=True)
class Stager:
    """Casts and writes tasks; one for each worker thread, with its own in-memory DuckDB."""

    run: RunContext
    folder: Path
    caster: Caster

    @classmethod
    @contextmanager
    def opened(cls, contract: Mapping[str, ColumnSpec], run: RunContext, folder: Path) -> Iterator[Self]:
        """One whose connection has one thread and never touches the disk."""
        limit = f"{run.resources.caster_bytes}B"
        settings: dict[str, str | bool | int] = {"threads": 1, "memory_limit": limit, "temp_directory": ""}
        with memory_database(settings) as connection:
            yield cls(run, folder, Caster(contract, connection))

    def stage(self, number: int, task: Task) -> Part:
        """Write the rows and the rejects of one task."""
        rows, rejects = task.rows()
        files = task.files()
        staged = None
        if rows is not None and len(rows.origins.lines):
            table, faults = self.caster.cast(rows)
            ids = (rows.origins.files << LINE_BITS) | rows.origins.lines
            table = table.append_column(ROW_ID, pa.array(ids))
            if faults:
                keep = np.delete(np.arange(len(ids)), [fault.row for fault in faults])
                table = table.take(pa.array(keep))
                rejects = [
                    *rejects,
                    *(FileRejects(*files[index], items) for index, items in rejects_of(faults, rows).items()),
                ]
            if table.num_rows:
                staged = self.folder / "staged" / f"part-{number:06d}.parquet"
                write_staged(staged, table)
        path = self.folder / "rejects" / f"reader-{number:06d}.parquet"
        refused = Counter((group.file.index, reject.code) for group in rejects for reject in group.rejects)
        write_rejects(path, rejects, self.run)
        return Part(staged, path if refused else None, tuple(files), refused)


def write_staged(path: Path, table: pa.Table) -> None:
    """Write rows: lz4 (they live as long as the run), dictionaries only where values repeat, row ids as differences.

    Every row is read once and none is sought, so no statistics are kept.
    """
    repeating = [name for name in table.column_names if name != ROW_ID and _repeats(table.column(name))]
    pq.write_table(
        table, path, compression="lz4", row_group_size=_ROW_GROUP_ROWS, use_dictionary=repeating or False,
        column_encoding={ROW_ID: "DELTA_BINARY_PACKED"}, write_statistics=False, store_decimal_as_integer=True,
    )  # fmt: skip


def _repeats(column: pa.ChunkedArray) -> bool:
    if pa.types.is_boolean(column.type):
        return False
    sample = column.slice(0, _SAMPLE_ROWS)
    distinct: int = pc.count_distinct(sample).as_py()
    return distinct * 2 < len(sample)


def file_numbers(staged: Sequence[Path]) -> dict[int, int]:
    """Rows of each file in staged Parquet, by the file index in the row ids."""
    counts: dict[int, int] = {}
    for path in staged:
        ids = pq.read_table(path, columns=[ROW_ID]).column(ROW_ID).to_numpy()
        found, rows = np.unique(ids >> LINE_BITS, return_counts=True)
        for index, count in zip(found.tolist(), rows.tolist(), strict=True):
            counts[index] = counts.get(index, 0) + count
    return counts
