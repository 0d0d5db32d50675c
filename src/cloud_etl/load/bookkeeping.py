"""What the warehouse itself remembers of loads: a row per batch, per source file, and per pipeline its last holder."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from cloud_etl.domain.files import LoadedFiles
from cloud_etl.domain.ledger import TableCount
from cloud_etl.domain.run import LoadedBatch
from cloud_etl.domain.spec import BOOKKEEPING
from cloud_etl.errors import LeaseHeldError, TargetError
from cloud_etl.load.dialect import qualified

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import Protocol

    from cloud_etl.domain.run import LoadRequest, LoadTask
    from cloud_etl.load.dialect import Dialect

    # pipeline, uri, etag, version, size_bytes, identity, batch_id, run_id
    FileRow = tuple[str, str, str | None, str | None, int, str, str, str]

    class Rows(Protocol):
        """A connection that runs SQL with `?` for values."""

        def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
            """Run one statement and give its rows."""


LEDGER = f"{BOOKKEEPING}.etl_load_ledger"
FILES = f"{BOOKKEEPING}.etl_loaded_files"
FENCES = f"{BOOKKEEPING}.etl_fences"
TABLES = (LEDGER, FILES, FENCES)
# Files per statement: a statement with thousands of values takes long to plan, and the Redshift Data API takes few.
_AT_ONCE = 20


def ddl(dialect: Dialect) -> tuple[str, ...]:
    """Statements that make the tables where they are not there."""
    text, json_type = dialect.text_type, dialect.json_type
    return (
        f"CREATE SCHEMA IF NOT EXISTS {BOOKKEEPING}",
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (pipeline {text} NOT NULL, batch_id {text} NOT NULL, "
        f"run_id {text} NOT NULL, loaded_at TIMESTAMP NOT NULL, files BIGINT NOT NULL, tables {json_type} NOT NULL, "
        "PRIMARY KEY (pipeline, batch_id))",
        f"CREATE TABLE IF NOT EXISTS {FILES} (pipeline {text} NOT NULL, uri {text} NOT NULL, etag {text}, "
        f"version {text}, size_bytes BIGINT NOT NULL, identity {text} NOT NULL, batch_id {text} NOT NULL, "
        f"run_id {text} NOT NULL, PRIMARY KEY (pipeline, identity))",
        f"CREATE TABLE IF NOT EXISTS {FENCES} (pipeline {text} NOT NULL, fence BIGINT NOT NULL, "
        f"run_id {text} NOT NULL, claims BIGINT NOT NULL, PRIMARY KEY (pipeline))",
    )


def claim(connection: Rows, pipeline: str, fence: int, run_id: str) -> None:
    """Keep every run with a lower fence from committing a load of the pipeline from now on.

    A load calls it, too, inside its transaction: it writes the row that a later run's claim writes, so that of the two
    one is rolled back, or waits for the other and then sees it.

    Raises:
        LeaseHeldError: a later run has done so already; nothing is changed.
    """
    # The condition, and the look after it: under READ COMMITTED the row may have changed since the statement began.
    # The count: DuckDB does not write a row that stays as it is, and then two transactions do not meet.
    new = "fence = CAST(? AS BIGINT), run_id = ?, claims = claims + 1"
    update = f"UPDATE {FENCES} SET {new} WHERE pipeline = ? AND fence <= "
    connection.rows(f"{update}CAST(? AS BIGINT)", (fence, run_id, pipeline, fence))
    found = connection.rows(f"SELECT fence, run_id FROM {FENCES} WHERE pipeline = ? ORDER BY fence DESC", (pipeline,))
    if not found:
        connection.rows(f"INSERT INTO {FENCES} VALUES (?, CAST(? AS BIGINT), ?, 1)", (pipeline, fence, run_id))
    elif int(str(found[0][0])) > fence:
        raise LeaseHeldError(
            f"run {found[0][1]} has taken {pipeline} over, since the lease of run {run_id} had ended: this run was "
            "asleep, or cut off from the store. It loaded nothing more. Run again: that takes what is not loaded yet."
        )


def loading_runs(connection: Rows, pipeline: str) -> frozenset[str]:
    """The runs that loaded a batch of a pipeline."""
    found = connection.rows(f"SELECT DISTINCT run_id FROM {LEDGER} WHERE pipeline = ?", (pipeline,))
    return frozenset(str(run_id) for (run_id,) in found)


def loaded_by(connection: Rows, run_id: str) -> tuple[LoadedBatch, ...]:
    """What a run loaded, pipeline by pipeline."""
    sql = f"SELECT pipeline, batch_id, files, tables FROM {LEDGER} WHERE run_id = ? ORDER BY loaded_at"
    return tuple(
        LoadedBatch(str(pipeline), str(batch), int(str(files)), tuple(_count(one) for one in json.loads(str(tables))))
        for pipeline, batch, files, tables in connection.rows(sql, (run_id,))
    )


def loading_run(connection: Rows, pipeline: str, batch_id: str) -> str | None:
    """The run that loaded a batch, or None where it is not loaded."""
    sql = f"SELECT run_id FROM {LEDGER} WHERE pipeline = ? AND batch_id = ?"
    found = connection.rows(sql, (pipeline, batch_id))
    return str(found[0][0]) if found else None


def loaded_files(connection: Rows, pipeline: str) -> LoadedFiles:
    """What the tables of a pipeline hold of each source file."""
    found = connection.rows(f"SELECT identity FROM {FILES} WHERE pipeline = ?", (pipeline,))
    return LoadedFiles.of(str(identity) for (identity,) in found)


def evolved_columns(connection: Rows, pipeline: str, task: LoadTask) -> tuple[str, ...]:
    """Columns of a table that are there because files brought them, beyond the pipeline's contract.

    Only loads that brought one the first time say so, so that this does not grow with the number of loads.
    """
    if task.evolved is None:
        return ()
    sql = f"SELECT tables FROM {LEDGER} WHERE pipeline = ? AND strpos(tables, '\"evolved\"') > 0 ORDER BY loaded_at"
    counts = [_count(one) for (tables,) in connection.rows(sql, (pipeline,)) for one in json.loads(str(tables))]
    names = [name for one in counts if one.table.lower() == task.spec.table.lower() for name in one.evolved]
    return tuple(dict.fromkeys(names))


def _count(stored: dict[str, object]) -> TableCount:
    """The counts of a table, as `record` wrote them."""
    found = TableCount(**stored)  # type: ignore[arg-type]  # written from a TableCount
    return replace(found, evolved=tuple(found.evolved))


def _stored(count: TableCount) -> dict[str, object]:
    found = asdict(count)
    if not count.evolved:
        del found["evolved"]
    return found


def refuse_overlap(connection: Rows, request: LoadRequest) -> None:
    """Stop where the tables do not hold what they held of the files when these were listed.

    Loaded since, their rows would be in the tables twice; another content since, an older one would take its place.

    Raises:
        TargetError: names one of the files and how many there are.
    """
    loaded = loaded_files(connection, request.pipeline)
    known = [] if request.reload else [file for file in request.files if loaded.holds(file)]
    doubled = known or [file for file in request.files if loaded.next(file) != file]
    if doubled:
        more = _more(doubled)
        what = "which another batch loaded already"
        if not loaded.holds(doubled[0]):
            what = "of which another batch loaded another content since it was listed"
        raise TargetError(
            f"batch {request.batch_id} of {request.pipeline} holds {doubled[0].uri}{more}, {what}. "
            "Nothing was loaded. Run again: the next run takes only files that are not loaded yet."
        )
    if request.reload:
        _refuse_reload(connection, request, loaded)


def _refuse_reload(connection: Rows, request: LoadRequest, loaded: LoadedFiles) -> None:
    """Stop where the tables hold rows that the files of the batch do not bring again.

    Raises:
        TargetError: says what is there beside.
    """
    anew = [task.spec for task in request.tasks if task.starts_anew]
    if not anew:
        return
    if beyond := loaded.beyond(request.files):
        raise TargetError(
            f"{request.pipeline} cannot be reloaded from these files: {beyond[0]}{_more(beyond)} was loaded and is not "
            "among them. Nothing was loaded. Run again."
        )
    if any(spec.mode == "append" for spec in anew):
        found = connection.rows(
            f"SELECT uri, etag, version, size_bytes FROM {FILES} WHERE pipeline = ?", (request.pipeline,)
        )
        contents: dict[object, set[tuple[object, ...]]] = {}
        for uri, *content in found:
            contents.setdefault(uri, set()).add(tuple(content))
        if gone := sorted(str(uri) for uri, held in contents.items() if len(held) > 1):
            raise TargetError(
                f"{request.pipeline} cannot be reloaded: {gone[0]}{_more(gone)} had another content before, whose rows "
                "were appended and cannot be read again. Nothing was loaded. Load into a new table by a pipeline of "
                "another name."
            )
    last = _last_counts(connection, request.pipeline)
    for spec in anew:
        expected = last.get(spec.table.lower())
        if expected is None:
            continue
        [(rows,)] = connection.rows(f"SELECT count(*) FROM {qualified(spec.table.lower())}")
        if int(str(rows)) != expected:
            raise TargetError(
                f"{spec.table} holds {rows} rows, and the last load left {expected}: somebody else writes to it, and a "
                "reload would remove what they wrote. Nothing was loaded. Move their rows to another table, then run "
                "again."
            )


def _last_counts(connection: Rows, pipeline: str) -> dict[str, int]:
    """Rows of each table after the last load of the pipeline."""
    sql = f"SELECT tables FROM {LEDGER} WHERE pipeline = ? ORDER BY loaded_at"
    counts = (_count(one) for (tables,) in connection.rows(sql, (pipeline,)) for one in json.loads(str(tables)))
    return {count.table.lower(): count.rows_after for count in counts}


def _more(names: Sequence[object]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def record(
    connection: Rows,
    request: LoadRequest,
    tables: tuple[TableCount, ...],
    loaded_at: datetime,
    insert_files: Callable[[Sequence[FileRow]], None] | None = None,
) -> None:
    """Write the ledger row and the file rows of a load, inside its transaction.

    Args:
        connection: writes them.
        request: what was loaded.
        tables: what the load did to each table.
        loaded_at: in UTC, without a zone.
        insert_files: the warehouse's own way to insert many rows into FILES; statements with VALUES without.

    Raises:
        LeaseHeldError: a later run has taken the pipeline over.
    """
    claim(connection, request.pipeline, request.fence, request.run_id)
    counts = json.dumps([_stored(table) for table in tables])
    ledger_row = (request.pipeline, request.batch_id, request.run_id, loaded_at, len(request.files), counts)
    # Casts, because the Redshift Data API sends every value as text.
    places = "?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?"
    connection.rows(f"INSERT INTO {LEDGER} VALUES ({places})", ledger_row)
    rows = [
        (
            request.pipeline, file.uri, file.etag, file.version, file.size_bytes, file.identity, request.batch_id,
            request.run_id,
        )
        for file in request.files
    ]  # fmt: skip
    if insert_files is not None:
        insert_files(rows)
        return
    for first in range(0, len(rows), _AT_ONCE):
        some = rows[first : first + _AT_ONCE]
        places = ", ".join(["(?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?)"] * len(some))
        connection.rows(f"INSERT INTO {FILES} VALUES {places}", [value for row in some for value in row])
