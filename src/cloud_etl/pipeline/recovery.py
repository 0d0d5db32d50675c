"""See to what earlier runs of a pipeline left that were killed, or overtaken while they slept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud_etl.pipeline.delivery import Delivery
    from cloud_etl.state.holder import Lost
    from cloud_etl.state.lease import Lease

# A run that was overtaken may wake, and publish before it notices. One that slept for longer is not waited for.
_MAY_WAKE_FOR = timedelta(days=7)


def settle_earlier_runs(lease: Lease, delivery: Delivery) -> None:
    """Withdraw what they published and never loaded.

    Raises:
        LeaseHeldError: another run has taken the pipeline over.
        CloudEtlError: store or warehouse cannot be asked; the next run tries again.
    """
    lost = lease.unsettled
    if not lost:
        return
    delivery.withdraw_of({one.run_id for one in lost})
    lease.settle(one for one in lost if _may_wake(one))


def _may_wake(lost: Lost) -> bool:
    return not lost.is_dead and datetime.now(UTC) - lost.at < _MAY_WAKE_FOR
