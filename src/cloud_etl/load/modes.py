"""How the rows of a batch meet those already in a table: append, replace, upsert, scd2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloud_etl.errors import TargetError
from cloud_etl.load.ddl import IS_CURRENT, VALID_FROM, VALID_TO
from cloud_etl.load.dialect import quote

if TYPE_CHECKING:
    from datetime import datetime

    from cloud_etl.domain.schema import Column
    from cloud_etl.load.dialect import Dialect

# Temporary tables of one load; each is dropped by the mode that made it.
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
    """One batch and the table it goes into; names are not quoted, except `target` and `batch`.

    Attributes:
        target: the table, qualified and quoted.
        batch: relation with the batch's rows in the table's types.
        columns: columns of the batch in the table's types; the table has them all.
        keys: business key; not null and unique in the batch.
        extras: columns that the table has and the batch lacks; updated rows keep their values.
        rows_before: rows in the table.
        run_at: when the batch becomes valid, for scd2.
    """

    target: str
    batch: str
    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    extras: tuple[str, ...]
    rows_before: int
    run_at: datetime
    dialect: Dialect

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the batch."""
        return tuple(column.name for column in self.columns)

    @property
    def values(self) -> tuple[Column, ...]:
        """Columns of the batch that are no keys."""
        keys = {key.lower() for key in self.keys}
        return tuple(column for column in self.columns if column.name.lower() not in keys)


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
    # Not TRUNCATE, which commits in Redshift.
    deleted = run.change(f"DELETE FROM {merge.target}") if merge.rows_before else 0
    inserted = _insert(merge, run, merge.batch)
    return Moved(inserted, inserted, deleted)


