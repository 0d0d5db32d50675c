"""How the rows of a batch meet those already in a table: append, replace, upsert, scd2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloud_etl.errors import TargetError
from cloud_etl.load.ddl import IS_CURRENT, VALID_FROM, VALID_TO, quote

if TYPE_CHECKING:
    from datetime import datetime

# Temporary relations of one load; they end with the connection.
KEPT = "cloud_etl_kept"
STAGED = "cloud_etl_staged"
CHANGED = "cloud_etl_changed"


class Statements(Protocol):
    """A connection inside a transaction."""

    def change(self, sql: str) -> int:
        """Run a statement and give the rows it inserted, deleted or updated, as the warehouse says."""

    def number(self, sql: str) -> int:
        """Run a query that gives one number."""


@dataclass(frozen=True, slots=True)
class Merge:
    """One batch and the table it goes into; names are not quoted, except `target`.

    Attributes:
        target: the table, qualified and quoted.
        batch: relation with the batch's rows in the table's types.
        columns: columns of the batch; the table has them all.
        keys: business key; not null and unique in the batch.
        extras: columns that the table has and the batch lacks; updated rows keep their values.
        rows_before: rows in the table.
        run_at: when the batch becomes valid, for scd2.
    """

    target: str
    batch: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    extras: tuple[str, ...]
    rows_before: int
    run_at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows moved by a merge, as the warehouse counted them; copied are those it read from the batch."""

    copied: int
    inserted: int
    deleted: int


def append(merge: Merge, run: Statements) -> Moved:
    """Add the batch's rows."""
    inserted = _insert(merge, run, merge.batch)
    return Moved(inserted, inserted, 0)


def replace(merge: Merge, run: Statements) -> Moved:
    """Put the batch's rows in the place of all others."""
    deleted = run.change(f"DELETE FROM {merge.target}") if merge.rows_before else 0
    inserted = _insert(merge, run, merge.batch)
    return Moved(inserted, inserted, deleted)


def upsert(merge: Merge, run: Statements) -> Moved:
    """Put each row of the batch in the place of those with its key, or add it."""
    if not merge.rows_before:
        return append(merge, run)
    keeps = _keep_extras(merge, run, merge.batch, "TRUE")
    deleted = run.change(
        f"DELETE FROM {merge.target} AS t USING (SELECT {_names(merge.keys)} FROM {merge.batch}) AS b "
        f"WHERE {_equal(merge.keys, 't', 'b')}"
    )
    inserted = _insert(merge, run, merge.batch, keeps=keeps)
    return Moved(inserted, inserted, deleted)


def scd2(merge: Merge, run: Statements) -> Moved:
    """Close the current version of each changed row and open a new one; rows that the batch lacks stay current.

    Raises:
        TargetError: a current version is younger than the batch.
    """
    if not merge.rows_before:
        inserted = _insert(merge, run, merge.batch, opens=True)
        return Moved(inserted, inserted, 0)
    copied = _create(run, STAGED, f"SELECT {_names(merge.columns)} FROM {merge.batch}")
    _create(run, CHANGED, _changed_keys(merge))
    _refuse_younger(merge, run)
    keeps = _keep_extras(merge, run, CHANGED, f"t.{IS_CURRENT}")
    run.change(
        f"UPDATE {merge.target} AS t SET {VALID_TO} = {_literal(merge.run_at)}, {IS_CURRENT} = FALSE "
        f"FROM {CHANGED} AS b WHERE {_equal(merge.keys, 't', 'b')} AND t.{IS_CURRENT}"
    )
    rows = (
        f"(SELECT {_names(merge.columns)} FROM {STAGED} AS b WHERE EXISTS "
        f"(SELECT 1 FROM {CHANGED} AS t WHERE {_equal(merge.keys, 't', 'b')}))"
    )
    inserted = _insert(merge, run, rows, opens=True, keeps=keeps)
    return Moved(copied, inserted, 0)


