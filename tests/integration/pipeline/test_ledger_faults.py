"""One planted fault per equation of the ledger: each ends in exit 5 and an unchanged warehouse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud_etl.domain.run import Batch
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.pipeline import pipeline as orchestrator
from cloud_etl.pipeline.outputs import Outputs
from cloud_etl.pipeline.project import Project

Query = Callable[[str], list[tuple[object, ...]]]


def _fault_in_batch(monkeypatch: pytest.MonkeyPatch, change: Callable[[Batch], Batch]) -> None:
    honest = S3Extractor.validate

    def lying(self: S3Extractor, *args: Any) -> Batch:
        return change(honest(self, *args))

    monkeypatch.setattr(S3Extractor, "validate", lying)


def _reader_finds_one_record_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(batch: Batch) -> Batch:
        first = replace(batch.counts[0], records_read=batch.counts[0].records_read + 1)
        return replace(batch, counts=(first, *batch.counts[1:]))

    _fault_in_batch(monkeypatch, change)


def _staged_row_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A staged file loses a row after it was counted."""
    import pyarrow.parquet as pq

    def change(batch: Batch) -> Batch:
        table = pq.read_table(batch.staged[0])
        pq.write_table(table.slice(1), batch.staged[0])
        return batch

    _fault_in_batch(monkeypatch, change)


def _staged_footers_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    _fault_in_batch(monkeypatch, lambda batch: replace(batch, staged_rows=batch.staged_rows - 1))


def _quarantine_misses_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    _fault_in_batch(monkeypatch, lambda batch: replace(batch, rejected_rows=batch.rejected_rows - 1))


def _gate_quarantine_misses_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = orchestrator.DroppedRows.reject

    def lying(self: Any, *args: Any) -> Any:
        rejected = honest(self, *args)
        return replace(rejected, rows=rejected.rows - 1)

    monkeypatch.setattr(orchestrator.DroppedRows, "reject", lying)


def _publication_counts(monkeypatch: pytest.MonkeyPatch, aggregated: bool) -> None:
    honest = Outputs.publish

    def lying(self: Outputs, *args: Any) -> Any:
        return tuple(
            replace(one, count=replace(one.count, rows=one.count.rows + 1, rows_in=one.count.rows_in + 1))
            if one.count.aggregated is aggregated
            else one
            for one in honest(self, *args)
        )

    monkeypatch.setattr(Outputs, "publish", lying)


def _published_row_is_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    _publication_counts(monkeypatch, aggregated=False)


def _aggregate_folds_one_row_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    _publication_counts(monkeypatch, aggregated=True)


def _warehouse(monkeypatch: pytest.MonkeyPatch, **more: int) -> None:
    from cloud_etl.load.duckdb import Loader

    honest = Loader.load

    def lying(self: Any, request: Any, before_commit: Any) -> Any:
        def changed(tables: Any) -> None:
            before_commit(
                tuple(replace(table, **{key: getattr(table, key) + by for key, by in more.items()}) for table in tables)
            )

        return honest(self, request, changed)

    monkeypatch.setattr(Loader, "load", lying)


def _warehouse_copies_one_row_less(monkeypatch: pytest.MonkeyPatch) -> None:
    _warehouse(monkeypatch, copied=-1)


def _table_holds_one_row_more_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    _warehouse(monkeypatch, rows_after=1)


FAULTS = {
    "read": _reader_finds_one_record_more,
    "staged": _staged_footers_disagree,
    "quarantined": _quarantine_misses_a_row,
    "transform": _staged_row_is_lost,
    "rejected": _gate_quarantine_misses_a_row,
    "publish": _published_row_is_invented,
    "folded": _aggregate_folds_one_row_twice,
    "copied": _warehouse_copies_one_row_less,
    "table": _table_holds_one_row_more_than_it_should,
}


@pytest.mark.parametrize("equation", FAULTS)
def test_a_planted_mismatch_ends_with_exit_5_and_an_unchanged_warehouse(
    equation: str, opened: Project, shop: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.run(["customers"])
    before = rows("select table_schema, table_name from information_schema.tables order by all")
    FAULTS[equation](monkeypatch)
    report = opened.run(["orders"])
    assert report.exit_code == 5
    assert report.pipelines[0].error is not None
    assert "does not reconcile" in report.pipelines[0].error
    ledger = report.pipelines[0].ledger
    assert ledger is not None
    broken = {one.name for one in ledger.equations() if not one.holds}
    assert ("publish" if equation == "folded" else equation) in broken
    assert rows("select table_schema, table_name from information_schema.tables order by all") == before
    assert rows("select pipeline from cloud_etl.etl_load_ledger") == [("customers",)]
    monkeypatch.undo()
    assert opened.run(["orders"]).exit_code == 0
    assert rows("select count(*) from analytics.orders_fact") == [(3,)]
