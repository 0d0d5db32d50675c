"""What the warehouse itself remembers of loads: one ledger row per batch, one row per source file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from cloud_etl.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Protocol

    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadRequest
    from cloud_etl.load.dialect import Dialect

    class Rows(Protocol):
        """A connection that runs SQL with `?` for values."""

        def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
            """Run one statement and give its rows."""


SCHEMA = "cloud_etl"
LEDGER = f"{SCHEMA}.etl_load_ledger"
FILES = f"{SCHEMA}.etl_loaded_files"
# Files per statement: a statement with thousands of values takes long to plan, and the Redshift Data API takes few.
_AT_ONCE = 20


def ddl(dialect: Dialect) -> tuple[str, ...]:
    """Statements that make the tables where they are not there."""
    text, json_type = dialect.text_type, dialect.json_type
    return (
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (pipeline {text} NOT NULL, batch_id {text} NOT NULL, "
        f"run_id {text} NOT NULL, loaded_at TIMESTAMP NOT NULL, files BIGINT NOT NULL, tables {json_type} NOT NULL, "
        "PRIMARY KEY (pipeline, batch_id))",
        f"CREATE TABLE IF NOT EXISTS {FILES} (pipeline {text} NOT NULL, uri {text} NOT NULL, etag {text}, "
        f"version {text}, size_bytes BIGINT NOT NULL, identity {text} NOT NULL, batch_id {text} NOT NULL, "
        f"run_id {text} NOT NULL, PRIMARY KEY (pipeline, identity))",
    )


def loading_run(connection: Rows, pipeline: str, batch_id: str) -> str | None:
    """The run that loaded a batch, or None where it is not loaded."""
    sql = f"SELECT run_id FROM {LEDGER} WHERE pipeline = ? AND batch_id = ?"
    found = connection.rows(sql, (pipeline, batch_id))
    return str(found[0][0]) if found else None


def loaded_identities(connection: Rows, pipeline: str) -> frozenset[str]:
    """Identities of all source files that are loaded for a pipeline."""
    found = connection.rows(f"SELECT identity FROM {FILES} WHERE pipeline = ?", (pipeline,))
    return frozenset(str(identity) for (identity,) in found)


def refuse_overlap(connection: Rows, request: LoadRequest) -> None:
    """Stop where some files of the request are loaded already: their rows would be in the tables twice.

    Raises:
        TargetError: names one of the files and how many there are.
    """
    loaded = loaded_identities(connection, request.pipeline)
    doubled = [file.uri for file in request.files if file.identity in loaded]
    if doubled:
        more = f" and {len(doubled) - 1} more" if len(doubled) > 1 else ""
        raise TargetError(
            f"batch {request.batch_id} of {request.pipeline} holds {doubled[0]}{more}, which another batch loaded "
            "already. Nothing was loaded. Run again: the next run takes only files that are not loaded yet."
        )


def record(connection: Rows, request: LoadRequest, tables: tuple[TableCount, ...], loaded_at: datetime) -> None:
    """Write the ledger row and the file rows of a load, inside its transaction."""
    counts = json.dumps([asdict(table) for table in tables])
    ledger_row = (request.pipeline, request.batch_id, request.run_id, loaded_at, len(request.files), counts)
    # Casts, because the Redshift Data API sends every value as text.
    places = "?, ?, ?, CAST(? AS TIMESTAMP), CAST(? AS BIGINT), ?"
    connection.rows(f"INSERT INTO {LEDGER} VALUES ({places})", ledger_row)
    for first in range(0, len(request.files), _AT_ONCE):
        files = request.files[first : first + _AT_ONCE]
        values = [
            value
            for file in files
            for value in (
                request.pipeline, file.uri, file.etag, file.version, file.size_bytes, file.identity,
                request.batch_id, request.run_id,
            )
        ]  # fmt: skip
        places = ", ".join(["(?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?)"] * len(files))
        connection.rows(f"INSERT INTO {FILES} VALUES {places}", values)
