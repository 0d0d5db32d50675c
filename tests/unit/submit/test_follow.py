"""Following a run, with a place that does what the test says and a store in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.run import PipelineReport, RunReport
from cloud_etl.errors import (
    CloudEtlError,
    EngineError,
    LeaseHeldError,
    RunInterruptedError,
    TemporaryError,
    UsageError,
)
from cloud_etl.monitoring import report as reports
from cloud_etl.state.journal import Journal
from cloud_etl.storage.object_store import ObjectStore
from cloud_etl.submit.failure import write_failure
from cloud_etl.submit.follow import Follower, Pace
from cloud_etl.submit.port import JobRequest, JobStatus
from cloud_etl.submit.record import SubmittedRun

RUN_ID = "20260131T235959Z-1f2e3d"
REQUEST = JobRequest(
    run_id=RUN_ID, name="shop", pipelines=("sales",), arguments=("--run-id", RUN_ID, "--env", "prod", "sales"),
    entry="s3://b/entry.py", project="s3://b/project.zip", environment="s3://b/environment.tar.gz", python="3.11",
    log_uri="s3://b/logs/", variables={"A": "1"}, tags={"cloud-etl:run": RUN_ID},
)  # fmt: skip


def status(state: str, details: str = "") -> JobStatus:
    return JobStatus(
        state, details, state in ("SUCCESS", "FAILED", "CANCELLED"), state == "SUCCESS", state == "CANCELLED"
    )


class Place:
    """Answers one after the other; an exception among them is raised."""

    place = "EMR Serverless application 00fabc"

    def __init__(self, answers: Iterable[JobStatus | BaseException], cancel_fails: CloudEtlError | None = None) -> None:
        self._answers = iter(answers)
        self._cancel_fails = cancel_fails
        self.cancelled: list[str] = []

    def status(self, job_id: str) -> JobStatus:
        assert job_id == "00job"
        answer = next(self._answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        if self._cancel_fails:
            raise self._cancel_fails

    def logs(self, request: JobRequest, job_id: str) -> str:
        return f"{request.log_uri}{job_id}/"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "store"), S3Spec(), tmp_path)


class Followed:
    def __init__(self, place: Place, store: ObjectStore) -> None:
        self.pauses: list[float] = []
        self.told: list[str] = []
        pace = Pace(pause=self.pauses.append)
        self.follower = Follower(place, store, SubmittedRun("x", REQUEST, "00job"), self.told.append, pace)


def write_report(store: ObjectStore, exit_code: int = 0) -> RunReport:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    outcome = "failed" if exit_code else "no_new_files"
    pipelines = (PipelineReport("sales", outcome, exit_code, error="no" if exit_code else None),)
    report = RunReport(RUN_ID, "shop", "prod", "spark", date(2026, 1, 31), now, now, pipelines)
    Journal(store, RUN_ID).write_report("report.json", reports.to_json(report).encode())
    return report


def test_a_run_is_asked_for_ever_less_often_until_it_ends_and_its_report_is_given(store):
    report = write_report(store)
    Journal(store, RUN_ID).record("sales", "quality", {})
    waiting = [status("SUBMITTED"), *[status("RUNNING")] * 12]
    followed = Followed(Place([*waiting, status("SUCCESS")]), store)
    assert followed.follower.report() == report
    assert followed.told[0] == f"run {RUN_ID} is submitted, sales has done: quality"
    assert followed.pauses[0] == 2
    assert followed.pauses == sorted(followed.pauses)
    assert followed.pauses[-1] == 20


@pytest.mark.parametrize("code", [3, 5, 75])
def test_a_job_that_failed_after_its_report_ends_as_the_run_did(store, code):
    write_report(store, code)
    assert Followed(Place([status("FAILED", "exit 5")]), store).follower.report().exit_code == code


@pytest.mark.parametrize(
    ("left", "kind", "code"),
    [
        (LeaseHeldError("sales is being run by another"), LeaseHeldError, 6),
        (UsageError("no such pipeline"), UsageError, 2),
        (TemporaryError("the store is slow"), TemporaryError, 75),
        (RunInterruptedError("ended by SIGTERM", 15), RunInterruptedError, 130),
        (ValueError("a row: secret"), CloudEtlError, 1),
    ],
)
def test_a_job_without_a_report_ends_with_the_error_it_left(store, left, kind, code):
    write_failure(store, RUN_ID, left)
    with pytest.raises(kind) as caught:
        Followed(Place([status("FAILED")]), store).follower.report()
    assert caught.value.exit_code == code
    assert ("a row" in str(caught.value)) is False
    assert RUN_ID in str(caught.value)


def test_a_job_that_left_nothing_says_what_the_service_said_and_where_the_log_is(store):
    with pytest.raises(EngineError) as caught:
        Followed(Place([status("FAILED", "Could not assume the role.")]), store).follower.report()
    assert (
        "job run 00job in EMR Serverless application 00fabc ended FAILED: Could not assume the role, and left"
        in str(caught.value)
    )
    assert "s3://b/logs/00job/" in str(caught.value)


def test_a_job_that_was_cancelled_elsewhere_names_the_time_limit(store):
    with pytest.raises(
        RunInterruptedError, match=r"cancelled by somebody, or took longer than its time limit"
    ) as caught:
        Followed(Place([status("CANCELLED")]), store).follower.report()
    assert caught.value.signal_number == 15


def test_a_place_that_is_out_of_reach_for_a_while_is_asked_again(store):
    write_report(store)
    fault = TemporaryError("no answer.")
    assert Followed(Place([fault, fault, status("RUNNING"), fault, status("SUCCESS")]), store).follower.report()


def test_a_place_that_stays_out_of_reach_is_given_up_and_the_run_goes_on(store):
    place = Place([TemporaryError("no answer.")] * 100)
    with pytest.raises(
        TemporaryError, match=rf"The run goes on\. See how it ends with: .*--follow {RUN_ID} --env prod"
    ):
        Followed(place, store).follower.report()
    assert place.cancelled == []


@pytest.mark.parametrize(
    ("cause", "number"), [(KeyboardInterrupt(), 2), (RunInterruptedError("ended by SIGTERM", 15), 15)]
)
def test_an_interrupt_cancels_the_job_and_says_so(store, cause, number):
    place = Place([status("RUNNING"), cause])
    with pytest.raises(RunInterruptedError, match="job run 00job is being cancelled") as caught:
        Followed(place, store).follower.report()
    assert place.cancelled == ["00job"]
    assert caught.value.signal_number == number


def test_an_interrupt_whose_cancelling_fails_says_that_the_job_goes_on(store):
    place = Place([KeyboardInterrupt()], cancel_fails=TemporaryError("no answer."))
    with pytest.raises(RunInterruptedError, match=r"could not be cancelled and goes on: no answer\."):
        Followed(place, store).follower.report()


def test_a_submitted_run_is_read_back_as_it_was_kept(store):
    run = SubmittedRun("emr_serverless", REQUEST)
    run.write(store)
    assert SubmittedRun.read(store, RUN_ID) == run
    assert SubmittedRun.read(store, RUN_ID) == run
    assert (
        run.taken("00job", store)
        == SubmittedRun.read(store, RUN_ID)
        == SubmittedRun("emr_serverless", REQUEST, "00job")
    )


def test_a_run_that_was_not_submitted_has_a_hint(store):
    SubmittedRun("emr_serverless", REQUEST).write(store)
    with pytest.raises(UsageError, match=rf"no run .* was submitted in this environment.*{RUN_ID}"):
        SubmittedRun.read(store, RUN_ID[:-1] + "e")
