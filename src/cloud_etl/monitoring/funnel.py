"""The funnel picture: a stream of rows from the raw records down to the output, each loss a branch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.ledger import DROPPED
from cloud_etl.monitoring.figures import number

if TYPE_CHECKING:
    from cloud_etl.domain.ledger import RowLedger, Status

# Units of a row's picture: 100 wide, 100 high, stretched to the row by the page; the stream leaves room for branches.
_STREAM = 82.0
_THINNEST = 0.7
_LABELS: dict[Status, str] = {
    "duplicate": "Duplicates",
    "null_dropped": "Dropped for missing values",
    "filtered": "Filtered by rules",
    "rejected": "Rejected by quality",
}


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One row of the picture.

    Attributes:
        kind: read, reader, added or removed (by a step that may change the number of rows), a fate, missing (rows no
            equation explains) or output; also the colour.
        rows: that came in, were added, left or came through; below zero where too many are missing.
        stream: path of the stream in this row.
        branch: path of what leaves, empty where nothing does.
    """

    kind: str
    label: str
    rows: int
    stream: str
    branch: str = ""

    @property
    def signed(self) -> str:
        """The number of rows; a plus tells those that were added from those that left."""
        return ("+" if self.kind == "added" else "") + number(self.rows)


@dataclass(frozen=True, slots=True)
class StepLine:
    """Rows that one step or check took out or added, and why."""

    step: str
    fate: str
    reason: str
    rows: int


def funnel(ledger: RowLedger) -> tuple[FunnelRow, ...]:
    """Lay the ledger out as rows of a picture, from the records read to the output."""
    changes = list(_changes(ledger))
    level = peak = ledger.records_read
    for _, _, taken in changes:
        level -= taken
        peak = max(peak, level)
    scale = _STREAM / max(peak, 1)
    level = ledger.records_read
    rows = [FunnelRow("read", "Records read", level, _stream(level * scale, level * scale))]
    for kind, label, taken in changes:
        before, level = level, level - taken
        shown = -taken if kind == "added" else taken
        if taken > 0:
            rows.append(
                FunnelRow(
                    kind, label, shown, _stream(level * scale, level * scale), _branch(before * scale, level * scale)
                )
            )
        else:
            rows.append(FunnelRow(kind, label, shown, _stream(before * scale, level * scale)))
    rows.append(FunnelRow("output", "Came through", ledger.output, _arrow(ledger.output * scale)))
    return tuple(rows)


def _changes(ledger: RowLedger) -> Iterator[tuple[str, str, int]]:
    """(kind, label, rows taken out) in the order of the stages; what no step explains is a change of its own."""
    yield "reader", "Rejected by the reader", ledger.rejected_by_reader
    lost = ledger.records_read - ledger.rejected_by_reader - ledger.staged_footers
    if lost:
        yield "missing", "Not accounted for by the reader", lost
    taken = [(barrier.step, barrier.rows_before - barrier.rows_after) for barrier in ledger.barriers]
    # What came in stands before what went out: the stream can then not fall below zero on its way.
    yield from (("added", f"Added by {step}", rows) for step, rows in taken if rows < 0)
    for status in DROPPED:
        if status == "rejected":
            # The checks that reject look at what all steps left.
            yield from (("removed", f"Removed by {step}", rows) for step, rows in taken if rows >= 0)
        yield status, _LABELS[status], ledger.dropped(status)
    fates = sum(ledger.dropped(status) for status in DROPPED)
    lost = ledger.staged_footers - sum(rows for _, rows in taken) - fates - ledger.output
    if lost:
        yield "missing", "Not accounted for by the steps", lost


def step_lines(ledger: RowLedger) -> tuple[StepLine, ...]:
    """What each step and check took out or added: marked rows first, then the steps that may change their number."""
    marked = [StepLine(step.step, step.status, step.reason, step.rows) for step in ledger.steps if step.rows]
    changed = [
        StepLine(
            barrier.step,
            "removed" if barrier.rows_after < barrier.rows_before else "added",
            f"{number(barrier.rows_before)} rows before, {number(barrier.rows_after)} after",
            abs(barrier.rows_after - barrier.rows_before),
        )
        for barrier in ledger.barriers
        if barrier.rows_after != barrier.rows_before
    ]
    return (*marked, *changed)


def _width(units: float) -> float:
    return max(units, _THINNEST) if units > 0 else 0.0


def _stream(above: float, below: float) -> str:
    top, bottom = _width(above), _width(below)
    return f"M0 0H{top:.2f}C{top:.2f} 50 {bottom:.2f} 50 {bottom:.2f} 100H0Z"


def _arrow(units: float) -> str:
    width = _width(units)
    return f"M0 0H{width:.2f}V62L{width / 2:.2f} 100L0 62Z" if width else ""


def _branch(before: float, after: float) -> str:
    """A ribbon that leaves the right edge of the stream and bends to the right edge of the picture."""
    inner = _width(after)
    outer = max(before, inner + _THINNEST)
    thickness = min(56.0, max(5.0, outer - inner))
    top, bottom = 50 - thickness / 2, 50 + thickness / 2
    return (
        f"M{outer:.2f} 0C{outer:.2f} {top:.2f} {outer:.2f} {top:.2f} 100 {top:.2f}V{bottom:.2f}"
        f"C{inner:.2f} {bottom:.2f} {inner:.2f} {bottom:.2f} {inner:.2f} 0Z"
    )
