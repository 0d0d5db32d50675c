"""A frame whose rows are marked with their fate instead of being dropped, and its one write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cloud_etl.domain.ledger import Status, StepCount
from cloud_etl.domain.schema import ROW_ID

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import Column, DataFrame

FATE = "_fate"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_PARTITION = "_partition_"


@dataclass(frozen=True, slots=True)
class Fate:
    """Why a row leaves the frame: the step or check that marked it, the status and the reason."""

    step: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One Parquet file of a written frame; fate is None for accepted rows."""

    path: Path
    rows: int
    fate: Fate | None
    partition: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """A marked frame on disk; every count comes from the Parquet footers."""

    files: tuple[WrittenFile, ...]
    steps: tuple[StepCount, ...]

    @property
    def accepted(self) -> tuple[WrittenFile, ...]:
        """Files of the rows that no step took out."""
        return tuple(file for file in self.files if file.fate is None)

    @property
    def output(self) -> int:
        """Rows that no step took out."""
        return sum(file.rows for file in self.accepted)

    def dropped(self, status: Status) -> tuple[WrittenFile, ...]:
        """Files of the rows with that fate."""
        return tuple(file for file in self.files if file.fate is not None and file.fate.status == status)


@dataclass(frozen=True, slots=True)
class MarkedFrame:
    """A DataFrame with the user's columns, _row_id (bigint, lineage) and _fate (int).

    _fate is 0 for rows that are still in, k for rows that `fates[k - 1]` took out. A row keeps its first fate.

    Attributes:
        fates: in the order in which they were added; the number of a fate is its place, from 1.
        unique_keys: column sets proven unique (and not null) among the rows still in.
    """

    frame: DataFrame
    fates: tuple[Fate, ...] = ()
    unique_keys: tuple[frozenset[str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The user's columns, without _row_id and _fate."""
        return tuple(name for name in self.frame.columns if name not in (ROW_ID, FATE))

    @property
    def alive(self) -> Column:
        """Condition that holds for the rows still in."""
        from pyspark.sql import functions as F

        return F.col(FATE) == 0

    def mark(self, condition: Column, fate: Fate) -> MarkedFrame:
        """Take the rows out for which the condition is true; null counts as not true."""
        from pyspark.sql import functions as F

        number = len(self.fates) + 1
        marked = F.when(self.alive & F.coalesce(condition, F.lit(False)), F.lit(number)).otherwise(F.col(FATE))
        return replace(self, frame=self.frame.withColumn(FATE, marked), fates=(*self.fates, fate))

    def with_frame(self, frame: DataFrame) -> MarkedFrame:
        """The same marks on a frame whose user columns changed; _row_id and _fate must still be there."""
        return replace(self, frame=frame)

    def write(self, folder: Path, partition_by: tuple[str, ...] = ()) -> Written:
        """Write every row once, below `_fate=<k>/`, and count the rows of each fate from the footers.

        Args:
            folder: must not exist.
            partition_by: columns that make folders for the accepted rows; they stay in the files as well.
        """
        from pyspark.sql import functions as F

        frame = self.frame
        for name in partition_by:
            value = F.when(self.alive, F.nullif(F.col(name).cast("string"), F.lit("")))
            frame = frame.withColumn(_PARTITION + name, F.coalesce(value, F.lit(NULL_PARTITION)))
        folders = [FATE, *(_PARTITION + name for name in partition_by)]
        frame.write.partitionBy(*folders).option("compression", "zstd").parquet(str(folder))
        return self._read_footers(folder)

    def _read_footers(self, folder: Path) -> Written:
        import pyarrow.parquet as pq

        files = []
        for path in sorted(folder.rglob("*.parquet")):
            parts = dict(part.split("=", 1) for part in path.relative_to(folder).parts[:-1])
            number = int(parts.pop(FATE))
            partition = {name.removeprefix(_PARTITION): unquote(value) for name, value in parts.items()}
            rows = pq.read_metadata(path).num_rows
            files.append(WrittenFile(path, rows, self.fates[number - 1] if number else None, partition))
        rows_by_fate: Counter[Fate] = Counter()
        for file in files:
            if file.fate is not None:
                rows_by_fate[file.fate] += file.rows
        steps = tuple(StepCount(fate.step, fate.status, fate.reason, rows_by_fate[fate]) for fate in self.fates)
        return Written(tuple(files), steps)
