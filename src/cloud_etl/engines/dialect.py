"""Which PySpark a session speaks: the API of its functions, and how its engine reads a path.

The functions of `pyspark.sql.functions` build expressions for a JVM of this process (classic) or for a server
(Connect), told by a variable of the process. So a process may hold sessions of both kinds and uses one at a time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyspark.sql import Column, DataFrame, SparkSession

    from cloud_etl.domain.work_path import WorkPath

_CONNECT = "SPARK_CONNECT_MODE_ENABLED"
_sail_sessions: WeakSet[SparkSession] = WeakSet()
_open_sessions: WeakSet[SparkSession] = WeakSet()


def speak_connect() -> None:
    """From here on functions build expressions for a session with a server."""
    os.environ[_CONNECT] = "1"


def speak_classic() -> None:
    """From here on functions build expressions for a session with a JVM of this process."""
    os.environ.pop(_CONNECT, None)


def spoken() -> str | None:
    """For which kind of session functions build expressions now; for `speak_again`."""
    return os.environ.get(_CONNECT)


def speak_again(spoken_before: str | None) -> None:
    """From here on functions build expressions as they did before, in this process and in those that it starts."""
    if spoken_before is None:
        speak_classic()
    else:
        speak_connect()


def speak_to(session: SparkSession) -> None:
    """From here on functions build expressions for this session."""
    if is_connect(session):
        speak_connect()
    else:
        speak_classic()


def is_connect(session: SparkSession) -> bool:
    """Whether a session talks to a server."""
    return type(session).__module__.startswith("pyspark.sql.connect")


def remember_sail(session: SparkSession) -> None:
    """Note that the engine behind a session is Sail; all others are Spark."""
    _sail_sessions.add(session)


def is_sail(session: SparkSession) -> bool:
    """Whether the engine behind a session is Sail."""
    return session in _sail_sessions


def open_for_reading(session: SparkSession) -> None:
    """Let the expressions and queries of a session read files and tables beside their rows."""
    _open_sessions.add(session)


def is_open(session: SparkSession) -> bool:
    """Whether expressions and queries may read files and tables beside their rows."""
    return session in _open_sessions


def read_files(session: SparkSession, paths: Iterable[WorkPath], columns: str | None = None) -> DataFrame:
    """Rows of Parquet files, or of a folder of them, whatever characters their paths hold; at least one path.

    Args:
        session: the engine's.
        paths: the files.
        columns: their names and types as DDL, where not every file has them all; a file's own without.
    """
    # Without the option Spark takes [x] and {x} for a pattern; Sail does so in every path but a whole URI.
    reader = session.read.option("__globPaths__", "false")
    if columns is not None:
        reader = reader.schema(columns)
    return reader.parquet(*(_address(session, path) for path in paths))


def write_files(
    frame: DataFrame, folder: WorkPath, partition_by: Sequence[str] = (), *, many_folders: bool = False
) -> None:
    """Write a frame as Parquet below a folder, which must not exist.

    Args:
        frame: the rows.
        folder: takes the files.
        partition_by: columns that make folders and are left out of the files.
        many_folders: whether they make more than a few, each with an open file.
    """
    session, writer = frame.sparkSession, frame.write.partitionBy(*partition_by)
    if is_sail(session):
        if any(word in kind for _, kind in frame.dtypes for word in ("double", "float")):
            # Its bounds leave NaN out, and whoever reads them takes the whole file for the one value, or passes it by.
            writer = writer.option("statisticsEnabled", "none")
        if many_folders:
            # Buffers for parallel columns cost 3 MB per open file.
            writer = writer.option("allowSingleFileParallelism", "false")
    writer.parquet(_address(session, folder))


def _address(session: SparkSession, path: WorkPath) -> str:
    if not isinstance(path, Path):
        # Hadoop's client for S3 is known by this name alone.
        return str(path) if is_sail(session) else str(path).replace("s3://", "s3a://", 1)
    return path.absolute().as_uri() if is_sail(session) else f"file://{path.absolute()}"


def rounded(session: SparkSession, value: Column, target: str) -> Column:
    """A double as a decimal, NULL where it does not fit: rounded by the digits that it is written with."""
    from pyspark.sql import functions as F

    from cloud_etl.engines.sql.decimals import DIGITS, LEAST_WRITTEN, MOST_WRITTEN

    plain = value.try_cast(target)
    if not is_sail(session):
        return plain
    written = (F.abs(value) >= LEAST_WRITTEN) & (F.abs(value) < MOST_WRITTEN)
    return F.when(written, value.cast("string").cast(DIGITS).try_cast(target)).otherwise(plain)


def gathered(frame: DataFrame, name: str) -> DataFrame:
    """The rows, on Spark with all of one value in one task, for counting values of which most occur once.

    Spark would count them in every task first, in maps that hold as many values as rows, and then in few large maps:
    its planner goes by the bytes that are sent, and these are few. Sail is fast by itself.
    """
    session = frame.sparkSession
    if is_sail(session):
        return frame
    return frame.repartition(int(str(session.conf.get("spark.sql.shuffle.partitions"))), name)
