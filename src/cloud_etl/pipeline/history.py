"""What the last runs of a pipeline published, for the checks that compare with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.errors import SourceError
from cloud_etl.monitoring import report as reports
from cloud_etl.quality.history import BatchHistory, history_of
from cloud_etl.quality.port import BatchCheck
from cloud_etl.state.journal import Journal, list_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud_etl.domain.run import RunReport
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.storage.object_store import ObjectStore

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
    journal.write_report("report.json", reports.to_json(report).encode())
    journal.write_report("ledger.json", reports.ledger_json(report).encode())
    journal.write_report("report.html", reports.render_html(report).encode())


def run_reports(store: ObjectStore, limit: int) -> Iterator[RunReport]:
    """Reports of the last runs, the newest first; a run that died before it wrote one has none."""
    for run_id in list_runs(store, limit):
        try:
            yield reports.from_json(Journal(store, run_id).read("report.json").decode())
        except SourceError:
            continue
