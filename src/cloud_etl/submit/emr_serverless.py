"""Amazon EMR Serverless: job runs of an application.

Source: https://docs.aws.amazon.com/emr-serverless/latest/APIReference/ and docs/adr/0012-submit.md
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cloud_etl.errors import CloudEtlError, TargetError, TemporaryError, UsageError
from cloud_etl.submit.emr_request import start_job_run
from cloud_etl.submit.port import JobRequest, JobStatus, Machine

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

    from cloud_etl.domain.environment import EnvironmentSpec
    from cloud_etl.domain.submit_spec import EmrServerlessSpec

# Runtimes with Spark 4 by the beginning of their label, and the Pythons in them.
PYTHONS = {"emr-spark-8.": ((3, 11), (3, 12), (3, 13))}
_SPARK_3 = re.compile(r"emr-[1-7]\.")
_ENDED = frozenset({"SUCCESS", "FAILED", "CANCELLED"})
_PASSING = re.compile(r"Throttl|TooManyRequests|InternalServer|ServiceUnavailable|RequestTimeout|RequestLimit")
# What a driver that is told to end needs to give back its leases and to write the report.
_GRACE_SECONDS = 120
_TRIES = 8


class Submitter:
    """Starts, asks and cancels job runs of the application that the environment names."""

    def __init__(self, environment: EnvironmentSpec) -> None:
        """Store the settings."""
        submit = environment.submit
        if submit is None or submit.emr_serverless is None:
            raise UsageError("the environment has no submit.emr_serverless. Nothing was sent.")
        self._spec: EmrServerlessSpec = submit.emr_serverless
        self._region = self._spec.region or environment.s3.region

    @property
    def place(self) -> str:
        """`EMR Serverless application 00fabc`."""
        return f"EMR Serverless application {self._spec.application_id}"

    @property
    def sends_packages(self) -> bool:
        """Whether the application gets an archive, or has an image."""
        return self._spec.dependencies == "archive"

    def check(self, machine: Machine) -> None:
        """Look whether the application can run a job with packages of this machine.

        Raises:
            UsageError: it has ended, is stopped for good, runs no Spark 4, or packages of this machine do not fit.
        """
        with self._errors("looking at it", "GetApplication"):
            found: dict[str, Any] = self._client.get_application(applicationId=self._spec.application_id)["application"]
        wrong = _unusable(found) or (_unfit(found, machine) if self.sends_packages else _without_image(found))
        if wrong:
            raise UsageError(f"{self.place} {wrong} Nothing was sent.")

    def start(self, request: JobRequest) -> str:
        """Start a job run; the run id is the client token, so the same request again gives the same job run."""
        with self._errors("starting a job run", "StartJobRun"):
            job_id: str = self._client.start_job_run(**start_job_run(self._spec, request))["jobRunId"]
        return job_id

    def status(self, job_id: str) -> JobStatus:
        """State of the job run."""
        with self._errors(f"asking for job run {job_id}", "GetJobRun"):
            found = self._client.get_job_run(applicationId=self._spec.application_id, jobRunId=job_id)["jobRun"]
        state = found["state"]
        return JobStatus(
            state=state,
            details=found.get("stateDetails") or "",
            ended=state in _ENDED,
            succeeded=state == "SUCCESS",
            cancelled=state == "CANCELLED",
        )

    def cancel(self, job_id: str) -> None:
        """Have the job run cancelled, with time for its driver to end by itself."""
        from botocore.exceptions import ClientError

        with self._errors(f"cancelling job run {job_id}", "CancelJobRun"):
            try:
                self._client.cancel_job_run(
                    applicationId=self._spec.application_id,
                    jobRunId=job_id,
                    shutdownGracePeriodInSeconds=_GRACE_SECONDS,
                )
            except ClientError as exc:
                # The service refuses it for a job run that has ended in the meantime.
                if _code(exc) != "ValidationException" or not self.status(job_id).ended:
                    raise

    def logs(self, request: JobRequest, job_id: str) -> str:
        """Folder of the driver's log, as the service lays it out."""
        return f"{request.log_uri}applications/{self._spec.application_id}/jobs/{job_id}/SPARK_DRIVER/"

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # The adaptive mode also slows down what comes after a throttled call.
        config = Config(retries={"mode": "adaptive", "total_max_attempts": _TRIES}, connect_timeout=10, read_timeout=60)
        return boto3.Session().client(
            "emr-serverless", region_name=self._region, endpoint_url=self._spec.endpoint, config=config
        )

    @contextmanager
    def _errors(self, doing: str, action: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as exc:
            raise self._refused(exc, doing, action) from exc
        except BotoCoreError as exc:
            raise self._unreachable(exc, doing) from exc

    def _refused(self, exc: ClientError, doing: str, action: str) -> CloudEtlError:
        code, said = _code(exc), str(exc.response.get("Error", {}).get("Message", "")).rstrip(".")
        where = f"{doing} in {self.place}"
        if _PASSING.search(code):
            return TemporaryError(f"{where} did not get through ({code}), also after several tries. Try again later.")
        if code == "ResourceNotFoundException":
            region = self._region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            return TargetError(f"{where} failed: {said}. Check application_id, the account, and the region ({region}).")
        if code.startswith("AccessDenied") and ("role" in said.lower() or "PassRole" in said):
            return TargetError(
                f"{where} was refused: {said}. Allow iam:PassRole on {self._spec.execution_role_arn} to whoever "
                "submits, and let emr-serverless.amazonaws.com assume that role."
            )
        if code.startswith("AccessDenied"):
            return TargetError(f"{where} was refused: {said}. Allow emr-serverless:{action} on it to whoever submits.")
        if code in ("UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"):
            return TargetError(f"{where} was refused ({code}): the credentials are not valid. Renew them.")
        return TargetError(f"{where} was refused: {code}: {said}. Correct submit.emr_serverless and submit again.")

    def _unreachable(self, exc: BotoCoreError, doing: str) -> CloudEtlError:
        kind = type(exc).__name__
        advice = {
            "NoCredentialsError": "no AWS credentials were found. Set AWS_PROFILE, or give the machine a role.",
            "PartialCredentialsError": "the AWS credentials are incomplete. Set both key and secret key.",
            "NoRegionError": "no region is set. Set submit.emr_serverless.region or AWS_REGION.",
            "ProfileNotFound": "the AWS profile is not there. Check AWS_PROFILE.",
            "ParamValidationError": f"a setting has not the form the service wants: {_first_finding(exc)}.",
        }.get(kind)
        if advice:
            return TargetError(f"{doing} in {self.place} failed: {advice}")
        return TemporaryError(f"{doing} in {self.place} failed: it could not be reached ({kind}). Try again later.")


def _unusable(found: dict[str, Any]) -> str | None:
    """Why no job run can be started in an application at all."""
    state, label = found["state"], found["releaseLabel"]
    starts_itself = found.get("autoStartConfiguration", {}).get("enabled", True)
    if str(found["type"]).lower() != "spark":
        return f"runs {found['type']}, not Spark. Name a Spark application in submit.emr_serverless.application_id."
    if state == "TERMINATED":
        return "is terminated for good. Name another in submit.emr_serverless.application_id."
    if state in ("CREATED", "STOPPING", "STOPPED") and not starts_itself:
        return f"is {state.lower()} and does not start by itself. Start it, or turn its auto-start on."
    if _SPARK_3.match(label):
        return f"has release {label} with Spark 3; cloud-etl needs Spark 4. Create one with release emr-spark-8.0.0."
    return None


def _unfit(found: dict[str, Any], machine: Machine) -> str | None:
    """Why packages of this machine do not run in an application."""
    theirs = str(found.get("architecture") or "X86_64").lower()
    ours = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.architecture.lower(), machine.architecture.lower())
    way_out = (
        "Submit from a Linux machine that fits (a build container does), or put the packages into the application's "
        "image and set submit.emr_serverless.dependencies: image."
    )
    if machine.system != "linux" or theirs != ours:
        return f"runs on linux {theirs}; the packages of this machine are for {machine.system} {ours}. {way_out}"
    pythons = next((known for start, known in PYTHONS.items() if found["releaseLabel"].startswith(start)), None)
    if pythons is not None and machine.python not in pythons:
        known = ", ".join(f"{major}.{minor}" for major, minor in pythons)
        mine = f"{machine.python[0]}.{machine.python[1]}"
        return f"has Python {known}; the packages of this machine are for {mine}. {way_out}"
    return None


def _without_image(found: dict[str, Any]) -> str | None:
    if found.get("imageConfiguration", {}).get("imageUri"):
        return None
    return (
        "has no image of its own, and dependencies is image. Give it one (docs/how-to/emr-serverless.md has the "
        "recipe), or set dependencies: archive."
    )


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", "unknown"))


def _first_finding(exc: BotoCoreError) -> str:
    lines = str(exc).splitlines()
    # The finding without the value, which may be long or private.
    return lines[1].split(", value:")[0] if len(lines) > 1 else lines[0]
