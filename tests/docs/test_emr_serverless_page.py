"""The configuration and the policies of docs/how-to/emr-serverless.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

import boto3
import yaml

from cloud_etl.config.config import load_project
from cloud_etl.submit.preconditions import check_sendable, for_sending

TEXT = (Path(__file__).parents[2] / "docs/how-to/emr-serverless.md").read_text()
PIPELINE = (
    "pipeline: sales_data\nsource: {path: raw, format: csv}\nschema: {id: {type: string}}\noutputs: [{name: o}]\n"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_configuration_is_one_that_may_be_sent(tmp_path):
    (written,) = blocks("yaml")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/sales_data.yaml").write_text(PIPELINE)
    (tmp_path / "cloud-etl.yaml").write_text(f"project: retail\ndefault_environment: prod\n{written}")
    check_sendable(for_sending(load_project(tmp_path, None, {})), ["sales_data"])
    assert yaml.safe_load(written)["environments"]["prod"]["engine"] == {"name": "spark"}


def test_the_policies_are_whole_and_name_the_actions_of_the_api():
    policies = [json.loads(block) for block in blocks("json")]
    assert len(policies) == 3
    actions = {
        action
        for policy in policies
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    api = set(boto3.client("emr-serverless", region_name="eu-central-1").meta.service_model.operation_names)
    named = {action.partition(":")[2] for action in actions if action.startswith("emr-serverless:")}
    assert named <= api
    assert {"GetApplication", "StartJobRun", "GetJobRun", "CancelJobRun"} <= named
    assert not [action for action in actions if "*" in action]
