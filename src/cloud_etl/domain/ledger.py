"""The row ledger: where each input row went, and the equations that must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, Self

Status = Literal["ok", "duplicate", "null_dropped", "filtered", "rejected", "cut"]
DROPPED: tuple[Status, ...] = ("duplicate", "null_dropped", "filtered", "rejected")


@dataclass(frozen=True, slots=True)
class TextCount:
    """What the text of a file is made of: decompressed, in UTF-8, without its byte order mark.

    Attributes:
        total_bytes: what the decoder gave up to the file's end; None where the end was not reached.
        header_bytes: of the header.
        skipped_bytes: of the lines that csv.skip_lines skips.
        record_bytes: of the records, accepted or rejected, with their line ends.
    """

    total_bytes: int | None
    header_bytes: int = 0
    skipped_lines: int = 0
    skipped_bytes: int = 0
    comment_lines: int = 0
    comment_bytes: int = 0
    blank_lines: int = 0
    blank_bytes: int = 0
    record_bytes: int = 0

    @property
    def accounted_bytes(self) -> int:
        """The sum of the parts."""
        return self.header_bytes + self.skipped_bytes + self.comment_bytes + self.blank_bytes + self.record_bytes

    @property
    def beside(self) -> str:
        """The lines that are neither header nor record, in words; empty where there are none."""
        found = (
            ("skipped", self.skipped_lines, self.skipped_bytes), ("comment", self.comment_lines, self.comment_bytes),
            ("blank", self.blank_lines, self.blank_bytes),
        )  # fmt: skip
        return ", ".join(
            f"{lines:,} {name} {'line' if lines == 1 else 'lines'} ({size:,} {'byte' if size == 1 else 'bytes'})"
            for name, lines, size in found
            if lines
        )

    def plus(self, other: Self) -> Self:
        """The count of both texts together, such as of two slices of a file."""
        sums = {item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)[1:]}
        known = self.total_bytes is not None and other.total_bytes is not None
        total = (self.total_bytes or 0) + (other.total_bytes or 0)
        return type(self)(total_bytes=total if known else None, **sums)


@dataclass(frozen=True, slots=True)
class FileCount:
    """What the reader did with one file.

    Attributes:
        records_read: records found, counted from the raw bytes; header, comments and blank lines are none.
        staged: rows in the staged Parquet footers that came from this file.
        rejected: rows in the quarantine that came from this file.
        codes: rejected records by reason code.
        columns: those of `codes` that are about a column, by code and column.
        notes: what a person should know of how the file was read: columns taken by a similar name, dropped, missing.
        text: what its text is made of; None for Parquet, JSON arrays and files that could not be read to their end.
    """

    uri: str
    etag: str | None
    size_bytes: int
    records_read: int
    staged: int
    rejected: int
    codes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    text: TextCount | None = None


@dataclass(frozen=True, slots=True)
class StepCount:
    """Rows that one step, rule or check took out of the frame; with status cut, rows that stay with a shorter text."""

    step: str
    status: Status
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class BarrierCount:
    """Rows before and after a step that may change their number: sql, python, aggregate, fanning join."""

    step: str
    rows_before: int
    rows_after: int


@dataclass(frozen=True, slots=True)
class OutputCount:
    """Rows of one publication; rows_in is what was folded into it where it is an aggregate."""

    output: str
    rows_in: int
    rows: int
    aggregated: bool


@dataclass(frozen=True, slots=True)
class TableCount:
    """What the load did to one table; counts are the warehouse's own.

    Attributes:
        evolved: columns that this batch's files brought beyond the contract, and no batch before them.
    """

    table: str
    output: str
    mode: str
    published: int
    copied: int
    rows_before: int
    inserted: int
    deleted: int
    rows_after: int
    evolved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Equation:
    """Two independent counts that must agree; None is a count that is not known."""

    name: str
    subject: str
    left: int | None
    right: int | None
    terms: str

    @property
    def holds(self) -> bool:
        """True when both sides are known and equal."""
        return self.left is not None and self.left == self.right


@dataclass(frozen=True, slots=True)
class RowLedger:
    """The account of one pipeline in one run, from the raw records to the warehouse tables.

    Attributes:
        staged_footers: rows in all staged Parquet footers.
        quarantined: rows in the footers of the quarantine files that the reader wrote.
        quarantined_by_quality: rows in the footers of the quarantine files that the transform and the gate wrote.
        steps: rows taken out, in the order of the steps and checks.
        barriers: steps that may change the number of rows, in order.
        output: rows in the footers of the accepted frame.
        tables: empty until the load has run.
    """

    run_id: str
    pipeline: str
    batch_id: str
    files: tuple[FileCount, ...]
    staged_footers: int
    quarantined: int
    quarantined_by_quality: int
    steps: tuple[StepCount, ...]
    barriers: tuple[BarrierCount, ...]
    output: int
    outputs: tuple[OutputCount, ...]
    tables: tuple[TableCount, ...] = ()

    def dropped(self, status: Status) -> int:
        """Rows with that fate, over all steps."""
        return sum(step.rows for step in self.steps if step.status == status)

    @property
    def records_read(self) -> int:
        """Records found in all files."""
        return sum(file.records_read for file in self.files)

    @property
    def rejected_by_reader(self) -> int:
        """Records that did not fit the contract."""
        return sum(file.rejected for file in self.files)

    @property
    def rejected(self) -> int:
        """Records in the quarantine, whoever refused them: reader, steps or checks."""
        return self.rejected_by_reader + self.dropped("rejected")

    @property
    def taken_out(self) -> int:
        """Rows that a named reason took out: reader, steps and checks, and barrier steps that left fewer rows."""
        fewer = sum(max(0, barrier.rows_before - barrier.rows_after) for barrier in self.barriers)
        return self.rejected_by_reader + sum(self.dropped(status) for status in DROPPED) + fewer

    @property
    def added(self) -> int:
        """Rows that barrier steps added: records_read + added = taken_out + output."""
        return sum(max(0, barrier.rows_after - barrier.rows_before) for barrier in self.barriers)

    def equations(self) -> tuple[Equation, ...]:
        """Every equation that can be stated so far; the ledger reconciles when all hold."""
        return (*self._extract(), *self._transform(), *self._publish(), *self._load())

    @property
    def reconciles(self) -> bool:
        """True when every equation holds."""
        return all(equation.holds for equation in self.equations())

    def _extract(self) -> Iterator[Equation]:
        for file in self.files:
            if file.text is not None:
                yield Equation(
                    "text", file.uri, file.text.total_bytes, file.text.accounted_bytes,
                    "bytes of the text = header + skipped + comments + blank + records",
                )  # fmt: skip
        for file in self.files:
            yield Equation(
                "read", file.uri, file.records_read, file.staged + file.rejected,
                "records_read = staged + rejected_by_reader",
            )  # fmt: skip
        yield Equation(
            "staged", self.pipeline, sum(file.staged for file in self.files), self.staged_footers,
            "staged, per file = rows in the staged Parquet footers",
        )  # fmt: skip
        yield Equation(
            "quarantined", self.pipeline, self.rejected_by_reader, self.quarantined,
            "rejected_by_reader = rows in the quarantine footers",
        )  # fmt: skip

    def _transform(self) -> Iterator[Equation]:
        changed = sum(barrier.rows_after - barrier.rows_before for barrier in self.barriers)
        fates = sum(self.dropped(status) for status in DROPPED)
        terms = "staged = duplicates + nulls_dropped + filtered + rejected_by_quality + output"
        if self.barriers:
            terms = "staged + rows_changed_by_steps" + terms.removeprefix("staged")
        yield Equation("transform", self.pipeline, self.staged_footers + changed, fates + self.output, terms)
        yield Equation(
            "rejected",
            self.pipeline,
            self.dropped("rejected"),
            self.quarantined_by_quality,
            "rejected_by_quality = rows in the quarantine footers",
        )

    def _publish(self) -> Iterator[Equation]:
        for output in self.outputs:
            left = output.rows_in if output.aggregated else output.rows
            terms = "output = rows folded into the aggregate" if output.aggregated else "output = rows published"
            yield Equation("publish", output.output, self.output, left, terms)

    def _load(self) -> Iterator[Equation]:
        rows = {output.output: output.rows for output in self.outputs}
        for table in self.tables:
            yield Equation(
                "copied", table.table, rows.get(table.output), table.copied,
                "rows published = rows the warehouse says it loaded",
            )  # fmt: skip
            yield Equation(
                "table", table.table, table.rows_before + table.inserted - table.deleted, table.rows_after,
                "rows_before + inserted - deleted = rows_after",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunLedgers:
    """The accounts of all pipelines of a run that took files."""

    run_id: str
    ledgers: tuple[RowLedger, ...]

    @property
    def reconciles(self) -> bool | None:
        """Whether all equations of all accounts hold; None where the run took no files."""
        return all(ledger.reconciles for ledger in self.ledgers) if self.ledgers else None
