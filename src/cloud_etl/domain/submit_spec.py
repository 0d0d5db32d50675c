"""Where and how `cloud-etl submit` sends a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cloud_etl.domain.glob import Glob
from cloud_etl.domain.spec_model import SpecModel

# Sizes of a worker of EMR Serverless: cores -> least and most memory in GB, and the step between two sizes.
WORKER_SIZES = {1: (2, 8, 1), 2: (4, 16, 1), 4: (8, 30, 1), 8: (16, 60, 4), 16: (32, 120, 8)}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Settings that submit makes itself, from other keys or because the job would not find its code without.
_OWN = re.compile(
    r"spark\.(archives|submit\.pyFiles|(driver|executor)\.(cores|memory|memoryOverhead)|"
    r"dynamicAllocation\.maxExecutors|emr-serverless\.(driver|executor)\.disk|"
    r"(executorEnv|emr-serverless\.driverEnv)\.(PYTHONPATH|PYSPARK_PYTHON|PYSPARK_DRIVER_PYTHON))"
)

# What the service takes in names and values of tags.
_TAG = re.compile(r"[A-Za-z0-9 /_.:=+@-]{0,256}")


class WorkerSpec(SpecModel):
    """Size of one worker."""

    cores: Literal[1, 2, 4, 8, 16] = Field(4, description="vCPUs of the worker.")
    memory_gb: int = Field(16, description="Memory of the whole worker in GB: heap, Python, and what is beside.")
    heap: float = Field(0.6, ge=0.2, le=0.85, description="Share of the memory that is the JVM's heap.")
    disk_gb: int = Field(20, ge=20, le=200, description="Local disk of the worker in GB.")

    @model_validator(mode="after")
    def _offered(self) -> Self:
        least, most, step = WORKER_SIZES[self.cores]
        if not least <= self.memory_gb <= most or (self.memory_gb - least) % step:
            raise ValueError(
                f"a worker of {self.cores} cores has {least} to {most} GB in steps of {step}, not {self.memory_gb}"
            )
        return self


class ExecutorSpec(WorkerSpec):
    """Size and number of the executors."""

    most: int = Field(10, ge=1, description="Most executors at a time; the service starts them as they are needed.")


class EmrServerlessSpec(SpecModel):
    """An application of EMR Serverless and the job runs it is given."""

    application_id: str = Field(min_length=1, description="Id of the application, as 00fabc12de34fg56.")
    execution_role_arn: str = Field(min_length=20, description="Role of the job: what the run may read and write.")
    region: str | None = Field(None, description="Region of the application; s3.region, else AWS_REGION, without.")
    endpoint: str | None = Field(None, description="Address of the service where it is not AWS's own.")
    timeout_minutes: int = Field(720, ge=5, description="The service ends a job run that takes longer.")
    dependencies: Literal["archive", "image"] = Field(
        "archive", description="Send this machine's packages as an archive, or rely on the application's own image."
    )
    python: str | None = Field(
        None,
        pattern=r"^[\w./-]+$",
        description="Python of the application; python3.N of this machine, or the image's, without.",
    )
    driver: WorkerSpec = Field(default_factory=WorkerSpec, description="The driver.")
    executor: ExecutorSpec = Field(default_factory=ExecutorSpec, description="The executors.")
    spark_config: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description="Further settings of Spark, spark.*."
    )
    tags: Mapping[str, str] = Field(default_factory=dict, description="Tags of the job run beside those of cloud-etl.")

    @field_validator("spark_config")
    @classmethod
    def _of_spark(cls, value: Mapping[str, str | int | float | bool]) -> Mapping[str, str | int | float | bool]:
        for name, setting in value.items():
            if not name.startswith("spark."):
                raise ValueError(f"{name!r} is no setting of Spark: they begin with spark.")
            if _OWN.fullmatch(name):
                raise ValueError(f"{name} is set by submit; use driver, executor and variables")
            _refuse_unwritable(name, str(setting))
        return value

    @field_validator("tags")
    @classmethod
    def _as_the_service_wants(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if not (name and _TAG.fullmatch(name) and _TAG.fullmatch(text)):
                raise ValueError(f"tag {name!r}: letters, digits, blanks and / _ . : = + @ - only")
        return value


class SubmitSpec(SpecModel):
    """What a submitted run takes along, and where it goes."""

    emr_serverless: EmrServerlessSpec | None = Field(None, description="Run on Amazon EMR Serverless.")
    include: tuple[str, ...] = Field(
        (), description="Globs of further files of the project that user code reads; hidden ones are never taken."
    )
    packages: tuple[str, ...] = Field((), description="Further installed packages that user code imports.")
    variables: Mapping[str, str] = Field(
        default_factory=dict,
        description="Environment variables of the job. Whoever may look at the job run sees them: no secrets.",
    )

    @field_validator("variables")
    @classmethod
    def _named(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an environment variable")
            _refuse_unwritable(name, text)
        return value

    @field_validator("include")
    @classmethod
    def _below_the_project(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for glob in value:
            Glob(glob)
            if glob.startswith("/") or ".." in glob.split("/"):
                raise ValueError(f"{glob!r} leaves the project: globs are relative to its folder")
        return value


def _refuse_unwritable(name: str, value: str) -> None:
    if "\n" in value or not value.strip():
        raise ValueError(f"{name}: a value that is empty or has a line end cannot be handed to Spark")
