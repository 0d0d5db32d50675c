"""One publication into one table inside the transaction of its load, and the warehouse's own counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.ledger import TableCount
from cloud_etl.load.dialect import qualified
from cloud_etl.load.modes import MODES, Merge, Moved

if TYPE_CHECKING:
    from datetime import datetime

    from cloud_etl.domain.run import LoadTask
    from cloud_etl.load.ddl import TablePlan
    from cloud_etl.load.dialect import Dialect
    from cloud_etl.load.modes import Statements


@dataclass(frozen=True, slots=True)
class TableLoad:
    """A task and the plan that makes its table fit.

    Attributes:
        exists: whether the table is there already.
    """

    task: LoadTask
    plan: TablePlan
    exists: bool
    dialect: Dialect


def load_table(run: Statements, load: TableLoad, run_at: datetime, make_batch: Callable[[], str]) -> TableCount:
    """Make the table fit, and bring the batch in by its mode.

    Args:
        run: a connection inside a transaction.
        load: what goes where.
        run_at: when the batch becomes valid, for scd2.
        make_batch: gives the relation with the batch's rows; called when the table fits.
    """
    spec, plan, publication = load.task.spec, load.plan, load.task.publication
    mode = "replace" if load.task.starts_anew else spec.mode
    for statement in plan.statements:
        run.change(statement)
    if not plan.columns and not load.exists:
        return TableCount(spec.table, publication.output, mode, publication.rows, 0, 0, 0, 0, 0)
    target = qualified(spec.table)
    known = {name.lower() for name in plan.remembered}
    evolved = tuple(name for name in load.task.evolved or () if name.lower() not in known)
    rows_before = run.number(f"SELECT count(*) FROM {target}")
    if plan.columns:
        merge = Merge(target, make_batch(), plan.columns, spec.keys, plan.extras, rows_before, run_at, load.dialect)
        moved = MODES[mode](merge, run)
    else:
        # An empty output of unknown columns: only `replace` has something to do.
        moved = Moved(0, 0, run.change(f"DELETE FROM {target}") if mode == "replace" else 0)
    rows_after = run.number(f"SELECT count(*) FROM {target}")
    return TableCount(
        spec.table, publication.output, mode, publication.rows,
        moved.copied, rows_before, moved.inserted, moved.deleted, rows_after, evolved,
    )  # fmt: skip
