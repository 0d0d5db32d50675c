import json

import pytest

from cloud_etl.domain.submit_spec import EmrServerlessSpec, ExecutorSpec, WorkerSpec
from cloud_etl.submit.emr_request import start_job_run
from cloud_etl.submit.port import JobRequest

RUN_ID = "20260131T235959Z-1f2e3d"


def request_for(environment):
    return JobRequest(
        run_id=RUN_ID, name=f"shop {RUN_ID} sales", pipelines=("sales",), arguments=("--run-id", RUN_ID, "sales"),
        entry="s3://b/e.py", project="s3://b/p.zip", environment=environment, python="3.12",
        log_uri="s3://b/logs/", variables={"REGION": "eu west; $1"}, tags={"cloud-etl:run": RUN_ID},
    )  # fmt: skip


@pytest.fixture
def spec():
    return EmrServerlessSpec(
        application_id="00fabc",
        execution_role_arn="arn:aws:iam::123456789012:role/etl",
        timeout_minutes=90,
        driver=WorkerSpec(cores=2, memory_gb=8, heap=0.5),
        executor=ExecutorSpec(cores=4, memory_gb=30, disk_gb=100, most=25),
        spark_config={"spark.sql.adaptive.enabled": True, "spark.x": "a b"},
        tags={"cost": "etl"},
    )


def test_the_request_is_the_one_that_was_reviewed(spec, matches_snapshot):
    made = start_job_run(spec, request_for("s3://b/env.tar.gz"))
    matches_snapshot("start_job_run.json", json.dumps(made, indent=2) + "\n")


def test_an_image_brings_its_own_packages_and_python(spec):
    made = start_job_run(spec, request_for(None))
    parameters = made["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    assert "spark.archives=s3://b/p.zip#project " in parameters
    assert "PYSPARK_PYTHON" not in parameters
    assert "spark.executorEnv.PYTHONPATH=./project " in parameters


def test_heap_and_what_is_beside_it_are_the_worker_that_was_asked_for(spec):
    made = start_job_run(spec, request_for(None))
    settings = dict(
        part.split("=", 1) for part in made["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"].split(" --conf ")
    )
    for role, whole in (("driver", 8), ("executor", 30)):
        parts = (settings[f"spark.{role}.memory"], settings[f"spark.{role}.memoryOverhead"])
        assert sum(int(part.removesuffix("m")) for part in parts) == whole * 1024


def test_the_service_takes_the_form_of_the_request(spec):
    """botocore checks lengths and patterns by the service's own model, without a call."""
    import boto3
    from botocore.validate import ParamValidator

    client = boto3.client("emr-serverless", region_name="eu-central-1")
    shape = client.meta.service_model.operation_model("StartJobRun").input_shape
    made = start_job_run(spec, request_for("s3://b/env.tar.gz"))
    assert not ParamValidator().validate(made, shape).has_errors()
    assert len(made["clientToken"]) <= shape.members["clientToken"].metadata["max"]
