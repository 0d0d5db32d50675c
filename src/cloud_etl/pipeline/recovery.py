"""See to what earlier runs of a pipeline left that were killed, or overtaken while they slept: rows and reports."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cloud_etl.domain.run import PipelineReport
from cloud_etl.monitoring import report as reports
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.pipeline.history import write_report
from cloud_etl.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloud_etl.domain.run import LoadedBatch, RunReport
    from cloud_etl.load.port import Loader
    from cloud_etl.pipeline.delivery import Delivery
    from cloud_etl.state.holder import Lost
    from cloud_etl.state.lease import Lease
    from cloud_etl.storage.object_store import ObjectStore

log = get_logger()

# What a shell shows for a process that was killed; what really ended it is not known.
KILLED = 137
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


def report_earlier_runs(lost: Sequence[Lost], store: ObjectStore, loader: Loader) -> None:
    """Write the reports that they did not come to, from their journals and from what the warehouse says they loaded.

    A run that had noted nothing yet is left without one: nothing is known of it.
    """
    for run_id in {one.run_id for one in lost}:
        if store.exists(f"runs/{run_id}/report.json"):
            continue
        report = _recovered(run_id, store, loader.loaded_by(run_id))
        if report is not None:
            write_report(store, report)
            log.warning("report.recovered", run=run_id, outcome=", ".join(one.outcome for one in report.pipelines))


def _recovered(run_id: str, store: ObjectStore, loaded: Sequence[LoadedBatch]) -> RunReport | None:
    batches = {batch.pipeline: batch for batch in loaded}
    noted: dict[str, RunReport] = {}
    for entry in Journal(store, run_id).entries():
        # Each note of a pipeline holds what was known by then; the last one holds most.
        if (told := entry.payload.get("report")) is not None:
            try:
                noted[entry.pipeline] = reports.from_json(json.dumps(told))
            except ValueError as exc:
                log.warning("journal.unreadable", run=run_id, pipeline=entry.pipeline, error=str(exc))
    if not noted:
        return None
    last = list(noted.values())[-1]
    return replace(last, pipelines=tuple(_part(noted[name].pipelines[0], batches) for name in noted))


def _part(known: PipelineReport, batches: Mapping[str, LoadedBatch]) -> PipelineReport:
    batch = batches.get(known.pipeline)
    if batch is None:
        text = (
            "the run was killed, or lost its lease while it slept, before it loaded. Nothing was loaded; the next run "
            "takes the files again."
        )
        return replace(known, outcome="failed", exit_code=KILLED, error=text)
    ledger = None if known.ledger is None else replace(known.ledger, tables=batch.tables)
    return replace(known, outcome="loaded", exit_code=0, ledger=ledger, tables=batch.tables)
