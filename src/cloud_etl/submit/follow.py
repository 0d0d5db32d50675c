"""Follow a submitted run to its end and fetch its report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from cloud_etl import interrupts
from cloud_etl.errors import (
    CloudEtlError,
    EngineError,
    RunInterruptedError,
    TemporaryError,
)
from cloud_etl.monitoring import report as reports
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.state.journal import RUNS, idle_runs
from cloud_etl.submit.failure import read_failure
from cloud_etl.submit.record import how_to_follow, read_if_there

if TYPE_CHECKING:
    from cloud_etl.domain.run import RunReport
    from cloud_etl.storage.object_store import ObjectStore
    from cloud_etl.submit.port import JobStatus, Submitter
    from cloud_etl.submit.record import SubmittedRun
    from cloud_etl.submit.submission import Tell

log = get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the place is asked: soon at first, then ever less often.

    Attributes:
        patience_seconds: how long the place may be out of reach before following is given up; the run goes on.
        pause: waits that many seconds.
    """

    first_seconds: float = 2.0
    growth: float = 1.4
    longest_seconds: float = 20.0
    patience_seconds: float = 600.0
    pause: Callable[[float], None] = interrupts.pause


class Follower:
    """Waits for the end of a submitted run."""

    def __init__(
        self, submitter: Submitter, store: ObjectStore, run: SubmittedRun, tell: Tell, pace: Pace | None = None
    ) -> None:
        """Store what to follow; tell is told in a few words how far it is."""
        self._submitter = submitter
        self._store = store
        self._run = run
        self._job = run.job_id or ""
        self._tell = tell
        self._pace = pace or Pace()

    def report(self) -> RunReport:
        """The run's report, once its job has ended. Ctrl-C and SIGTERM cancel the job.

        Raises:
            EngineError: the job ended without a report, and nobody left word why.
            RunInterruptedError: it was cancelled, from here or elsewhere.
            TemporaryError: the place was out of reach for too long; the run goes on.
            CloudEtlError: what ended the run before it could write a report, with the exit code of the run.
        """
        try:
            status = self._ended()
        except (KeyboardInterrupt, RunInterruptedError) as exc:
            self._cancel(exc)
        return self._fetch(status)

    def _ended(self) -> JobStatus:
        wait, last, out_of_reach = self._pace.first_seconds, "", 0.0
        while True:
            try:
                status = self._submitter.status(self._job)
                out_of_reach = 0.0
                if status.state != last:
                    last = status.state
                    log.info("submit.state", job=self._job, state=status.state, details=status.details)
                self._tell(f"run {self._run.run_id} is {status.state.lower()}{self._last_step()}")
                if status.ended:
                    return status
            except TemporaryError as exc:
                out_of_reach += wait
                log.warning("submit.out_of_reach", job=self._job, error=str(exc))
                if out_of_reach > self._pace.patience_seconds:
                    raise TemporaryError(f"{exc} The run goes on. {how_to_follow(self._run)}") from exc
            self._pace.pause(wait)
            wait = min(wait * self._pace.growth, self._pace.longest_seconds)

    def _last_step(self) -> str:
        """The newest step that the run has noted in the store; told by the name of its note."""
        # What is only shown must not end the following.
        with suppress(CloudEtlError):
            notes = self._store.list(f"{RUNS}/{self._run.run_id}/journal")
            newest = max(notes, key=lambda info: info.modified_at, default=None)
            if newest is not None:
                _, pipeline, step = newest.key.rpartition("/")[2].removesuffix(".json").split("-", 2)
                return f", {pipeline} has done: {step}"
        return ""

    def _fetch(self, status: JobStatus) -> RunReport:
        key = f"{RUNS}/{self._run.run_id}/report.json"
        data = read_if_there(self._store, key) or idle_runs(self._store).get(self._run.run_id)
        if data is None:
            raise self._without_report(status)
        try:
            report = reports.from_json(data)
        except ValueError as exc:
            raise EngineError(f"{self._store.uri(key)}: {exc}. Look at it with the version that the job has.") from exc
        if not status.succeeded and report.exit_code == 0:
            log.warning("submit.job_failed_after_the_run", job=self._job, state=status.state, details=status.details)
        return report

    def _without_report(self, status: JobStatus) -> CloudEtlError | RunInterruptedError:
        told = read_failure(self._store, self._run.run_id)
        if told is not None:
            return told
        what = f"run {self._run.run_id}: job run {self._job} in {self._submitter.place} ended {status.state}"
        said = f": {status.details.rstrip('.')}" if status.details else ""
        logs = f"The driver's log is below {self._submitter.logs(self._run.request, self._job)}"
        if status.cancelled:
            return RunInterruptedError(
                f"{what}{said}. It was cancelled by somebody, or took longer than its time limit "
                f"(submit.*.timeout_minutes). No pipeline is half loaded; submit again to go on. {logs}",
                15,
            )
        return EngineError(
            f"{what}{said}, and left no report. No pipeline is half loaded. {logs}: look at stderr there, "
            "correct what it names (the job's role, its image, the size of its workers), and submit again."
        )

    def _cancel(self, cause: BaseException) -> NoReturn:
        number = cause.signal_number if isinstance(cause, RunInterruptedError) else 2
        self._tell("cancelling")
        what = f"run {self._run.run_id}: job run {self._job}"
        try:
            self._submitter.cancel(self._job)
        except CloudEtlError as exc:
            raise RunInterruptedError(
                f"{what} could not be cancelled and goes on: {exc} {how_to_follow(self._run)}", number
            ) from exc
        raise RunInterruptedError(
            f"{what} is being cancelled in {self._submitter.place}; pipelines that it has loaded stay loaded, "
            f"none is half loaded. {how_to_follow(self._run)}",
            number,
        ) from cause
