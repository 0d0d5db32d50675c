"""A frame whose rows are marked with their fate instead of being dropped, and its one write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cloud_etl.domain.files import source_of
from cloud_etl.domain.ledger import Status, StepCount
from cloud_etl.domain.schema import REFUSED, ROW_ID
from cloud_etl.engines.dialect import read_files, write_files
from cloud_etl.engines.failures import Probe, engine_errors
from cloud_etl.storage.parquet_footers import footers

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.work_path import WorkPath

FATE = "_fate"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_PARTITION = "_partition_"
_SHARD = "_partition_shard"
# Folder values begin with a letter: Spark and Sail treat an empty one differently, and null must differ from ''.
_VALUE, _NULL = "v", "n"
_FILE_BYTES = 192 * 1024**2


@dataclass(frozen=True, slots=True)
class Fate:
    """Why a row leaves the frame, or was changed: the step or check that marked it, the status and the reason.

    Attributes:
        column: what it is about, where that is one column.
        demand: what was wanted of the row, for people, without row values.
    """

    step: str
    status: Status
    reason: str
    column: str | None = None
    demand: str = ""

    @property
    def keeps(self) -> bool:
        """Whether its rows stay, with a value that was changed."""
        return self.status == "cut"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One Parquet file of a written frame; fate is None for accepted rows as they came.

    Attributes:
        partition: value of each partition column as text; NULL_PARTITION where it is null.
    """

    path: WorkPath
    rows: int
    fate: Fate | None
    partition: Mapping[str, str]

    @property
    def is_accepted(self) -> bool:
        """Whether its rows are in the output."""
        return self.fate is None or self.fate.keeps


@dataclass(frozen=True, slots=True)
class Written:
    """A marked frame on disk; every count comes from the Parquet footers."""

    files: tuple[WrittenFile, ...]
    steps: tuple[StepCount, ...]

    @property
    def accepted(self) -> tuple[WrittenFile, ...]:
        """Files of the rows that no step took out."""
        return tuple(file for file in self.files if file.is_accepted)

    @property
    def output(self) -> int:
        """Rows that no step took out."""
        return sum(file.rows for file in self.accepted)

    @property
    def rows(self) -> int:
        """All rows, those taken out included."""
        return sum(file.rows for file in self.files)

    def dropped(self, status: Status) -> tuple[WrittenFile, ...]:
        """Files of the rows with that fate."""
        return tuple(file for file in self.files if file.fate is not None and file.fate.status == status)


_REAL = ("double", "float")


@dataclass(frozen=True, slots=True)
class ReadFrom:
    """Parquet files, and the frame that holds their rows and columns."""

    frame: DataFrame
    files: tuple[WorkPath, ...]


