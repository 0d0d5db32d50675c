"""The policy that docs/how-to/emr-serverless.md gives to whoever submits: enough, and nothing that is not needed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from werkzeug.serving import WSGIRequestHandler

from cloud_etl.domain.run import PipelineReport, RunReport
from cloud_etl.errors import EngineError, RunInterruptedError
from cloud_etl.monitoring import report as reports
from cloud_etl.state.journal import Journal
from cloud_etl.submit.follow import Follower, Pace
from cloud_etl.submit.submission import Submission, Wanted

pytestmark = pytest.mark.integration
PAGE = Path(__file__).parents[3] / "docs/how-to/emr-serverless.md"
BUCKET, APPLICATION = "retail-prod", "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00fabc12de34fg56"
RUN_ID = "20260131T235959Z-1f2e3d"


@dataclass(frozen=True)
class Call:
    """What a request needs to be allowed."""

    action: str
    resource: str
    prefix: str | None = None


def calls_of(line: str) -> list[Call]:
    """The calls of one request line, as `PUT /retail-prod/key?uploadId=x HTTP/1.1`."""
    method, target, _ = line.split(" ")
    parts = urlsplit(target)
    path, query = unquote(parts.path).strip("/").split("/"), parse_qs(parts.query, keep_blank_values=True)
    if path[0] == "applications":
        return _of_emr(method, path)
    if len(path) == 1:
        return [Call("s3:ListBucket", f"arn:aws:s3:::{path[0]}", query.get("prefix", [""])[0])]
    action = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "DELETE": "s3:AbortMultipartUpload"}.get(method)
    return [Call(action or "s3:PutObject", f"arn:aws:s3:::{'/'.join(path)}")]


def _of_emr(method: str, path: list[str]) -> list[Call]:
    job = f"{APPLICATION}/jobruns/{path[3]}" if len(path) > 3 else ""
    if method == "POST":
        role = "arn:aws:iam::123456789012:role/retail-etl-job"
        tag = (
            Call("emr-serverless:TagResource", APPLICATION),
            Call("emr-serverless:TagResource", f"{APPLICATION}/jobruns/x"),
        )
        return [Call("emr-serverless:StartJobRun", APPLICATION), Call("iam:PassRole", role), *tag]
    if job:
        return [Call("emr-serverless:CancelJobRun" if method == "DELETE" else "emr-serverless:GetJobRun", job)]
    return [Call("emr-serverless:GetApplication", APPLICATION)]


def granting(statement: dict, call: Call) -> str | None:
    """The action of a statement that allows a call."""
    actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
    prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
    allowed = prefixes is None or any(fnmatchcase(call.prefix or "", prefix) for prefix in prefixes)
    fits = fnmatchcase(call.resource, statement["Resource"]) and allowed
    return call.action if fits and call.action in actions else None


def use_everything(cloud) -> None:
    """A run that is followed to its report, one that fails without any, one that is cancelled."""
    submission = Submission(cloud.load(), lambda text: None)
    for number, state in enumerate(("SUCCESS", "FAILED", "RUNNING")):
        run = submission.send(Wanted(("orders",), date(2026, 1, 31)), f"{RUN_ID[:-1]}{number}")
        cloud.jobs[-1].state = state
        if state == "SUCCESS":
            write_report(submission.store, run.run_id)
        follower = Follower(submission.submitter, submission.store, submission.find(run.run_id), lambda text: None,
                            Pace(pause=interrupt))  # fmt: skip
        if state == "SUCCESS":
            assert follower.report().run_id == run.run_id
        else:
            with pytest.raises((EngineError, RunInterruptedError)):
                follower.report()


def interrupt(seconds):
    raise KeyboardInterrupt


def write_report(store, run_id):
    now = datetime(2026, 1, 31, tzinfo=UTC)
    pipelines = (PipelineReport("orders", "no_new_files", 0),)
    report = RunReport(run_id, "shop", "prod", "spark", date(2026, 1, 31), now, now, pipelines)
    Journal(store, run_id).write_report("report.json", reports.to_json(report).encode())


def test_the_policy_of_the_page_allows_all_that_is_called_and_nothing_else(new_cloud, moto_server, monkeypatch):
    moto_server.client().create_bucket(Bucket=BUCKET)
    lines = []
    monkeypatch.setattr(WSGIRequestHandler, "log_request", lambda self, *_: lines.append(self.requestline))
    cloud = new_cloud(f"s3://{BUCKET}")
    lines.clear()
    use_everything(cloud)
    policy = json.loads(re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[0])
    # The report is written by the job, with its own role.
    written_here = re.compile(r"PUT /retail-prod/runs/\w+-\w+/report\.json")
    calls = [call for line in lines if not written_here.match(line) for call in calls_of(line)]
    used = set()
    for call in calls:
        found = [(number, granting(statement, call)) for number, statement in enumerate(policy["Statement"])]
        granted = {(number, action) for number, action in found if action}
        assert granted, f"not allowed: {call}"
        used |= granted
    # Aborting an upload is for the ones that break.
    actions = {
        (number, action)
        for number, statement in enumerate(policy["Statement"])
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert {action for _, action in actions - used} == {"s3:AbortMultipartUpload"}