def upsert(merge: Merge, run: Statements) -> Moved:
    """Put each row of the batch in the place of those with its key, or add it."""
    if not merge.rows_before:
        return append(merge, run)
    if merge.dialect.merges and merge.values:
        match = _equal(merge.keys, merge.target, "b")
        replaced = run.number(f"SELECT count(*) FROM {merge.target} JOIN {merge.batch} AS b ON {match}")
        known = run.number(
            f"SELECT count(*) FROM {merge.batch} AS b WHERE EXISTS (SELECT 1 FROM {merge.target} WHERE {match})"
        )
        # A key that the table holds twice would stay there twice: MERGE updates rows and removes none.
        if replaced == known:
            return _merge(merge, run, replaced)
    keeps = _keep_extras(merge, run, merge.batch, "TRUE")
    deleted = run.change(
        f"DELETE FROM {merge.target} USING {merge.batch} WHERE {_equal(merge.keys, merge.target, merge.batch)}"
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
    staged = merge.batch
    if not merge.dialect.batch_is_table:
        staged = STAGED
        _create(run, STAGED, f"SELECT {_names(merge.names)} FROM {merge.batch}")
    copied = run.number(f"SELECT count(*) FROM {staged}")
    _create(run, CHANGED, _changed_keys(merge, staged))
    _refuse_younger(merge, run)
    current = f"{merge.target}.{IS_CURRENT}"
    keeps = _keep_extras(merge, run, CHANGED, current)
    run.change(
        f"UPDATE {merge.target} SET {VALID_TO} = {_literal(merge.run_at)}, {IS_CURRENT} = FALSE "
        f"FROM {CHANGED} WHERE {_equal(merge.keys, merge.target, CHANGED)} AND {current}"
    )
    rows = (
        f"(SELECT {_names(merge.names)} FROM {staged} AS s WHERE EXISTS "
        f"(SELECT 1 FROM {CHANGED} AS c WHERE {_equal(merge.keys, 'c', 's')}))"
    )
    inserted = _insert(merge, run, rows, opens=True, keeps=keeps)
    for name in (CHANGED, STAGED) if staged == STAGED else (CHANGED,):
        run.change(f"DROP TABLE {name}")
    return Moved(copied, inserted, 0)


MODES: dict[str, Callable[[Merge, Statements], Moved]] = {
    "append": append,
    "replace": replace,
    "upsert": upsert,
    "scd2": scd2,
}


def _merge(merge: Merge, run: Statements, replaced: int) -> Moved:
    """Upsert in one statement; columns that the batch lacks are not touched."""
    copied = run.number(f"SELECT count(*) FROM {merge.batch}")
    sets = ", ".join(f"{quote(column.name)} = b.{quote(column.name)}" for column in merge.values)
    run.change(
        f"MERGE INTO {merge.target} USING {merge.batch} AS b ON {_equal(merge.keys, merge.target, 'b')} "
        f"WHEN MATCHED THEN UPDATE SET {sets} "
        f"WHEN NOT MATCHED THEN INSERT ({_names(merge.names)}) VALUES ({_names(merge.names, 'b')})"
    )
    return Moved(copied, copied, replaced)


def _changed_keys(merge: Merge, staged: str) -> str:
    """Keys of the batch that have no current version, or one that differs in any column."""
    differs = [merge.dialect.differs(column, "t", "b") for column in merge.values]
    condition = " OR ".join([f"t.{IS_CURRENT} IS NULL", *differs])
    return (
        f"SELECT DISTINCT {_names(merge.keys, 'b')} FROM {staged} AS b "
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
    kept = (*merge.keys, *merge.extras)
    keys = _names(merge.keys, merge.target)
    # A key may occur more than once in the table; one row is kept for each.
    numbered = (
        f"SELECT {_names(kept, merge.target)}, row_number() OVER (PARTITION BY {keys} ORDER BY {keys}) AS kept_number "
        f"FROM {merge.target} JOIN {keys_from} AS b ON {_equal(merge.keys, merge.target, 'b')} WHERE {condition}"
    )
    return _create(run, KEPT, f"SELECT {_names(kept)} FROM ({numbered}) AS n WHERE kept_number = 1") > 0


def _insert(merge: Merge, run: Statements, rows: str, *, opens: bool = False, keeps: bool = False) -> int:
    """Insert by name; `opens` gives scd2 columns, `keeps` gives extras their old values back."""
    names, values = list(merge.names), [f"b.{quote(name)}" for name in merge.names]
    if opens:
        names += [VALID_FROM, VALID_TO, IS_CURRENT]
        values += [_literal(merge.run_at), "NULL", "TRUE"]
    into, select = f"INSERT INTO {merge.target} ({_names(names)})", f"SELECT {', '.join(values)} FROM {rows} AS b"
    if not keeps:
        return run.change(f"{into} {select}")
    match = _equal(merge.keys, "k", "b")
    # Two statements: rows without a predecessor take the table's defaults, which a NULL would override.
    inserted = run.change(f"{into} {select} WHERE NOT EXISTS (SELECT 1 FROM {KEPT} AS k WHERE {match})")
    inserted += run.change(
        f"INSERT INTO {merge.target} ({_names((*names, *merge.extras))}) "
        f"SELECT {', '.join(values)}, {_names(merge.extras, 'k')} FROM {rows} AS b JOIN {KEPT} AS k ON {match}"
    )
    run.change(f"DROP TABLE {KEPT}")
    return inserted


def _create(run: Statements, name: str, query: str) -> int:
    """Fill a temporary table; the rows are counted, since not every warehouse tells how many it made."""
    run.change(f"DROP TABLE IF EXISTS {name}")
    run.change(f"CREATE TEMP TABLE {name} AS {query}")
    return run.number(f"SELECT count(*) FROM {name}")


def _names(names: tuple[str, ...] | list[str], alias: str = "") -> str:
    return ", ".join(f"{alias}.{quote(name)}" if alias else quote(name) for name in names)


def _equal(keys: tuple[str, ...], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quote(key)} = {right}.{quote(key)}" for key in keys)


def _literal(moment: datetime) -> str:
    from datetime import UTC

    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return f"TIMESTAMP '{naive.isoformat(sep=' ', timespec='microseconds')}'"
