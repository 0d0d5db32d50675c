"""Make the row ledger from what the stages left on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloud_etl.domain.ledger import BarrierCount, Equation, RowLedger
from cloud_etl.errors import LedgerError

if TYPE_CHECKING:
    from cloud_etl.domain.run import Batch, RunContext
    from cloud_etl.engines.marked_frame import Written


def open_ledger(
    run: RunContext, batch: Batch, written: Sequence[Written], barriers: tuple[BarrierCount, ...], quarantined: int
) -> RowLedger:
    """The account up to the accepted frame.

    Args:
        run: the run and pipeline it is for.
        batch: what the reader staged and rejected.
        written: the frames on disk in the order of the barriers between them; the last holds the output.
        barriers: rows before and after each barrier step.
        quarantined: rows in the footers of the quality quarantine.
    """
    return RowLedger(
        run_id=run.run_id,
        pipeline=run.pipeline,
        batch_id=batch.batch_id,
        files=batch.counts,
        staged_footers=batch.staged_rows,
        quarantined=batch.rejected_rows,
        quarantined_by_quality=quarantined,
        steps=tuple(step for part in written for step in part.steps),
        barriers=barriers,
        output=written[-1].output,
        outputs=(),
    )


def require_reconciled(ledger: RowLedger, left_behind: str) -> None:
    """Stop the run when an equation does not hold.

    Raises:
        LedgerError: names each broken equation with both counts.
    """
    broken = [equation for equation in ledger.equations() if not equation.holds]
    if broken:
        lines = "\n".join(f"  {_said(equation)}" for equation in broken)
        raise LedgerError(
            f"the row ledger of {ledger.pipeline} does not reconcile:\n{lines}\n{left_behind} "
            f"Look at it with: cloud-etl ledger {ledger.run_id}"
        )


def _said(equation: Equation) -> str:
    left, right = ("unknown" if side is None else f"{side:,}" for side in (equation.left, equation.right))
    return f"{equation.terms}: {left} != {right} ({equation.subject})"
