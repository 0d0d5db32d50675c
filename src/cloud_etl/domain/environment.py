"""What a person writes of a project and its environments: engine, store, warehouse, log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from cloud_etl.domain.resources import LEAST_BYTES, bytes_of
from cloud_etl.domain.spec_model import SpecModel
from cloud_etl.domain.submit_spec import SubmitSpec
from cloud_etl.domain.warehouse import WarehouseSpec

# The value of engine.jars for a cluster that has all jars already.
PROVIDED_JARS = "provided"


# Settings of Spark on which the same tables on every engine rest.
_FIXED = {
    "spark.sql.ansi.enabled": "without ANSI mode numbers overflow and casts fail without a word",
    "spark.sql.session.timeZone": "all times are in UTC",
    "spark.sql.caseSensitive": "names that differ in case only are one",
}


class EngineSpec(SpecModel):
    """The engine that runs the transform."""

    name: str = Field("sail", description="Engine by its file name in cloud_etl/engines.")
    memory: str = Field(
        "auto",
        pattern=r"^(auto|\d+(MB|GB))$",
        examples=["512MB", "2GB"],
        description="Bound for the memory of all processes of a run, 512MB at least; auto is 70% of what the machine "
        "or its control group has, 4GB at most.",
    )
    cores: int | None = Field(
        None, ge=1, description="Most cores of a run; those of the machine or its control group without."
    )
    master: str | None = Field(
        None, description="Spark alone: local[*], local[n], spark://, yarn, k8s:// or sc:// (Spark Connect)."
    )
    shuffle_partitions: int | None = Field(
        None, ge=1, description="Spark alone: partitions of a shuffle; from the size of the data without."
    )
    config: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description="Spark alone: further settings, spark.*; they win over those of cloud-etl."
    )
    jars: str | None = Field(
        None,
        description="Spark alone: folder of jars to start with, such as those for S3, relative to the project; "
        "`provided` where the cluster has them. Without, those for S3 are fetched once and kept.",
    )
    verify: str | None = Field(
        None, description="A second engine that must make the same tables before anything is published."
    )
    sql_reads: Literal["rows", "anything"] = Field(
        "rows",
        description="What expressions and sql steps may read: their rows alone, or also files by their path, tables of "
        "Spark's catalog, and what programs and Java give. Whoever writes a pipeline then reads all that the run can.",
    )
    event_log: str | None = Field(None, description="Spark alone: folder that takes Spark's event log; none without.")
    shared_host: Literal["warn", "refuse", "allow"] = Field(
        "warn",
        description="What a run does where the engine's port cannot be closed to other users of the machine, which is "
        "everywhere but on Linux: warn when there are any, refuse, or allow without a word.",
    )

    @field_validator("config")
    @classmethod
    def _of_spark(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in value:
            if not name.startswith("spark."):
                raise ValueError(f"{name!r} is no setting of Spark: they begin with spark.")
            if name in _FIXED:
                raise ValueError(f"{name} is fixed: {_FIXED[name]}; leave it out")
        return value

    @field_validator("memory")
    @classmethod
    def _enough(cls, value: str) -> str:
        if value != "auto" and bytes_of(value) < LEAST_BYTES:
            raise ValueError(f"{value} is too little for any run: write 512MB or more")
        return value


class S3PatienceSpec(SpecModel):
    """How long the store is waited for."""

    request_seconds: int = Field(60, ge=1, description="For one try of a request, with all of its body.")
    retries: int = Field(5, ge=0, description="Most further tries of a request that was refused, cut or not answered.")
    retry_seconds: int = Field(180, ge=0, description="For all tries of a request: none begins after that.")


class S3Spec(SpecModel):
    """Settings of an s3:// store; the standard AWS credential chain applies where they are silent."""

    endpoint: str | None = Field(None, description="Address of an S3-compatible server.")
    region: str | None = Field(None, description="AWS region.")
    path_style: bool = Field(False, description="Bucket in the path instead of the host name.")
    access_key_id: str | None = Field(None, description="Better left to the credential chain.")
    secret_access_key: SecretStr | None = Field(None, description="Better left to the credential chain.")
    session_token: SecretStr | None = Field(None, description="Of temporary credentials, beside the two keys.")
    profile: str | None = Field(None, description="AWS profile; the standard credential chain without.")
    encryption: Literal["bucket", "sse-s3", "sse-kms"] = Field(
        "bucket", description="How new objects are encrypted: as the bucket says, by S3's keys, or by KMS."
    )
    kms_key_id: str | None = Field(None, description="Key for sse-kms; the account's key for S3 without.")
    requester_pays: bool = Field(False, description="Pay for requests to a bucket of somebody else.")
    patience: S3PatienceSpec = Field(default_factory=S3PatienceSpec, description="How long it is waited for.")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.session_token and not self.access_key_id:
            raise ValueError("session_token goes with access_key_id and secret_access_key")
        if self.profile and self.access_key_id:
            raise ValueError("profile and access_key_id are two sources of credentials; leave one out")
        if self.kms_key_id and self.encryption != "sse-kms":
            raise ValueError("kms_key_id goes with encryption: sse-kms")
        return self


class LogSpec(SpecModel):
    """The log."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level written.")
    folder: str = Field("logs", description="Folder of ETLPipeline_YYYYMMDD_HHMMSS.log; relative to the project.")
    format: Literal["text", "json"] = Field("text", description="Lines for people, or NDJSON.")


class EnvironmentSpec(SpecModel):
    """One environment of a project, after `extends` has been followed."""

    store: str = Field(description="Object store: a folder, file:// or s3://bucket/prefix.")
    s3: S3Spec = Field(default_factory=S3Spec, description="Settings of an s3:// store.")
    engine: EngineSpec = Field(default_factory=EngineSpec, description="The engine.")
    warehouse: WarehouseSpec = Field(description="The warehouse.")
    log: LogSpec = Field(default_factory=LogSpec, description="The log.")
    submit: SubmitSpec | None = Field(None, description="Where `cloud-etl submit` sends runs; nowhere without.")
    scratch: str | None = Field(
        None,
        description="Folder for work files, or s3://bucket/prefix where executors are on other machines; `.scratch` in "
        "the store without, or the system's temporary folder where the store is s3:// and the engine is here.",
    )
    jobs: int | None = Field(
        None,
        ge=1,
        description="Pipelines of a run that are under way at the same time at most, of those that do not depend on "
        "one another; they share engine.memory. Without, one for each core and each 512MB beyond 256MB for the run.",
    )
    keep_reports: int = Field(
        50,
        ge=1,
        description="Runs with something to do whose report and dropped rows are kept; older ledgers go to ledgers/.",
    )


class ProjectSpec(SpecModel):
    """cloud-etl.yaml; environments are merged along `extends` before they come here."""

    project: str = Field(description="Name of the project.")
    default_environment: str | None = Field(
        None, description="Environment taken without --env; the only one without, or the one called local."
    )
    environments: Mapping[str, EnvironmentSpec] = Field(min_length=1, description="Environments by name.")
