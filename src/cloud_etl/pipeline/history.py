"""What the last runs of a pipeline published, for the checks that compare with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.errors import ObjectMissingError, SourceError
from cloud_etl.monitoring import report as reports
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.quality.history import BatchHistory, history_of
from cloud_etl.quality.port import BatchCheck
from cloud_etl.state.journal import LEDGERS, RUNS, Journal, list_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud_etl.domain.ledger import RunLedgers
    from cloud_etl.domain.run import RunReport
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.storage.object_store import ObjectStore

REPORT = "report.json"
log = get_logger()
# Runs looked at; a check that compares with more is told what there is.
RUNS_READ = 30


def histories(spec: PipelineSpec, store: ObjectStore) -> tuple[BatchHistory, ...]:
    """Batches that earlier runs of the pipeline loaded, the newest first; empty when no check asks for them."""
    if not any(isinstance(check, BatchCheck) for check in spec.quality.checks):
        return ()
    loaded = (
        one.quality
        for report in run_reports(store, RUNS_READ)
        for one in report.pipelines
        if one.pipeline == spec.pipeline and one.outcome == "loaded"
    )
    return tuple(history_of(quality) for quality in loaded if quality is not None)


def write_report(store: ObjectStore, report: RunReport) -> None:
    """Write the report of a run, its ledgers and its page.

    Raises:
        TargetError: the store refused it.
        TemporaryError: a passing fault.
    """
    journal = Journal(store, report.run_id)
    journal.write_report(REPORT, reports.to_json(report).encode())
    journal.write_report("ledger.json", reports.ledger_json(report.accounts).encode())
    journal.write_report("report.html", reports.render_html(report).encode())


def read_report(store: ObjectStore, run_id: str) -> RunReport:
    """The report of a run.

    Raises:
        ObjectMissingError: the run has left none.
        SourceError: it is damaged, or of another version.
    """
    data = Journal(store, run_id).read(REPORT)
    try:
        report = reports.from_json(data)
        if report.run_id != run_id:
            raise ValueError("it is that of another run")
    except ValueError as exc:
        raise SourceError(
            f"{store.uri(f'{RUNS}/{run_id}/{REPORT}')} cannot be read: {exc}. It is damaged, or was written by another "
            "version. What the run loaded is in the warehouse all the same; ledger.json beside it holds its ledgers."
        ) from exc
    return report


def read_archived(store: ObjectStore, run_id: str) -> RunLedgers:
    """The ledgers of a run whose report is pruned.

    Raises:
        ObjectMissingError: there are none.
        SourceError: they are damaged, or of another version.
    """
    key = f"{LEDGERS}/{run_id}.json"
    try:
        return reports.ledgers_from_json(store.read(key))
    except ValueError as exc:
        raise SourceError(
            f"{store.uri(key)} cannot be read: {exc}. It is damaged, or was written by another version. "
            "What the run loaded is in the warehouse all the same."
        ) from exc


def run_reports(store: ObjectStore, limit: int) -> Iterator[RunReport]:
    """Reports of the last runs, the newest first, but for those that are not there or cannot be read."""
    for run_id in list_runs(store, limit):
        try:
            yield read_report(store, run_id)
        except ObjectMissingError:
            continue  # It died before it wrote one.
        except SourceError as exc:
            log.warning("report.unreadable", run=run_id, error=str(exc))
