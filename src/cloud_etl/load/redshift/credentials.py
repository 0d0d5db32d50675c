"""Who logs in and where: from the settings, a secret, or temporary credentials of AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloud_etl.config.secrets import remember_secret
from cloud_etl.errors import SecretError, TargetError, TemporaryError

if TYPE_CHECKING:
    from cloud_etl.domain.warehouse import IamSpec, RedshiftSpec, ServerlessSpec

_PASSING = {
    "Throttling", "ThrottlingException", "RequestLimitExceeded", "InternalFailure", "InternalServerException",
    "ServiceUnavailable", "ServiceUnavailableException",
}  # fmt: skip
_ADVICE = {
    "ClusterNotFound": "there is no cluster of that name in this region and account. Check both",
    "ResourceNotFoundException": "there is no workgroup of that name in this region and account. Check both",
    "AccessDenied": "access was denied. Allow {actions} to this identity",
    "AccessDeniedException": "access was denied. Allow {actions} to this identity",
    "UnauthorizedOperation": "access was denied. Allow {actions} to this identity",
    "ExpiredToken": "the AWS credentials have expired. Renew them",
    "ExpiredTokenException": "the AWS credentials have expired. Renew them",
    "InvalidClientTokenId": "the AWS credentials are not valid. Renew them",
    "UnrecognizedClientException": "the AWS credentials are not valid. Renew them",
    "NoCredentialsError": "no AWS credentials were found. Set AWS_PROFILE, or give the machine a role",
    "NoRegionError": "no region is set. Set region, or AWS_REGION",
    "ProfileNotFound": "the AWS profile is not there. Check profile and AWS_PROFILE",
}


@dataclass(frozen=True, slots=True)
class Login:
    """Everything a connection needs.

    Attributes:
        source: where the credentials come from, for messages.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    source: str


def log_in(spec: RedshiftSpec) -> Login:
    """Find host, user and password; temporary credentials are made anew.

    Raises:
        SecretError: the secret lacks something.
        TargetError: AWS gives no credentials; says what to allow or to check.
        TemporaryError: AWS has a passing fault.
    """
    auth = spec.auth
    if auth.iam is not None:
        login = _from_cluster(spec, auth.iam)
    elif auth.serverless is not None:
        login = _from_workgroup(spec, auth.serverless)
    elif auth.secret is not None:
        login = _from_secret(spec, auth.secret.get_secret_value())
    else:
        password = auth.password.get_secret_value() if auth.password else ""
        login = Login(spec.host or "", spec.port, spec.database, spec.user or "", password, "auth.password")
    remember_secret(login.password)
    return login


def _from_secret(spec: RedshiftSpec, text: str) -> Login:
    """From a secret as Secrets Manager keeps it for Redshift, or from one that is the password alone."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    keys: dict[str, Any] = found if isinstance(found, dict) else {"password": text}
    host = spec.host or keys.get("host")
    user = spec.user or keys.get("username") or keys.get("user")
    lacking = [
        f"{setting} (or key {key} of the secret)"
        for setting, key, value in (("host", "host", host), ("user", "username", user))
        if not value
    ]
    if not keys.get("password"):
        lacking.append("key password of the secret")
    if lacking:
        raise SecretError(
            f"warehouse.redshift: {' and '.join(lacking)} is missing. Nothing was opened. "
            "Write it into the settings, or into the secret."
        )
    port = spec.port if "port" in spec.model_fields_set else int(keys.get("port") or spec.port)
    return Login(str(host), port, spec.database, str(user), str(keys["password"]), "auth.secret")


def _from_cluster(spec: RedshiftSpec, iam: IamSpec) -> Login:
    name, action = iam.cluster_identifier, "GetClusterCredentials"
    if iam.with_iam:
        action = "GetClusterCredentialsWithIAM"
    with aws_errors(f"cluster {name}", f"redshift:{action} and redshift:DescribeClusters"):
        client = aws_client("redshift", spec, iam)
        host, port = spec.host, spec.port
        if host is None:
            endpoint = client.describe_clusters(ClusterIdentifier=name)["Clusters"][0]["Endpoint"]
            host, port = endpoint["Address"], endpoint["Port"]
        if iam.with_iam:
            given = client.get_cluster_credentials_with_iam(DbName=spec.database, ClusterIdentifier=name)
        else:
            given = client.get_cluster_credentials(
                DbUser=iam.db_user, DbName=spec.database, ClusterIdentifier=name, AutoCreate=False
            )
    return Login(host, port, spec.database, given["DbUser"], given["DbPassword"], f"auth.iam ({action})")


def _from_workgroup(spec: RedshiftSpec, serverless: ServerlessSpec) -> Login:
    name = serverless.workgroup
    with aws_errors(f"workgroup {name}", "redshift-serverless:GetCredentials and redshift-serverless:GetWorkgroup"):
        client = aws_client("redshift-serverless", spec, serverless)
        host, port = spec.host, spec.port
        if host is None:
            endpoint = client.get_workgroup(workgroupName=name)["workgroup"]["endpoint"]
            host, port = endpoint["address"], endpoint["port"]
        given = client.get_credentials(workgroupName=name, dbName=spec.database)
    source = "auth.serverless (GetCredentials)"
    return Login(host, port, spec.database, given["dbUser"], given["dbPassword"], source)


# Any: boto3 makes its clients at run time.
def aws_client(service: str, spec: RedshiftSpec, place: IamSpec | ServerlessSpec) -> Any:
    """A boto3 client with the standard credential chain, or a profile."""
    import boto3
    from botocore.config import Config

    session: Any = boto3.Session(profile_name=place.profile, region_name=place.region)
    config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})
    return session.client(service, endpoint_url=spec.endpoint_url, config=config)


@contextmanager
def aws_errors(target: str, actions: str) -> Iterator[None]:
    """Turn what boto3 raises into our errors."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "unknown")
        if code in _PASSING:
            raise TemporaryError(f"AWS gave no credentials for {target} ({code}). Nothing was opened.") from exc
        advice = _ADVICE.get(code.removesuffix("Fault"), f"AWS answered {code}. Check the settings and the policy")
        raise TargetError(
            f"AWS gives no access to {target}: {advice.format(actions=actions)}. Nothing was opened."
        ) from exc
    except BotoCoreError as exc:
        kind = type(exc).__name__
        advice = _ADVICE.get(kind, f"AWS could not be reached ({kind}). Check the network and endpoint_url")
        raise TargetError(f"AWS gives no access to {target}: {advice}. Nothing was opened.") from exc
