"""What is looked up of earlier runs, also of those whose report is pruned."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.monitoring import sample_reports as samples

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import SourceError, UsageError
from cloud_etl.pipeline.history import write_report
from cloud_etl.pipeline.records import Records
from cloud_etl.state.journal import Journal
from cloud_etl.storage.folder_store import FolderStore

OLD, NEW = "20260129T120000Z-00000a", "20260130T120000Z-00000b"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path, S3Spec())
    for run_id in (OLD, NEW):
        write_report(store, samples.run(samples.pipeline(), samples.broken(), run_id=run_id))
    Journal(store, NEW).prune(keep=1)
    return store


def test_a_pruned_run_has_its_ledger(store):
    records = Records(store)
    assert records.archived() == (OLD,)
    assert records.ledgers(OLD[:10]) == samples.run(samples.pipeline(), samples.broken(), run_id=OLD).accounts
    assert records.ledgers().run_id == NEW
    with pytest.raises(UsageError, match=rf"report of run {OLD} is pruned.*cloud-etl ledger {OLD}"):
        records.run(OLD)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema_version": 1}', b'{"schema_version": 9}', b"\xff"])
def test_damaged_ledgers_of_a_pruned_run_are_told(store, data):
    store.write(f"ledgers/{OLD}.json", data)
    with pytest.raises(SourceError, match=rf"ledgers/{OLD}\.json cannot be read: .*in the warehouse all the same"):
        Records(store).ledgers(OLD)
