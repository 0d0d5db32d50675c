"""The request that starts a job run of EMR Serverless."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud_etl.domain.submit_spec import EmrServerlessSpec, WorkerSpec
    from cloud_etl.submit.port import JobRequest

# Folders of the working directory of driver and executors into which the service unpacks the archives.
PROJECT, ENVIRONMENT = "project", "environment"
_LONGEST_NAME = 256


def start_job_run(spec: EmrServerlessSpec, request: JobRequest) -> dict[str, object]:
    """Parameters of StartJobRun.

    What submit sets itself goes on the command line of spark-submit, since its values hold neither blanks nor quotes;
    what a person wrote goes into spark-defaults, which needs no quoting.
    """
    parameters = " ".join(f"--conf {name}={value}" for name, value in own_settings(spec, request).items())
    written = written_settings(spec, request)
    overrides: dict[str, object] = {
        "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": request.log_uri}}
    }
    if written:
        overrides["applicationConfiguration"] = [{"classification": "spark-defaults", "properties": written}]
    return {
        "applicationId": spec.application_id,
        "clientToken": request.run_id,
        "executionRoleArn": spec.execution_role_arn,
        "name": request.name[:_LONGEST_NAME],
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": request.entry,
                "entryPointArguments": list(request.arguments),
                "sparkSubmitParameters": parameters,
            }
        },
        "configurationOverrides": overrides,
        "executionTimeoutMinutes": spec.timeout_minutes,
        "tags": {**spec.tags, **request.tags},
    }


def own_settings(spec: EmrServerlessSpec, request: JobRequest) -> dict[str, str]:
    """Settings that a run needs to find its code, and the sizes of its workers."""
    archives, path = [f"{request.project}#{PROJECT}"], [f"./{PROJECT}"]
    python = spec.python
    if request.environment is not None:
        archives.insert(0, f"{request.environment}#{ENVIRONMENT}")
        path.insert(0, f"./{ENVIRONMENT}")
        # Compiled packages fit one version of Python only.
        python = python or f"python{request.python}"
    pythons = ("emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON", "emr-serverless.driverEnv.PYSPARK_PYTHON",
               "executorEnv.PYSPARK_PYTHON")  # fmt: skip
    return {
        "spark.archives": ",".join(archives),
        # Spark puts its own packages before it on the executors; the entry script does the same for the driver.
        "spark.executorEnv.PYTHONPATH": ":".join(path),
        **({f"spark.{name}": python for name in pythons} if python else {}),
        **_size("driver", spec.driver),
        **_size("executor", spec.executor),
        "spark.dynamicAllocation.maxExecutors": str(spec.executor.most),
    }


def written_settings(spec: EmrServerlessSpec, request: JobRequest) -> dict[str, str]:
    """Settings and variables from the project's file."""
    settings = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in spec.spark_config.items()
    }
    for name, value in request.variables.items():
        settings[f"spark.emr-serverless.driverEnv.{name}"] = value
        settings[f"spark.executorEnv.{name}"] = value
    return settings


def _size(role: str, worker: WorkerSpec) -> dict[str, str]:
    whole_mib = worker.memory_gb * 1024
    heap_mib = int(whole_mib * worker.heap)
    return {
        f"spark.{role}.cores": str(worker.cores),
        f"spark.{role}.memory": f"{heap_mib}m",
        # The reader works outside the heap, in Python, so it gets far more than Spark's tenth.
        f"spark.{role}.memoryOverhead": f"{whole_mib - heap_mib}m",
        f"spark.emr-serverless.{role}.disk": f"{worker.disk_gb}G",
    }