MODES: dict[str, Callable[[Merge, Statements], Moved]] = {
    "append": append,
    "replace": replace,
    "upsert": upsert,
    "scd2": scd2,
}


def _changed_keys(merge: Merge) -> str:
    """Keys of the batch that have no current version, or one that differs in any column."""
    differs = [
        f"t.{quote(name)} IS DISTINCT FROM b.{quote(name)}"
        for name in merge.columns
        if name.lower() not in {key.lower() for key in merge.keys}
    ]
    condition = " OR ".join([f"t.{IS_CURRENT} IS NULL", *differs])
    return (
        f"SELECT DISTINCT {_names(merge.keys, 'b')} FROM {STAGED} AS b "
        f"LEFT JOIN (SELECT * FROM {merge.target} WHERE {IS_CURRENT}) AS t ON {_equal(merge.keys, 't', 'b')} "
        f"WHERE {condition}"
    )


def _refuse_younger(merge: Merge, run: Statements) -> None:
    younger = run.number(
        f"SELECT count(*) FROM {merge.target} AS t JOIN {CHANGED} AS b ON {_equal(merge.keys, 't', 'b')} "
        f"WHERE t.{IS_CURRENT} AND t.{VALID_FROM} > {_literal(merge.run_at)}"
    )
    if younger:
        raise TargetError(
            f"{merge.target} holds {younger} current versions that are younger than this batch "
            f"({merge.run_at.isoformat()}): closing them would turn time back. Nothing was loaded. "
            "Load batches in the order of time; check the clock of this machine."
        )


def _keep_extras(merge: Merge, run: Statements, keys_from: str, condition: str) -> bool:
    """Set aside the columns that the batch lacks, for the rows it replaces; False where there is nothing to keep."""
    if not merge.extras:
        return False
    kept = (
        f"SELECT DISTINCT ON ({_names(merge.keys, 't')}) {_names((*merge.keys, *merge.extras), 't')} "
        f"FROM {merge.target} AS t JOIN (SELECT {_names(merge.keys)} FROM {keys_from}) AS b "
        f"ON {_equal(merge.keys, 't', 'b')} WHERE {condition}"
    )
    return _create(run, KEPT, kept) > 0


def _insert(merge: Merge, run: Statements, rows: str, *, opens: bool = False, keeps: bool = False) -> int:
    """Insert by name; `opens` gives scd2 columns, `keeps` gives extras their old values back."""
    names, values = list(merge.columns), [f"b.{quote(name)}" for name in merge.columns]
    if opens:
        names += [VALID_FROM, VALID_TO, IS_CURRENT]
        values += [_literal(merge.run_at), "NULL", "TRUE"]
    into, select = f"INSERT INTO {merge.target} ({_names(names)})", f"SELECT {', '.join(values)} FROM {rows} AS b"
    if not keeps:
        return run.change(f"{into} {select}")
    match = _equal(merge.keys, "k", "b")
    # Two statements: rows without a predecessor take the table's defaults, which a NULL would override.
    inserted = run.change(f"{into} {select} WHERE NOT EXISTS (SELECT 1 FROM {KEPT} AS k WHERE {match})")
    return inserted + run.change(
        f"INSERT INTO {merge.target} ({_names((*names, *merge.extras))}) "
        f"SELECT {', '.join(values)}, {_names(merge.extras, 'k')} FROM {rows} AS b JOIN {KEPT} AS k ON {match}"
    )


def _create(run: Statements, name: str, query: str) -> int:
    return run.change(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def _names(names: tuple[str, ...] | list[str], alias: str = "") -> str:
    return ", ".join(f"{alias}.{quote(name)}" if alias else quote(name) for name in names)


def _equal(keys: tuple[str, ...], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quote(key)} = {right}.{quote(key)}" for key in keys)


def _literal(moment: datetime) -> str:
    from datetime import UTC

    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return f"TIMESTAMP '{naive.isoformat(sep=' ', timespec='microseconds')}'"
