"""Where the credentials of a bucket come from: the settings, a profile, or the standard AWS credential chain."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cloud_etl.errors import SourceError

if TYPE_CHECKING:
    import boto3
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Config

    from cloud_etl.domain.environment import S3Spec

# botocore renews what ends within ten minutes; a copy of it may be kept for less than that.
_KEPT = timedelta(minutes=5)
_METHODS = {
    "env": "the environment (AWS_ACCESS_KEY_ID)",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "the AWS config file",
    "sso": "IAM Identity Center (sign in anew: aws sso login)",
    "assume-role": "an assumed role",
    "assume-role-with-web-identity": "the web identity token of this pod",
    "container-role": "the role of this container",
    "iam-role": "the role of this machine",
    "custom-process": "the credential_process of the profile",
}

_sources: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials for obstore: fixed ones in the options, or a provider that renews them."""

    options: S3Config
    provider: Boto3CredentialProvider | None
    source: str


def find_credentials(bucket: str, s3: S3Spec) -> Credentials:
    """Find the credentials for a bucket; those of the settings win over a profile, and that over the chain.

    Raises:
        SourceError: there are none; says where they could come from.
    """
    if s3.access_key_id and s3.secret_access_key:
        options: S3Config = {
            "access_key_id": s3.access_key_id,
            "secret_access_key": s3.secret_access_key.get_secret_value(),
        }
        if s3.session_token:
            options["session_token"] = s3.session_token.get_secret_value()
        found = Credentials(options, None, "the settings (s3.access_key_id)")
    elif s3.profile is None and os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"):
        # obstore reads these itself.
        found = Credentials({}, None, _METHODS["env"])
    else:
        found = _from_chain(bucket, s3)
    _sources[bucket] = found.source
    return found


def source_of(bucket: str) -> str:
    """Where the credentials of a bucket came from when it was last opened, for messages."""
    return _sources.get(bucket, "an unknown source")


def chain_session(s3: S3Spec, region: str | None = None) -> boto3.Session:
    """A boto3 session with the credentials of the settings, a profile, or the chain."""
    import boto3

    secret, token = s3.secret_access_key, s3.session_token
    return boto3.Session(
        aws_access_key_id=s3.access_key_id if secret else None,
        aws_secret_access_key=secret.get_secret_value() if secret and s3.access_key_id else None,
        aws_session_token=token.get_secret_value() if token else None,
        region_name=region,
        profile_name=s3.profile,
    )


def _from_chain(bucket: str, s3: S3Spec) -> Credentials:
    # obstore itself knows the environment and the instance; profiles, SSO and roles are boto3's.
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = chain_session(s3)
        provider = Boto3CredentialProvider(session, ttl=_KEPT)
    except BotoCoreError as exc:
        raise SourceError(
            f"no AWS credentials for s3://{bucket}: {exc}. Correct s3.profile or AWS_PROFILE, or sign in anew."
        ) from exc
    except ValueError as exc:
        raise SourceError(
            f"no AWS credentials for s3://{bucket}: neither the environment, nor a profile, nor a role of this "
            "machine has any. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from exc
    method = str(getattr(provider.credentials, "method", ""))
    source = _METHODS.get(method, method or "the AWS credential chain")
    profile = s3.profile or os.environ.get("AWS_PROFILE")
    return Credentials(provider.config, provider, f"{source}, profile {profile}" if profile else source)
