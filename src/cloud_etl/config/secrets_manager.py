"""Read secrets from AWS Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.errors import SecretError, TemporaryError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

PASSING = {"InternalServiceError", "InternalServiceErrorException", "ThrottlingException", "Throttling"}


def fetch_from_aws(name: str) -> str:
    """Read a secret from AWS Secrets Manager with the standard credential chain.

    Raises:
        SecretError: it is not there, may not be read, or AWS cannot be reached; says what to do.
        TemporaryError: the service has a passing fault.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        # A session of its own: the default one is shared between threads and keeps credentials that were changed.
        answer = boto3.Session().client("secretsmanager").get_secret_value(SecretId=name)
    except ClientError as exc:
        raise _refused(name, exc) from exc
    except BotoCoreError as exc:
        raise SecretError(_unreachable(name, exc)) from exc
    if "SecretString" in answer:
        return answer["SecretString"]
    try:
        return answer["SecretBinary"].decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"secret {name} is binary and no UTF-8 text; store it as text") from None


def _refused(name: str, exc: ClientError) -> SecretError | TemporaryError:
    code = exc.response.get("Error", {}).get("Code", "unknown")
    if code in PASSING:
        return TemporaryError(f"Secrets Manager did not give secret {name} ({code}). Nothing was opened. Try again.")
    advice = {
        "ResourceNotFoundException": "there is none of that name. Check the name, the region and the account",
        "AccessDeniedException": "access was denied. Allow secretsmanager:GetSecretValue on it to this role",
        "DecryptionFailure": "it cannot be decrypted. Allow kms:Decrypt on its key to this role",
        "InvalidRequestException": "it is being deleted. Restore it or name another",
        "UnrecognizedClientException": "the credentials are not valid. Renew them",
        "ExpiredTokenException": "the credentials have expired. Renew them",
    }.get(code, f"AWS answered {code}. Check the name and the role's permissions")
    return SecretError(f"secret {name} cannot be read from Secrets Manager: {advice}. Nothing was opened.")


def _unreachable(name: str, exc: BotoCoreError) -> str:
    kind = type(exc).__name__
    advice = {
        "NoCredentialsError": "no AWS credentials were found. Set AWS_PROFILE, or give the machine a role",
        "PartialCredentialsError": "the AWS credentials are incomplete. Set both key and secret key",
        "NoRegionError": "no region is set. Set AWS_REGION",
        "ProfileNotFound": "the AWS profile is not there. Check AWS_PROFILE",
    }.get(kind, f"AWS could not be reached ({kind}). Check the network and AWS_ENDPOINT_URL")
    return f"secret {name} cannot be read from Secrets Manager: {advice}. Nothing was opened."
