from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.domain.ledger import BarrierCount, FileCount, RowLedger, StepCount
from cloud_etl.monitoring.funnel import funnel, step_lines

COUNT = st.integers(0, 10**9)


@st.composite
def ledgers(draw: st.DrawFn) -> RowLedger:
    """Ledgers of any counts, reconciled or not."""
    files = tuple(
        FileCount(f"f{i}", None, 1, draw(COUNT), draw(COUNT), draw(COUNT)) for i in range(draw(st.integers(0, 2)))
    )
    steps = tuple(
        StepCount("s", status, "", draw(COUNT)) for status in ("duplicate", "null_dropped", "filtered", "rejected")
    )
    barriers = tuple(BarrierCount("sql", draw(COUNT), draw(COUNT)) for _ in range(draw(st.integers(0, 2))))
    return RowLedger("r", "p", "b", files, draw(COUNT), draw(COUNT), draw(COUNT), steps, barriers, draw(COUNT), ())


@given(ledgers())
def test_the_rows_of_the_picture_add_up_even_where_the_ledger_does_not(ledger: RowLedger) -> None:
    rows = funnel(ledger)
    assert rows[0].kind == "read" and rows[-1].kind == "output"
    lost = sum(-row.rows if row.kind == "added" else row.rows for row in rows[1:-1])
    assert rows[0].rows - lost == rows[-1].rows == ledger.output


@given(ledgers())
def test_no_path_leaves_the_picture(ledger: RowLedger) -> None:
    for row in funnel(ledger):
        for number in re.findall(r"-?\d+(?:\.\d+)?", row.stream + row.branch):
            assert 0 <= float(number) <= 101


def test_a_loss_is_drawn_and_no_loss_is_not(samples: ModuleType) -> None:
    rows = {row.kind: row for row in funnel(samples.ledger())}
    assert rows["duplicate"].branch and rows["reader"].branch
    assert all(not row.branch for row in funnel(samples.clean_ledger()))


def test_rows_of_steps_that_change_their_number_count_as_taken_out_or_as_added(samples: ModuleType) -> None:
    for ledger in (samples.barriers(), samples.fewer()):
        assert ledger.reconciles
        assert ledger.records_read + ledger.added == ledger.taken_out + ledger.output
        lines = step_lines(ledger)
        out = sum(line.rows for line in lines if line.fate != "added") + ledger.rejected_by_reader
        assert out == ledger.taken_out
        assert sum(line.rows for line in lines if line.fate == "added") == ledger.added
    assert [(row.label, row.signed) for row in funnel(samples.barriers())] == [
        ("Records read", "1,000,000"),
        ("Rejected by the reader", "2,100"),
        ("Added by join customers", "+200,000"),
        ("Duplicates", "39,916"),
        ("Dropped for missing values", "4,989"),
        ("Filtered by rules", "9,979"),
        ("Removed by sql", "76"),
        ("Removed by aggregate", "0"),
        ("Rejected by quality", "3,602"),
        ("Came through", "1,139,338"),
    ]


def test_rows_that_no_step_explains_are_named(samples: ModuleType) -> None:
    ledger = samples.ledger()
    assert "missing" not in {row.kind for row in funnel(ledger)}
    (missing,) = [row for row in funnel(replace(ledger, output=ledger.output - 7)) if row.kind == "missing"]
    assert missing.rows == 7