@dataclass(frozen=True, slots=True)
class MarkedFrame:
    """A DataFrame with the user's columns, _row_id (bigint, lineage) and _fate (int).

    _fate is 0 for rows that are still in, k for rows that `fates[k - 1]` took out. A row keeps its first fate.

    Attributes:
        fates: in the order in which they were added; the number of a fate is its place, from 1.
        unique_keys: column sets proven unique (and not null) among the rows still in.
        row_ids_unique: False after a step that may repeat or lose _row_id (sql, python, aggregate, fanning join).
        probes: expressions that may fail on the data, to name the one that did.
        size_bytes: bytes of the Parquet files the frame was read from; decides on the number of files written.
        read_from: what the rows were read from.
    """

    frame: DataFrame
    fates: tuple[Fate, ...] = ()
    unique_keys: tuple[frozenset[str], ...] = ()
    row_ids_unique: bool = True
    probes: tuple[Probe, ...] = ()
    size_bytes: int = 0
    read_from: ReadFrom | None = None

    @classmethod
    def of_accepted(cls, session: SparkSession, paths: Sequence[WorkPath]) -> MarkedFrame:
        """The rows of written files, all of them in; at least one file, for an engine would not miss them."""
        from pyspark.sql import functions as F

        frame = read_files(session, paths).drop(REFUSED).withColumn(FATE, F.lit(0))
        return cls(frame, size_bytes=sum(path.stat().st_size for path in paths))

    @property
    def columns(self) -> tuple[str, ...]:
        """The user's columns, without those of `marks`."""
        return tuple(name for name in self.frame.columns if name not in (ROW_ID, FATE, REFUSED))

    @property
    def marks(self) -> tuple[str, ...]:
        """The columns that every row must keep: _row_id, _fate and, behind a cast, the text that it refused."""
        return (ROW_ID, FATE, REFUSED) if REFUSED in self.frame.columns else (ROW_ID, FATE)

    @property
    def files(self) -> tuple[WorkPath, ...]:
        """Parquet files that hold these rows and columns, but for the marks; none after any other change."""
        return self.read_from.files if self.read_from is not None and self.read_from.frame is self.frame else ()

    @property
    def kept(self) -> Column:
        """Condition that holds for the rows of the output: those still in, and those that a fate left in."""
        from pyspark.sql import functions as F

        numbers = [number for number, fate in enumerate(self.fates, start=1) if fate.keeps]
        return F.col(FATE).isin([0, *numbers]) if numbers else self.alive

    @property
    def alive(self) -> Column:
        """Condition that holds for the rows still in, for use inside `when` and aggregates.

        Not for `where` or a join: an engine pushes such a filter into the marks below it, and its plan triples with
        each mark (measured on Sail: 8 marks 0.4 s, 10 marks 4 s, 12 marks 2 minutes, before a row is read).
        """
        from pyspark.sql import functions as F

        return F.col(FATE) == 0

    def still_in(self) -> DataFrame:
        """The rows still in, for an action of its own beside the write.

        Use this and not `where(alive)`: engines push a filter down into the marks, and the plan triples with each one.
        """
        from pyspark.sql import functions as F

        if not self.fates:
            return self.frame
        # No engine moves a filter past a value that depends on the row's place, and this one is never negative.
        fence = F.when(F.monotonically_increasing_id() >= 0, F.col(FATE))
        return self.frame.withColumn(FATE, fence).where(self.alive)

    def mark(self, condition: Column, fate: Fate) -> MarkedFrame:
        """Take the rows out for which the condition is true; null counts as not true.

        The condition is not evaluated for rows that are out already, so it cannot fail on them.
        """
        return self.mark_each([(condition, fate)])

    def mark_each(self, marks: Sequence[tuple[Column, Fate]]) -> MarkedFrame:
        """As `mark` for one after the other, in one expression; engines plan hundreds of single ones for seconds."""
        from pyspark.sql import functions as F

        marked = F.when(~self.alive, F.col(FATE))
        for number, (condition, _) in enumerate(marks, start=len(self.fates) + 1):
            marked = marked.when(condition, F.lit(number))
        frame = self.frame.withColumn(FATE, marked.otherwise(F.lit(0)))
        read_from = ReadFrom(frame, self.files) if self.files else None
        return replace(self, frame=frame, fates=(*self.fates, *(fate for _, fate in marks)), read_from=read_from)

    def refuse(self, condition: Column, fate: Fate, value: Column) -> MarkedFrame:
        """As `mark`, and keep the value as text: the step will put another in its place."""
        from pyspark.sql import functions as F

        marked = self.mark(condition, fate)
        earlier = F.col(REFUSED) if REFUSED in self.frame.columns else F.lit(None).cast("string")
        text = F.when(F.col(FATE) == len(marked.fates), value.cast("string")).otherwise(earlier)
        return marked.with_frame(marked.frame.withColumn(REFUSED, text))

    def with_frame(self, frame: DataFrame) -> MarkedFrame:
        """The same marks on a frame whose user columns changed; the columns of `marks` must still be there."""
        return replace(self, frame=frame)

    def changed(self, frame: DataFrame, names: Iterable[str]) -> MarkedFrame:
        """As `with_frame`, where the values of these columns are new: what was proven of them is not any more."""
        gone = frozenset(names)
        return replace(self, frame=frame, unique_keys=tuple(keys for keys in self.unique_keys if not keys & gone))

    def probing(self, label: str, value: Column) -> MarkedFrame:
        """Remember an expression over this frame that may fail on the data; it is run after a failure only."""
        from pyspark.sql import functions as F

        frame = self.frame.select(F.when(self.alive, value).alias("value"))
        return replace(self, probes=(*self.probes, Probe(label, frame)))

    def write(self, folder: WorkPath, partition_by: tuple[str, ...] = (), files: Sequence[FileRef] = ()) -> Written:
        """Write every row once, below `_fate=<k>/`, and count the rows of each fate from the footers.

        Timestamps are written in UTC without a zone, whichever of the engine's two kinds they are.

        Args:
            folder: must not exist.
            partition_by: columns that make folders for the accepted rows; they stay in the files as well.
            files: the source files, by which a message names a row.

        Raises:
            StepFailedError: an expression failed on the data; the folder may hold part of the rows.
        """
        from pyspark.sql import functions as F

        folders = {f"{_PARTITION}{place}": _folder_value(name) for place, name in enumerate(partition_by)}
        shards = round(self.size_bytes / _FILE_BYTES)
        if not partition_by and shards > 1:
            folders[_SHARD] = F.pmod(F.hash(F.col(ROW_ID)), F.lit(shards)).cast("string")
        with engine_errors("writing the rows", self.probes, lambda: self._longest(partition_by, files)):
            frame = _zoneless(self.frame)
            for name, value in folders.items():
                frame = frame.withColumn(name, F.when(self.kept, value).otherwise(F.lit(_NULL)))
            write_files(frame, folder, [FATE, *folders], many_folders=bool(partition_by))
        return self._read_footers(folder, partition_by)

    def _longest(self, names: Sequence[str], files: Sequence[FileRef]) -> str:
        """Where the longest value of these columns was read, after a failure: column, file and line, and no value."""
        from pyspark.sql import functions as F

        found = []
        with engine_errors("looking for the longest value of the partition columns"):
            rows = self.still_in()
            for name in names:
                size = F.octet_length(column(name).cast("string")).alias("size")
                top = rows.select(size, F.col(ROW_ID)).orderBy(F.desc_nulls_last("size")).limit(1).collect()
                found += [(row[0] or 0, name, row[1]) for row in top]
        size_bytes, name, row_id = max(found, key=lambda one: one[0], default=(0, "", None))
        place = f" of {source_of(row_id, files)}" if row_id is not None and files else ""
        return f": that of {name}{place} has {size_bytes} bytes" if size_bytes else ""

    def _read_footers(self, folder: WorkPath, partition_by: tuple[str, ...]) -> Written:
        files = []
        rows_by_number: Counter[int] = Counter()
        found = _data_files(folder)
        for (path, parts), metadata in zip(found, footers([path for path, _ in found]), strict=True):
            number, rows = int(parts[FATE]), metadata.num_rows
            partition = {}
            fate = self.fates[number - 1] if number else None
            if fate is None or fate.keeps:
                for place, name in enumerate(partition_by):
                    partition[name] = _from_folder(unquote(parts[f"{_PARTITION}{place}"]))
            files.append(WrittenFile(path, rows, fate, partition))
            rows_by_number[number] += rows
        steps = tuple(
            StepCount(fate.step, fate.status, fate.reason, rows_by_number[number])
            for number, fate in enumerate(self.fates, start=1)
        )
        return Written(tuple(files), steps)


