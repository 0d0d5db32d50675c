"""What is asked of EMR Serverless, against the API as moto has it: requests, states, refusals."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from urllib.parse import urlsplit

import pytest
from moto.core.exceptions import JsonRESTError
from moto.emrserverless import models

from cloud_etl.errors import RunInterruptedError, TargetError, TemporaryError, UsageError
from cloud_etl.submit import emr_serverless
from cloud_etl.submit.emr_request import start_job_run
from cloud_etl.submit.follow import Follower, Pace
from cloud_etl.submit.port import Machine
from cloud_etl.submit.record import SubmittedRun
from cloud_etl.submit.submission import Submission, Wanted, entry_script, this_machine

pytestmark = pytest.mark.integration
RUN_ID = "20260131T235959Z-1f2e3d"
WANTED = Wanted(("orders",), date(2026, 1, 31), strict=True)


def quiet(text):
    return None


def sent(cloud, run_id=RUN_ID):
    submission = Submission(cloud.load(), quiet)
    return submission, submission.send(WANTED, run_id)


def content(cloud, uri):
    parts = urlsplit(uri)
    return cloud.s3.get_object(Bucket=parts.netloc, Key=parts.path[1:])["Body"].read()


def test_the_job_run_is_the_one_that_was_asked_for_field_by_field(cloud):
    _, run = sent(cloud)
    (job,) = cloud.jobs
    assert (job.id, job.client_token, job.application_id) == (run.job_id, RUN_ID, cloud.application.id)
    assert job.execution_role_arn == "arn:aws:iam::123456789012:role/etl"
    assert job.name == f"shop {RUN_ID} orders"
    assert job.execution_timeout_minutes == 45
    assert job.tags == {
        "cost": "etl", "cloud-etl:project": "shop", "cloud-etl:pipelines": "orders", "cloud-etl:run": RUN_ID,
    }  # fmt: skip
    log_uri = f"{cloud.store}/.cloud-etl/submit/logs/"
    assert job.configuration_overrides["monitoringConfiguration"] == {"s3MonitoringConfiguration": {"logUri": log_uri}}
    (defaults,) = job.configuration_overrides["applicationConfiguration"]
    assert defaults["classification"] == "spark-defaults"
    assert defaults["properties"] == {
        "spark.task.maxFailures": "2",
        "spark.emr-serverless.driverEnv.SHOP_COLOUR": "blue; 'green'",
        "spark.executorEnv.SHOP_COLOUR": "blue; 'green'",
    }
    submit = job.job_driver["sparkSubmit"]
    version = submit["entryPointArguments"][submit["entryPointArguments"].index("--version") + 1]
    assert submit["entryPointArguments"] == [
        "--run-id", RUN_ID, "--env", "prod", "--date", "2026-01-31", "--version", version, "--strict", "orders",
    ]  # fmt: skip
    assert submit["sparkSubmitParameters"] == " ".join(
        f"--conf {setting}"
        for setting in (
            f"spark.archives={run.request.project}#project", "spark.executorEnv.PYTHONPATH=./project",
            "spark.driver.cores=4", "spark.driver.memory=9830m", "spark.driver.memoryOverhead=6554m",
            "spark.emr-serverless.driver.disk=20G",
            "spark.executor.cores=2", "spark.executor.memory=4915m", "spark.executor.memoryOverhead=3277m",
            "spark.emr-serverless.executor.disk=20G", "spark.dynamicAllocation.maxExecutors=3",
        )
    )  # fmt: skip
    assert submit["entryPoint"].startswith(f"{cloud.store}/.cloud-etl/submit/packs/entry-")


def test_what_the_job_fetches_lies_in_the_store(cloud):
    _, run = sent(cloud)
    assert content(cloud, run.request.entry) == entry_script()
    with zipfile.ZipFile(io.BytesIO(content(cloud, run.request.project))) as archive:
        assert archive.namelist() == ["cloud-etl.yaml", "pipelines/orders.yaml", "rules/clean.py", "rules/limits.py"]


def test_what_is_in_the_store_already_is_not_sent_again(cloud):
    sent(cloud)
    before = cloud.keys(".cloud-etl/submit/")
    _, again = sent(cloud, "20260201T000000Z-000000")
    added = set(cloud.keys(".cloud-etl/submit/")) - set(before)
    assert added == {".cloud-etl/submit/runs/20260201T000000Z-000000/request.json"}
    (cloud.root / "rules/limits.py").write_text("LEAST = 1\n")
    _, changed = sent(cloud, "20260202T000000Z-000000")
    assert changed.request.project != again.request.project


def test_a_run_whose_sender_died_before_it_knew_the_job_is_taken_up_as_the_same_job(cloud, monkeypatch):
    """The service gives the same job run for the same client token; moto does not, so the test does."""
    started = models.EMRServerlessBackend.start_job_run

    def by_token(backend, **wanted):
        known = backend.job_runs.get(wanted["application_id"], [])
        same = [job for job in known if job.client_token == wanted["client_token"]]
        return same[0] if same else started(backend, **wanted)

    monkeypatch.setattr(models.EMRServerlessBackend, "start_job_run", by_token)
    submission, run = sent(cloud)
    SubmittedRun(run.backend, run.request).write(submission.store)
    other_machine = Submission(cloud.load(), quiet)
    assert other_machine.find(RUN_ID) == run
    assert len(cloud.jobs) == 1
    assert other_machine.find(RUN_ID).job_id == run.job_id


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (KeyboardInterrupt(), RunInterruptedError),
        (RunInterruptedError("ended by SIGTERM", 15), RunInterruptedError),
        (TemporaryError("No answer."), TemporaryError),
    ],
)
def test_a_start_whose_answer_never_came_says_how_to_find_the_job(cloud, monkeypatch, cause, kind):
    submission = Submission(cloud.load(), quiet)

    def lost(submitter, request):
        submitter._client.start_job_run(**start_job_run(submitter._spec, request))
        raise cause

    with monkeypatch.context() as patch:
        patch.setattr(emr_serverless.Submitter, "start", lost)
        with pytest.raises(kind, match=rf"may have .*cloud-etl submit --follow {RUN_ID} --env prod"):
            submission.send(WANTED, RUN_ID)
    assert len(cloud.jobs) == 1
    assert SubmittedRun.read(submission.store, RUN_ID).job_id is None


def faults(monkeypatch, method, code, status, message="no", times=10_000):
    """Have the API answer with an error the next times."""
    original = getattr(models.EMRServerlessBackend, method)
    left = [times]

    def faulty(backend, *args, **kwargs):
        if left[0]:
            left[0] -= 1
            refusal = JsonRESTError(code, message)
            refusal.code = status
            raise refusal
        return original(backend, *args, **kwargs)

    monkeypatch.setattr(models.EMRServerlessBackend, method, faulty)
    return left


@pytest.mark.parametrize("method", ["get_application", "start_job_run", "get_job_run"])
def test_throttling_is_tried_again(cloud, monkeypatch, method):
    left = faults(monkeypatch, method, "ThrottlingException", 429, times=2)
    submission, run = sent(cloud)
    assert submission.submitter.status(run.job_id).state == "SUBMITTED"
    assert left == [0]
    assert len(cloud.jobs) == 1


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("ThrottlingException", 429, TemporaryError, "also after several tries"),
        ("InternalServerException", 500, TemporaryError, "also after several tries"),
        ("AccessDeniedException", 403, TargetError, "Allow emr-serverless:StartJobRun on it to whoever submits"),
        ("ValidationException", 400, TargetError, "Correct submit.emr_serverless"),
        ("ExpiredTokenException", 403, TargetError, "the credentials are not valid"),
        ("ConflictException", 409, TargetError, "ConflictException"),
    ],
)
def test_a_refusal_says_what_to_do_and_starts_nothing(cloud, monkeypatch, code, status, kind, words):
    monkeypatch.setattr(emr_serverless, "_TRIES", 2)
    faults(monkeypatch, "start_job_run", code, status)
    with pytest.raises(kind, match=words):
        sent(cloud)
    assert cloud.jobs == []


def test_a_role_that_may_not_be_passed_is_named_with_both_remedies(cloud, monkeypatch):
    said = "User: arn:aws:iam::123456789012:user/me is not authorized to perform: iam:PassRole"
    faults(monkeypatch, "start_job_run", "AccessDeniedException", 403, said)
    with pytest.raises(
        TargetError, match=r"Allow iam:PassRole on arn:aws:iam::123456789012:role/etl .* assume that role"
    ):
        sent(cloud)


def test_an_application_that_is_not_there_names_region_and_account(cloud):
    del cloud.backend.applications[cloud.application.id]
    with pytest.raises(TargetError, match=r"Check application_id, the account, and the region \(us-east-1\)"):
        sent(cloud)


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("state", "TERMINATED", "is terminated for good"),
        ("type", "Hive", "runs Hive, not Spark"),
        ("release_label", "emr-7.9.0", "has release emr-7.9.0 with Spark 3; cloud-etl needs Spark 4"),
        ("image_configuration", None, "has no image of its own"),
    ],
)
def test_an_application_that_cannot_run_it_is_refused_before_anything_is_sent(cloud, attribute, value, words):
    setattr(cloud.application, attribute, value)
    with pytest.raises(UsageError, match=rf"{words}.* Nothing was sent\."):
        sent(cloud)
    assert cloud.keys(".cloud-etl/") == []


def test_a_stopped_application_starts_by_itself_unless_that_is_turned_off(cloud):
    cloud.application.state = "STOPPED"
    sent(cloud)
    cloud.application.auto_start_configuration = {"enabled": False}
    with pytest.raises(UsageError, match="is stopped and does not start by itself"):
        sent(cloud)


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Machine("darwin", "arm64", (3, 11)), "runs on linux x86_64; the packages of this machine are for darwin arm"),
        (Machine("linux", "aarch64", (3, 11)), "are for linux arm64"),
        (Machine("linux", "x86_64", (3, 10)), r"has Python 3\.11, 3\.12, 3\.13; the packages .* are for 3\.10"),
    ],
)
def test_packages_of_another_machine_are_refused_with_the_way_out(new_cloud, machine, words):
    submitter = Submission(new_cloud(dependencies="archive").load(), quiet).submitter
    with pytest.raises(UsageError, match=rf"{words}.*dependencies: image\."):
        submitter.check(machine)
    submitter.check(Machine("linux", "x86_64", (3, 12)))


def test_an_image_is_for_any_machine(cloud):
    Submission(cloud.load(), quiet).submitter.check(Machine("darwin", "arm64", (3, 11)))


def test_ctrl_c_cancels_the_job_run(cloud):
    submission, run = sent(cloud)

    def interrupt(seconds):
        raise KeyboardInterrupt

    follower = Follower(submission.submitter, submission.store, run, quiet, Pace(pause=interrupt))
    with pytest.raises(RunInterruptedError, match=rf"job run {run.job_id} is being cancelled in EMR Serverless"):
        follower.report()
    assert cloud.jobs[0].state == "CANCELLED"


def test_cancelling_a_job_run_that_has_ended_is_fine(cloud, monkeypatch):
    submission, run = sent(cloud)
    cloud.jobs[0].state = "SUCCESS"
    faults(monkeypatch, "cancel_job_run", "ValidationException", 400)
    submission.submitter.cancel(run.job_id)
    cloud.jobs[0].state = "RUNNING"
    with pytest.raises(TargetError, match="cancelling job run"):
        submission.submitter.cancel(run.job_id)


def test_this_machine_is_told_in_the_words_of_the_service():
    assert this_machine().python >= (3, 11)
    assert this_machine().system == this_machine().system.lower()
