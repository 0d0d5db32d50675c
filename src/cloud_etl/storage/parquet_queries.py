"""SQL over Parquet files that are already written, by a DuckDB in memory: bounded memory, no state, nothing printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.errors import EngineError
from cloud_etl.storage.memory_databases import memory_database

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from cloud_etl.domain.resources import Resources
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.storage.work_file_system import WorkFileSystem

_MOST_BYTES = 512 << 20


class ParquetQueries:
    """Runs queries over Parquet files whose answers are small."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        """Store the connection."""
        self._connection = connection
        self._ranges: WorkFileSystem | None = None

    def files(self, paths: Sequence[WorkPath], file_column: str | None = None) -> str:
        """A table function over exactly these files, on this machine or in the store; as `read_parquet`."""
        remote = [path for path in paths if not isinstance(path, Path)]
        if remote:
            if self._ranges is None:
                from cloud_etl.storage.work_file_system import WorkFileSystem

                self._ranges = WorkFileSystem()
                self._connection.register_filesystem(self._ranges)
            self._ranges.know(remote)
        return read_parquet(paths, file_column)

    def forget(self) -> None:
        """Let go of the objects in the store."""
        if self._ranges is not None:
            self._connection.unregister_filesystem(self._ranges.protocol)
            self._ranges = None

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Rows of a query; for a COPY, how many it wrote."""
        found: list[tuple[object, ...]] = self._connection.execute(sql, list(parameters)).fetchall()
        return found


@contextmanager
def parquet_queries(
    resources: Resources, scratch: Path | None = None, *, keep_order: bool = False
) -> Iterator[ParquetQueries]:
    """Open DuckDB in memory for the length of a block.

    Args:
        resources: its threads, and a share of the memory, 512 MB at most.
        scratch: folder into which it may spill; without, a query that needs more memory fails.
        keep_order: rows come out in the order of files and rows, which takes more memory.

    Raises:
        EngineError: a query needs more memory, or more room to spill, than it may have.
    """
    import duckdb

    settings: dict[str, str | bool | int] = {
        "memory_limit": f"{min(_MOST_BYTES, resources.query_bytes)}B",
        "threads": resources.cores,
        "preserve_insertion_order": keep_order,
        **({} if scratch else {"temp_directory": ""}),
    }
    with memory_database(settings, spill=scratch) as connection, interrupts.stoppable(connection.interrupt):
        queries = ParquetQueries(connection)
        try:
            yield queries
            queries.forget()
        except duckdb.OutOfMemoryException as exc:
            raise EngineError(
                f"SQL over the written rows stopped: {str(exc).splitlines()[0]}. Nothing was loaded. "
                "Raise engine.memory, and see that the scratch folder has room to spill."
            ) from exc


def query_error() -> type[Exception]:
    """What a query raises, for `except`; a function, so that this module is imported without DuckDB."""
    import duckdb

    return duckdb.Error


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    """A value as a text constant."""
    return "'" + str(value).replace("'", "''") + "'"


def read_parquet(paths: Sequence[WorkPath], file_column: str | None = None) -> str:
    """A table function over exactly these files; folder names are no columns, `*` in a path is no pattern.

    Args:
        paths: the files; those in a store must be known to the connection (`ParquetQueries.files`).
        file_column: name of a column more that holds each row's path.
    """
    named = f", filename = {text(file_column)}" if file_column else ""
    return f"read_parquet([{', '.join(text(_literal_path(path)) for path in paths)}], hive_partitioning = false{named})"


def _literal_path(path: WorkPath) -> str:
    # DuckDB takes a path for a pattern; a class of one character stands for itself.
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path))