def _data_files(folder: WorkPath) -> list[tuple[WorkPath, dict[str, str]]]:
    """Files below a folder with the values in their folders' names; what a task that lost left behind is none."""
    files: list[WorkPath] = sorted(folder.rglob("*.parquet"), key=str)
    below = [PurePosixPath(str(path)).relative_to(str(PurePosixPath(str(folder)))).parts[:-1] for path in files]
    return [
        (path, dict(part.split("=", 1) for part in parts))
        for path, parts in zip(files, below, strict=True)
        if all("=" in part for part in parts)
    ]


def column(name: str) -> Column:
    """The column of that exact name, whatever characters it holds."""
    from pyspark.sql import functions as F

    return F.col(quoted(name))


def quoted(name: str) -> str:
    """The name as Spark SQL takes it literally."""
    return "`" + name.replace("`", "``") + "`"


def compared(frame: DataFrame, name: str, beside: str = "") -> Column:
    """A column as keys are compared: 0.0 and -0.0 are one number, which Sail's windows, hashes and joins tell apart.

    Texts of some functions, md5 among them, are of a kind that Sail's hash does not take before they are cast.

    Args:
        frame: has the column.
        name: of the column.
        beside: type of what it is compared with; a decimal beside a double is one, which Sail would take the other way.
    """
    from pyspark.sql import functions as F

    kind = dict(frame.dtypes)[name]
    if kind == "string":
        return column(name).cast("string")
    if kind in _REAL:
        return column(name) + F.lit(0.0)
    return column(name).cast("double") if kind.startswith("decimal") and beside in _REAL else column(name)


def _folder_value(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.coalesce(F.concat(F.lit(_VALUE), column(name).cast("string")), F.lit(_NULL))


def _from_folder(value: str) -> str:
    return NULL_PARTITION if value == _NULL else value.removeprefix(_VALUE)


def _zoneless(frame: DataFrame) -> DataFrame:
    zoned = [name for name, kind in frame.dtypes if kind == "timestamp"]
    return frame.withColumns({name: column(name).cast("timestamp_ntz") for name in zoned}) if zoned else frame
