from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.domain.ledger import FileCount, OutputCount, RowLedger, StepCount, TableCount
from cloud_etl.errors import LedgerError
from cloud_etl.pipeline.accounts import require_reconciled

HONEST = RowLedger(
    run_id="r1",
    pipeline="sales",
    batch_id="b1",
    files=(FileCount("file:///a.csv", "e", 10, 10, 8, 2, {"too_few_fields": 2}),),
    staged_footers=8,
    quarantined=2,
    quarantined_by_quality=1,
    steps=(StepCount("deduplicate", "duplicate", "id", 2), StepCount("range.q", "rejected", "range.q", 1)),
    barriers=(),
    output=5,
    outputs=(OutputCount("fact", 5, 5, False), OutputCount("daily", 5, 2, True)),
    tables=(TableCount("a.fact", "fact", "upsert", 5, 5, 3, 5, 1, 7),),
)


def test_an_honest_ledger_passes() -> None:
    require_reconciled(HONEST, "Nothing was loaded.")
    assert HONEST.reconciles


@given(
    st.integers(-3, 3).filter(bool),
    st.sampled_from(["staged_footers", "quarantined", "quarantined_by_quality", "output"]),
)
def test_no_count_can_be_changed_alone(by: int, count: str) -> None:
    with pytest.raises(LedgerError, match="does not reconcile"):
        require_reconciled(replace(HONEST, **{count: getattr(HONEST, count) + by}), "Nothing was loaded.")


def test_the_message_names_both_counts_and_what_is_left() -> None:
    broken = replace(HONEST, tables=(replace(HONEST.tables[0], copied=4),))
    with pytest.raises(LedgerError) as caught:
        require_reconciled(broken, "The warehouse was rolled back.")
    assert "5 != 4 (a.fact)" in str(caught.value)
    assert "rolled back" in str(caught.value)
    assert "cloud-etl ledger r1" in str(caught.value)
