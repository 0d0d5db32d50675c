from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.quality.score import Faults, score


@st.composite
def batches(draw: st.DrawFn) -> Faults:
    """Batches whose steps keep the number of rows."""
    read = draw(st.integers(1, 10**9))
    by_reader = draw(st.integers(0, read))
    rows = read - by_reader
    by_checks = draw(st.integers(0, rows))
    return Faults(read, by_reader, rows, by_checks, draw(st.integers(0, rows - by_checks)))


@given(batches())
def test_the_score_is_the_share_of_records_without_a_fault(faults):
    faulty = faults.rejected_by_reader + faults.rejected_by_checks + faults.rows_flagged
    assert score(faults) == pytest.approx(100 * (1 - faulty / faults.records_read), abs=1e-6)


@given(batches())
def test_the_score_lies_between_0_and_100(faults):
    found = score(faults)
    assert found is not None
    assert 0 <= found <= 100


@given(batches(), st.sampled_from(["rejected_by_checks", "rows_flagged", "rejected_by_reader"]), st.integers(1, 10**9))
def test_a_further_fault_never_raises_the_score(faults, kind, more):
    limit = faults.records_read if kind == "rejected_by_reader" else 10**12
    worse = replace(faults, **{kind: min(getattr(faults, kind) + more, limit)})
    assert score(worse) <= score(faults)


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_batch_without_faults_has_100_whatever_steps_took_out(read, rows):
    assert score(Faults(read, 0, rows, 0, 0)) == 100


@given(st.integers(1, 10**6), st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_score_stays_in_its_bounds_after_steps_that_multiply_rows(read, rows, flagged):
    found = score(Faults(read, 0, rows, rows // 2, flagged))
    assert found is not None
    assert 0 <= found <= 100


def test_an_empty_batch_has_no_score():
    assert score(Faults(0, 0, 0, 0, 0)) is None


def test_five_faults_in_a_hundred_are_exactly_95():
    assert score(Faults(100, 2, 98, 2, 1)) == 95
