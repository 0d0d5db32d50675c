"""The funnel picture: a stream of rows from the raw records down to the output, each loss a branch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.ledger import DROPPED

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
        kind: read, loss, change, missing (rows no equation explains) or output; also the colour.
        rows: that came in, left, were added (change: signed) or came through.
        stream: path of the stream in this row.
        branch: path of what leaves, empty where nothing does.
    """

    kind: str
    label: str
    rows: int
    stream: str
    branch: str = ""


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
        shown = -taken if kind == "change" else taken
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
    changed = 0
    for barrier in ledger.barriers:
        changed += barrier.rows_after - barrier.rows_before
        yield "change", f"Changed by {barrier.step}", barrier.rows_before - barrier.rows_after
    for status in DROPPED:
        yield status, _LABELS[status], ledger.dropped(status)
    lost = ledger.staged_footers + changed - sum(ledger.dropped(status) for status in DROPPED) - ledger.output
    if lost:
        yield "missing", "Not accounted for by the steps", lost


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
