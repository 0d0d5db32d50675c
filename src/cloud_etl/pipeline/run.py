"""One run: its pipelines, each in its turn, and its report."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.config.secrets import known_secrets
from cloud_etl.domain.run import Choice, PipelineReport, RunContext, RunReport
from cloud_etl.errors import (
    CloudEtlError,
    RunInterruptedError,
    SourceError,
    TargetError,
    TemporaryError,
    refused_by_system,
)
from cloud_etl.monitoring import report as reports
from cloud_etl.monitoring.logger import bound_pipeline, get_logger
from cloud_etl.monitoring.redaction import Redactor
from cloud_etl.pipeline.history import histories, write_report
from cloud_etl.pipeline.order import most_at_once, turns, upstream
from cloud_etl.pipeline.pipeline import ETLPipeline
from cloud_etl.pipeline.side_by_side import take_turns
from cloud_etl.pipeline.wiring import Components, Wiring, open_store
from cloud_etl.state.journal import Journal, new_run_id, note_idle_run
from cloud_etl.state.lease import Lease

if TYPE_CHECKING:
    from cloud_etl.config.config import LoadedProject
    from cloud_etl.domain.progress import Progress

log = get_logger()
_INTERRUPTED = "the run was interrupted"
# Messages that say themselves what is left behind.
_TELLS = re.compile(
    r"(nothing|no row) (more )?(of \S+ )?(was|is) \S*(load|publish|run|commit|open|accept)|not known|load ledger tells",
    re.IGNORECASE,
)


class Runner:
    """Runs pipelines with shared components, side by side where they may, and writes the report whatever happens."""

    def __init__(
        self, project: LoadedProject, progress: Progress, run_id: str | None = None, choice: Choice | None = None
    ) -> None:
        """Store what to run with; a run id is made without, and the files that wait are taken."""
        self._choice = choice or Choice()
        self._project = project
        self._progress = progress
        self._started_at = datetime.now(UTC)
        self.run_id = run_id or new_run_id(self._started_at)
        self._leases: dict[str, Lease] = {}
        self._parts: Components | None = None
        self._done: dict[str, PipelineReport] = {}
        self._under_way: dict[str, ETLPipeline] = {}
        self._interrupt: BaseException | None = None

    def run(
        self, names: Sequence[str], run_date: date, log_file: str | None = None, jobs: int | None = None
    ) -> RunReport:
        """Run the named pipelines, which must be in dependency order.

        Args:
            names: the pipelines.
            run_date: date in the names of the published folders.
            log_file: stands in the report.
            jobs: how many are under way at the same time at most; as the environment says without.

        Raises:
            RunInterruptedError: after the report of what was done is written.
            LeaseHeldError: another run is at one of the pipelines; nothing was run.
            CloudEtlError: store or warehouse cannot be opened; nothing was run.
        """
        with interrupts.ended_in_order(self._last_words), ExitStack() as stack:
            with _before_anything():
                # All first, in one order: of two runs that share a pipeline one does all its work, the other none.
                store = open_store(self._project)
                leases = self._leases
                for name in sorted(names):
                    interrupts.check()
                    leases[name] = stack.enter_context(Lease(store, name, self.run_id))
                wiring = stack.enter_context(Wiring(self._project, self._progress))
                order = turns(names, self._project.pipelines)
                parts = self._parts = wiring.components(jobs=jobs, most_jobs=most_at_once(order))
            try:
                take_turns(order, lambda name: self._take_turn(name, parts, run_date), parts.jobs)
            except KeyboardInterrupt as exc:
                self._interrupt = self._interrupt or exc
            done = (self._done.get(name) or _skipped(name, _INTERRUPTED) for name in names)
            report = self._report(tuple(done), run_date, log_file)
            self._write_or_log(report, parts)
        if self._interrupt is not None:
            raise _interrupted(self._interrupt, report) from self._interrupt
        return report

    def _last_words(self) -> str:
        """Give up what is held, where the work does not stop by itself; another thread than that of the work calls."""
        accounts = {name: one.account for name, one in list(self._under_way.items())}
        loaded = [one.pipeline for one in list(self._done.values()) if one.outcome == "loaded"]
        loaded += [name for name, one in accounts.items() if one.result is not None and one.batch is not None]
        unknown = [name for name, one in accounts.items() if one.is_committing and name not in loaded]
        left = [name for name in accounts if name not in (*loaded, *unknown)]
        if self._parts is not None:
            shutil.rmtree(self._parts.scratch, ignore_errors=True)
        for lease in self._leases.values():
            lease.abandon()
        before = f"; loaded: {', '.join(loaded)}" if loaded else ""
        said = f"Nothing of {', '.join(left)} is loaded. " if left or not accounts else ""
        if unknown:
            said += f"It is not known whether the batch of {', '.join(unknown)} is loaded; the load ledger knows. "
        return (
            f"interrupted: run {self.run_id} did not come to a safe place within {interrupts.PATIENCE_SECONDS:.0f} "
            f"seconds and was ended{before}. {said}Run the same command again: it takes what is not loaded yet."
        )

    def _take_turn(self, name: str, parts: Components, run_date: date) -> None:
        """Run one pipeline and note its report; where several are under way, in a thread of its own."""
        if self._interrupt is not None:
            self._done[name] = _skipped(name, _INTERRUPTED)
            return
        failed = {one.pipeline for one in list(self._done.values()) if one.outcome in ("failed", "skipped")}
        if blockers := sorted(upstream(name, self._project.pipelines) & failed):
            log.warning("pipeline.skipped", pipeline=name, reads=", ".join(blockers))
            self._done[name] = _skipped(name, f"it reads {', '.join(blockers)}, which did not load")
            return
        with bound_pipeline(name):
            self._done[name], interrupt = self._pipeline(name, parts, run_date)
        self._interrupt = self._interrupt or interrupt
        self._under_way.pop(name, None)

    def _pipeline(self, name: str, parts: Components, run_date: date) -> tuple[PipelineReport, BaseException | None]:
        lease = self._leases[name]
        context = RunContext(
            run_id=self.run_id,
            pipeline=name,
            environment=self._project.environment_name,
            run_date=run_date,
            started_at=self._started_at,
            scratch=parts.scratch / name / self.run_id,
            cores=parts.resources.cores,
            memory_bytes=parts.resources.memory_bytes,
            fence=lease.fence,
            choice=self._choice,
        )
        spec = self._project.pipelines[name]
        pipeline = self._under_way[name] = ETLPipeline(spec, context, parts, lease, histories(spec, parts.store))
        try:
            interrupts.check()
            return pipeline.run(), None
        except (KeyboardInterrupt, RunInterruptedError) as exc:
            return pipeline.report(exc), exc
        except Exception as exc:
            if interrupts.requested() and pipeline.account.result is None:
                # What broke is what was stopped, and the children of this process hear Ctrl-C as well.
                return self._stopped(pipeline, exc)
            fault = refused_by_system(exc) or exc
            if isinstance(fault, CloudEtlError):
                log.error("pipeline.failed", pipeline=name, error=str(fault), exit_code=fault.exit_code)
            else:
                log.exception("pipeline.crashed", pipeline=name)
            return self._failed(pipeline, fault), None

    def _stopped(self, pipeline: ETLPipeline, error: Exception) -> tuple[PipelineReport, BaseException]:
        """The report of a pipeline that broke after it was asked to end."""
        text = str(error) if isinstance(error, CloudEtlError) else f"{type(error).__name__}."
        try:
            interrupts.check()
        except RunInterruptedError as exc:
            said = RunInterruptedError(f"interrupted; the work stopped with: {_with_state(text)}", exc.signal_number)
            return pipeline.report(said), said
        raise error

    def _failed(self, pipeline: ETLPipeline, error: Exception) -> PipelineReport:
        """The report of a pipeline that failed; what libraries say may hold an address with a password."""
        report = pipeline.report(error)
        text = report.error or type(error).__name__
        is_loaded = pipeline.account.result is not None
        if not isinstance(error, CloudEtlError):
            state = "The batch is loaded" if is_loaded else "Nothing was loaded"
            text = f"internal error, {type(error).__name__}: {text}. {state}. The log holds the traceback: report it."
        elif is_loaded:
            text = f"The batch is loaded. What came after it stopped: {text}"
        else:
            text = _with_state(text)
        return replace(report, error=Redactor(known_secrets).text(text))

    def _report(self, done: tuple[PipelineReport, ...], run_date: date, log_file: str | None) -> RunReport:
        return RunReport(
            run_id=self.run_id,
            project=self._project.spec.project,
            environment=self._project.environment_name,
            engine=self._project.environment.engine.name,
            run_date=run_date,
            started_at=self._started_at,
            ended_at=datetime.now(UTC),
            pipelines=done,
            log_file=log_file,
        )

    def _write_or_log(self, report: RunReport, parts: Components) -> None:
        """Write the report; where the run failed, its own reason is what people must see, not that of the report."""
        try:
            self._write(report, parts)
        except (CloudEtlError, OSError) as exc:
            fault = exc if isinstance(exc, CloudEtlError) else refused_by_system(exc)
            if fault is None:
                raise
            if report.exit_code == 0:
                loaded = [one.pipeline for one in report.pipelines if one.outcome == "loaded"]
                done = f"loaded {', '.join(loaded)}" if loaded else "loaded nothing"
                raise type(fault)(f"run {report.run_id} {done}, and its report could not be written: {fault}") from exc
            log.error("report.failed", error=str(fault))

    def _write(self, report: RunReport, parts: Components) -> None:
        if report.is_idle:
            note_idle_run(parts.store, reports.to_line(report))
            return
        write_report(parts.store, report)
        Journal(parts.store, self.run_id).prune(self._project.environment.keep_reports)


@contextmanager
def _before_anything() -> Iterator[None]:
    """Errors of store and warehouse say that nothing was run, where they do not say what is left themselves."""
    try:
        yield
    except (SourceError, TargetError, TemporaryError) as exc:
        told = _with_state(str(exc), "Nothing was run.")
        if told == str(exc):
            raise
        raise type(exc)(told) from exc


def _with_state(text: str, state: str = "Nothing was loaded.") -> str:
    """A message that says what is left behind: what it says itself, or else that nothing is."""
    return text if _TELLS.search(text) else f"{text.rstrip()} {state}"


def _skipped(name: str, reason: str) -> PipelineReport:
    return PipelineReport(pipeline=name, outcome="skipped", exit_code=0, error=reason)


def _interrupted(cause: BaseException, report: RunReport) -> RunInterruptedError:
    number = cause.signal_number if isinstance(cause, RunInterruptedError) else 2
    loaded = [one.pipeline for one in report.pipelines if one.outcome == "loaded"]
    kept = f"loaded before: {', '.join(loaded)}" if loaded else "nothing was loaded"
    if "It is not known" in str(cause):
        kept = f"{kept}, and of the pipeline under way: {cause}"
    return RunInterruptedError(
        f"run {report.run_id} was interrupted; {kept}. Work files are removed and leases released; "
        "run the same command again: it takes what is not loaded yet.",
        number,
    )
