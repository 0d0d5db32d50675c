"""The quality gate: which rows may pass, and whether the batch may be published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cloud_etl.domain.quality import CheckResult, ColumnProfile, QualityReport
from cloud_etl.errors import DataRefusedError, at
from cloud_etl.quality.checks.batch import RowCount
from cloud_etl.quality.measure import Measured, measure
from cloud_etl.quality.port import BatchCheck, BatchFacts, ComparingCheck, GateContext, RowCheck
from cloud_etl.quality.profile import profile
from cloud_etl.quality.score import Faults, score
from cloud_etl.quality.texts import TextFit

if TYPE_CHECKING:
    from cloud_etl.domain.run import Batch
    from cloud_etl.domain.spec import Limits, QualitySpec
    from cloud_etl.engines.marked_frame import MarkedFrame, Written
    from cloud_etl.quality.history import BatchHistory

_SEE_REJECTS = "Nothing was published; `cloud-etl quarantine list` shows the rejected records by reason"


class QualityGate:
    """Applies the checks of one pipeline to one batch: first `mark`, then the write, then `assess`."""

    def __init__(
        self, spec: QualitySpec, context: GateContext, replaced: Sequence[str] = (), texts: TextFit | None = None
    ) -> None:
        """Store the checks and what they may use.

        Args:
            spec: the checks of the pipeline.
            context: what they may use.
            replaced: tables whose rows the batch takes the place of; it must hold a row, unless a check says otherwise.
            texts: what the warehouse demands of texts.
        """
        self._spec = spec
        self._context = context
        self._row_checks = tuple(check for check in spec.checks if isinstance(check, RowCheck))
        self._batch_checks = tuple(check for check in spec.checks if isinstance(check, BatchCheck))
        if replaced and not any(isinstance(check, RowCount) and check.min is not None for check in spec.checks):
            self._batch_checks += (RowCount.keeping(replaced),)
        self._texts = texts or TextFit()
        self._proven: set[str] = set()

    def mark(self, frame: MarkedFrame) -> MarkedFrame:
        """Mark the rows that fail a check with on_fail reject; they leave the frame with the next write.

        A row keeps the first check it fails, in the order of the pipeline file. Lazy but for unique, which looks for
        repeated keys first.

        Raises:
            ConfigError: a check does not fit the columns of the frame.
        """
        for number, check in enumerate(self._spec.checks):
            if not isinstance(check, RowCheck):
                continue
            if check.proven_by(frame):
                self._proven.add(check.label)
            elif check.on_fail == "reject":
                with at("quality", "checks", number, check.kind):
                    frame = self._reject(frame, check)
        return self._texts.mark(frame)

    def rehearse(self, frame: MarkedFrame) -> None:
        """Let the engine analyse the conditions that `mark` leaves to `assess`; no row and no reference is read.

        Raises:
            ConfigError: a check does not fit the columns of the frame.
        """
        for number, check in enumerate(self._spec.checks):
            if not isinstance(check, RowCheck) or isinstance(check, ComparingCheck) or check.references:
                continue
            if check.on_fail != "reject":
                with at("quality", "checks", number, check.kind):
                    check.prepare(frame, self._context)

    def assess(
        self,
        written: Written,
        batch: Batch,
        history: Sequence[BatchHistory] = (),
        earlier: Sequence[Written] = (),
    ) -> QualityReport:
        """Judge a batch by the frame that was written after `mark`.

        Args:
            written: the frame on disk, its counts from the footers.
            batch: what the reader made of the raw files.
            history: earlier batches of this pipeline, the newest first.
            earlier: frames that steps of this run had to write before; rows they rejected count for the thresholds.

        Returns:
            The report; its refusals say why the batch must not be published.
        """
        rejects = [check for check in self._open_checks() if check.on_fail == "reject"]
        others = [check for check in self._open_checks() if check.on_fail != "reject"]
        accepted = measure(written.accepted, others, self._batch_checks, self._context)
        failed = {**accepted.failed, **self._rejected_rows(written, rejects)}
        shape = profile(written.accepted, self._spec.profile_rows, self._context.run)
        results = (
            *self._row_results(failed, written),
            *self._batch_results(accepted, shape.columns, written, history),
            *self._texts.results(written, batch),
        )
        flagged = accepted.flagged + sum(step.rows for step in written.steps if step.status == "cut")
        faults = _faults((*earlier, written), batch, min(flagged, written.output))
        refusals = [_refusal(result) for result in results if not result.passed and result.on_fail == "fail"]
        warnings = [_sentence(result) for result in results if not result.passed and result.on_fail == "warn"]
        warnings += shape.warnings
        refusals += _crossed(self._spec.fail_when, faults)
        return QualityReport(score(faults), results, shape.columns, tuple(refusals), tuple(warnings))

    def _open_checks(self) -> Iterator[RowCheck]:
        return (check for check in self._row_checks if check.label not in self._proven)

    def _reject(self, marked: MarkedFrame, check: RowCheck) -> MarkedFrame:
        prepared = check.prepare(marked, self._context)
        marked = marked.with_frame(prepared.frame)
        for rule, failing in zip(check.rules, prepared.failing, strict=True):
            if check.expressions:
                marked = marked.probing(f"check {rule.label}", failing)
            marked = marked.mark(failing, rule.fate("rejected"))
        return marked.with_frame(marked.frame.drop(*prepared.added)) if prepared.added else marked

    def _rejected_rows(self, written: Written, rejects: Sequence[RowCheck]) -> Mapping[str, int]:
        """Rows that fail each rejecting check, also those that an earlier check took out first.

        Unique is counted by its fate: rows that an earlier check rejected hold no key.
        """
        rows = {step.step: step.rows for step in written.steps if step.status == "rejected"}
        first = {label: rows.get(label, 0) for check in rejects for label in check.labels}
        conditions = [check for check in rejects if not isinstance(check, ComparingCheck)]
        # One condition alone takes every row that fails it: its fate is the count.
        if len(first) < 2:
            return first
        files = [file for file in written.dropped("rejected") if file.fate is not None and file.fate.step in first]
        return {**first, **measure(files, conditions, (), self._context).failed}

    def _row_results(self, failed: Mapping[str, int], written: Written) -> Iterator[CheckResult]:
        labels = {label for check in self._row_checks for label in check.labels if check.on_fail == "reject"}
        rejected = sum(step.rows for step in written.steps if step.status == "rejected" and step.step in labels)
        checked = written.output + rejected
        for check in self._row_checks:
            for rule in check.rules:
                rows = failed.get(rule.label, 0)
                message = "proven by deduplicate"
                if check.label not in self._proven:
                    message = f"{rows:,} of {checked:,} rows fail, wanted: {rule.demand}"
                yield CheckResult(
                    rule.label, check.kind, check.on_fail, rule.columns, checked, rows, rows == 0, message
                )

    def _batch_results(
        self,
        measured: Measured,
        columns: Sequence[ColumnProfile],
        written: Written,
        history: Sequence[BatchHistory],
    ) -> Iterator[CheckResult]:
        nulls = {column.column: column.nulls for column in columns}
        for check in self._batch_checks:
            value = measured.values.get(check.label)
            verdict = check.judge(BatchFacts(self._context.run, written.output, nulls, value, history))
            yield CheckResult(
                check.label, check.kind, check.on_fail, check.columns_used, None, None, verdict.passed, verdict.message
            )


def refuse(report: QualityReport) -> None:
    """Stop a run whose batch must not be published.

    Raises:
        DataRefusedError: the report holds refusals; they are its message, one a line.
    """
    if report.refusals:
        raise DataRefusedError("\n".join(report.refusals))


def _faults(frames: Sequence[Written], batch: Batch, flagged: int) -> Faults:
    steps = [step for written in frames for step in written.steps]
    return Faults(
        records_read=sum(count.records_read for count in batch.counts),
        rejected_by_reader=sum(count.rejected for count in batch.counts),
        rows_checked=frames[-1].output + sum(step.rows for step in steps if step.status != "cut"),
        rejected_by_checks=sum(step.rows for step in steps if step.status == "rejected"),
        rows_flagged=flagged,
    )


def _sentence(result: CheckResult) -> str:
    return f"check {result.name}: {result.message}"


def _refusal(result: CheckResult) -> str:
    if result.rows_failed is None:
        return f"{_sentence(result)}. Nothing was published."
    setting = "too_long" if result.kind == "text" else "on_fail"
    return (
        f"{_sentence(result)}. Nothing was published; {setting}: reject would put these rows into quarantine "
        "and publish the others."
    )


def _crossed(limits: Limits, faults: Faults) -> Iterator[str]:
    """Thresholds for the whole batch that were crossed."""
    found = score(faults)
    counts = (
        f"{faults.rejected:,} of {faults.records_read:,} records {'was' if faults.rejected == 1 else 'were'} rejected "
        f"({faults.rejected_by_reader:,} by the reader, {faults.rejected_by_checks:,} by steps and checks)"
    )
    if found is not None and limits.score_below is not None and found < limits.score_below:
        flagged = f" and {faults.rows_flagged:,} accepted rows fail a check" if faults.rows_flagged else ""
        yield (
            f"the DataQualityScore {found:.2f} is below {limits.score_below:g} (fail_when: score_below): "
            f"{counts}{flagged}. {_SEE_REJECTS}."
        )
    limit = limits.rejected_above
    if limit is None and faults.records_read and faults.rejected == faults.records_read:
        yield f"every record was rejected: {counts}. {_SEE_REJECTS}; rejected_above: 100% lets such a batch pass."
    # A whole number is a number of records, anything with a point or % a share of those read.
    most = limit if isinstance(limit, int) else round((limit or 0) * faults.records_read, 6)
    if limit is not None and faults.rejected > most:
        shown = f"{limit:,}" if isinstance(limit, int) else f"{limit * 100:g}% of the records read"
        yield f"{counts}, more than {shown} (fail_when: rejected_above). {_SEE_REJECTS}."
