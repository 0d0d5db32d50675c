"""Counts of failing rows, taken from the written files by one aggregate each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloud_etl.engines.failures import engine_errors
from cloud_etl.engines.marked_frame import MarkedFrame
from cloud_etl.quality.port import BatchCheck, ComparingCheck, GateContext, RowCheck

if TYPE_CHECKING:
    from pyspark.sql import Column

    from cloud_etl.engines.marked_frame import WrittenFile


@dataclass(frozen=True, slots=True)
class Measured:
    """What an aggregate found.

    Attributes:
        failed: failing rows by label.
        flagged: rows that fail at least one of the checks.
        values: measures of the checks on the batch, by label.
    """

    failed: Mapping[str, int] = field(default_factory=dict)
    flagged: int = 0
    values: Mapping[str, object] = field(default_factory=dict)


def measure(
    files: Iterable[WrittenFile], rows: Iterable[RowCheck], batch: Iterable[BatchCheck], context: GateContext
) -> Measured:
    """Evaluate checks over written files; nothing is read when no check needs it or the files hold no row.

    Every row check that is a condition on the row, and every measure of the batch, is one column of one aggregate;
    only checks that compare rows with one another (unique) have a query of their own.
    """
    paths = [file.path for file in files if file.rows]
    checks, measures = list(rows), {check.label: check.measure() for check in batch}
    wanted = {label: column for label, column in measures.items() if column is not None}
    if not paths or not (checks or wanted):
        return Measured({label: 0 for check in checks for label in check.labels})
    marked = MarkedFrame.of_accepted(context.session, paths)
    counted: dict[str, int] = {}
    failing: dict[str, Column] = {}
    for check in checks:
        if isinstance(check, ComparingCheck):
            counted[check.label] = check.count_failed(marked)
            continue
        prepared = check.prepare(marked, context)
        marked = marked.with_frame(prepared.frame)
        if check.expressions:
            marked = marked.probing(f"check {check.label}", prepared.failing[0])
        failing.update(zip(check.labels, prepared.failing, strict=True))
    found = _aggregate(marked, failing, wanted)
    # Rows counted by a query of their own may overlap with the others: their sum is an upper bound of the rows.
    return Measured({**found.failed, **counted}, found.flagged + sum(counted.values()), found.values)


def _aggregate(marked: MarkedFrame, failing: Mapping[str, Column], wanted: Mapping[str, Column]) -> Measured:
    from pyspark.sql import functions as F

    def rows(condition: Column) -> Column:
        return F.sum(F.when(condition, 1).otherwise(0))

    columns = [rows(condition) for condition in failing.values()]
    if failing:
        # Null is neither true nor false: without the coalesce one unknown would hide a fault in `or`.
        columns.append(rows(_any([F.coalesce(condition, F.lit(False)) for condition in failing.values()])))
    columns += wanted.values()
    if not columns:
        return Measured()
    named = [column.alias(f"v{place}") for place, column in enumerate(columns)]
    with engine_errors("counting the rows that fail a check", marked.probes):
        row = marked.frame.agg(*named).first()
    values: list[object] = list(row) if row is not None else [None] * len(columns)
    counts = [int(str(value or 0)) for value in values[: len(columns) - len(wanted)]]
    failed = dict(zip(failing, counts, strict=False))
    measured = dict(zip(wanted, values[len(counts) :], strict=True))
    return Measured(failed, counts[-1] if failing else 0, measured)


def _any(conditions: Sequence[Column]) -> Column:
    """Whether one of them is true; a balanced tree, for the engine's protocol takes no more than 100 levels."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return _any(conditions[:half]) | _any(conditions[half:])
