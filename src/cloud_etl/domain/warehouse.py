"""The warehouse as a person writes it: a DuckDB file, or Amazon Redshift and the way to it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from cloud_etl.domain.spec_model import SpecModel

_ROLE = r"^(default|arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+(,arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+)*)$"


class DuckDbSpec(SpecModel):
    """A DuckDB file as the warehouse."""

    path: str = Field(description="Path of the database file; relative to the project.")
    memory: str = Field(
        "1GB",
        pattern=r"^\d+(MB|GB)$",
        examples=["512MB", "2GB"],
        description="Memory limit of the warehouse connection; a run takes half of engine.memory at most.",
    )
    threads: int | None = Field(None, ge=1, description="Most threads of a load; engine.cores without.")
    wait_seconds: int = Field(
        60, ge=0, description="How long a run waits for a file that another process holds, before it ends with 75."
    )


class IamSpec(SpecModel):
    """Temporary credentials of a provisioned cluster, by GetClusterCredentials or GetClusterCredentialsWithIAM."""

    cluster_identifier: str = Field(description="Name of the cluster.")
    db_user: str | None = Field(None, description="Database user; not with with_iam, which derives it from the role.")
    with_iam: bool = Field(False, description="Use GetClusterCredentialsWithIAM: the user is the IAM identity.")
    region: str | None = Field(None, description="AWS region; that of the credential chain without.")
    profile: str | None = Field(None, description="AWS profile; the standard credential chain without.")
    secret_arn: str | None = Field(None, description="Secret that the Data API reads the password from by itself.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.with_iam and not self.db_user and not self.secret_arn:
            raise ValueError("iam needs db_user, or with_iam: true where the user is the IAM identity")
        if self.with_iam and self.db_user:
            raise ValueError("with_iam derives the database user from the IAM identity; leave db_user out")
        return self


class ServerlessSpec(SpecModel):
    """Temporary credentials of a Redshift Serverless workgroup."""

    workgroup: str = Field(description="Name of the workgroup.")
    region: str | None = Field(None, description="AWS region; that of the credential chain without.")
    profile: str | None = Field(None, description="AWS profile; the standard credential chain without.")
    secret_arn: str | None = Field(None, description="Secret that the Data API reads the password from by itself.")


class RedshiftAuthSpec(SpecModel):
    """How to log in; exactly one way."""

    secret: SecretStr | None = Field(
        None, description="A `${secret:NAME}`: the password, or JSON with username, password, host, port, dbname."
    )
    password: SecretStr | None = Field(None, description="The password itself, best as `${env:NAME}`.")
    iam: IamSpec | None = Field(None, description="Temporary credentials of a provisioned cluster.")
    serverless: ServerlessSpec | None = Field(None, description="Temporary credentials of a serverless workgroup.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"not {' and '.join(given)} together" if given else "and none is there"
            raise ValueError(f"auth takes exactly one of {', '.join(type(self).model_fields)}, {found}")
        return self


class TlsSpec(SpecModel):
    """TLS of the connection."""

    mode: Literal["verify-full", "verify-ca", "disable"] = Field(
        "verify-full", description="What is checked: chain and host name, chain only, or nothing and no TLS."
    )
    ca_file: str | None = Field(
        None, description="Certificates to trust, PEM; relative to the project. Amazon's own without."
    )


class RedshiftPatienceSpec(SpecModel):
    """How long Redshift is waited for, by phase; a statement has `statement_timeout_seconds`."""

    open_seconds: int = Field(30, ge=1, description="For a new connection: TLS, login, the driver's first questions.")
    answer_seconds: int = Field(
        120, ge=1, description="For a statement that needs no work: BEGIN, SET, a look into the ledger."
    )
    silent_seconds: int = Field(
        120, ge=1, description="While a statement runs: how long the server may answer nobody, on new connections too."
    )
    retry_seconds: int = Field(
        600, ge=0, description="For all tries of a load after passing faults: no try begins after that."
    )


class RedshiftSpec(SpecModel):
    """Amazon Redshift as the warehouse, provisioned or serverless."""

    host: str | None = Field(
        None, description="Host name; looked up for iam and serverless, or taken from the secret, without."
    )
    port: int = Field(5439, ge=1, le=65535, description="Port.")
    database: str = Field(description="Name of the database.")
    user: str | None = Field(None, description="Database user, where neither secret nor auth names one.")
    auth: RedshiftAuthSpec = Field(description="How to log in.")
    transport: Literal["driver", "data_api"] = Field(
        "driver", description="A connection to the cluster, or the Redshift Data API, which needs no route to it."
    )
    tls: TlsSpec = Field(default_factory=TlsSpec, description="TLS of the connection.")
    copy_role: str = Field(
        "default", description="IAM role that COPY reads the store with: `default`, an ARN, or ARNs chained by commas."
    )
    staging_schema: str | None = Field(None, description="Schema for staging tables; temporary tables without.")
    statement_timeout_seconds: int = Field(3600, ge=1, description="Longest time one statement may take.")
    patience: RedshiftPatienceSpec = Field(
        default_factory=RedshiftPatienceSpec, description="How long it is waited for, by phase."
    )
    query_group: str = Field(
        "cloud-etl", pattern=r"^[A-Za-z0-9_.:-]{1,100}$", description="Query group; the run id is appended."
    )
    varchar_headroom: float | int = Field(
        2.0, ge=1, le=100, description="New VARCHAR columns hold this many times the longest value, in bytes."
    )
    endpoint_url: str | None = Field(None, description="Address of the AWS APIs, for servers that stand in for them.")

    @field_validator("copy_role")
    @classmethod
    def _role(cls, value: str) -> str:
        import re

        if "${" not in value and not re.fullmatch(_ROLE, value):
            raise ValueError("copy_role is `default`, the ARN of an IAM role, or ARNs chained by commas without blanks")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        auth = self.auth
        if self.transport == "data_api" and auth.iam is None and auth.serverless is None:
            raise ValueError(
                "transport data_api logs in by auth.iam or auth.serverless (with secret_arn for a password), "
                "not by password or secret"
            )
        if auth.password is not None and not (self.host and self.user):
            raise ValueError("auth.password needs host and user beside it")
        return self


class WarehouseSpec(SpecModel):
    """The warehouse; exactly one kind."""

    duckdb: DuckDbSpec | None = Field(None, description="A DuckDB file.")
    redshift: RedshiftSpec | None = Field(None, description="Amazon Redshift.")

    @property
    def kind(self) -> str:
        """Name of the kind that is given."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = tuple(type(self).model_fields)
        given = [name for name in kinds if getattr(self, name) is not None]
        if not given:
            raise ValueError(f"name the kind of warehouse: one of {', '.join(kinds)}, with its settings")
        if len(given) > 1:
            raise ValueError(
                f"an environment has one warehouse, not {' and '.join(given)}; where one comes from the base "
                f"environment, write `{given[0]}: null` beside the other"
            )
        return self
