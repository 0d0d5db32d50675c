"""The obstore client of a bucket: endpoint, region, credentials, retries; and its errors in our words."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloud_etl.errors import (
    CloudEtlError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceError,
    TargetError,
    TemporaryError,
)

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Config
    from obstore.store import S3Store as Client

    from cloud_etl.domain.spec import S3Spec

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_PASSING = re.compile(r"error sending request|timed? ?out|connection|reset|body error|decoding", re.IGNORECASE)
_HINTS = {
    "NoSuchBucket": "The bucket does not exist: create it, or correct the store's url.",
    "PermanentRedirect": "The bucket is in another region: set s3.region.",
    "AuthorizationHeaderMalformed": "The bucket is in another region: set s3.region.",
    "InvalidAccessKeyId": "The access key is unknown there: check the credentials and s3.endpoint.",
    "SignatureDoesNotMatch": "The secret key does not fit the access key: check the credentials.",
    "ExpiredToken": "The credentials have expired: get new ones and run again.",
    "AccessDenied": "The credentials lack the permission for this bucket or prefix: add it to their policy.",
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and how to reach it; connects when asked for a client."""

    name: str
    s3: S3Spec

    @property
    def endpoint(self) -> str | None:
        """Address of the S3-compatible server, or None for AWS."""
        return self.s3.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None

    @property
    def region(self) -> str | None:
        """Region from the settings or the environment, or None."""
        return self.s3.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None

    @property
    def path_style(self) -> bool:
        """Whether the bucket goes into the path; a host without subdomains leaves no choice."""
        return self.s3.path_style or (self.endpoint is not None and _is_bare_host(self.endpoint))

    def connect(self) -> Client:
        """Client with pooled connections; credentials are looked up, the bucket is not.

        Raises:
            SourceError: there are no credentials.
        """
        from obstore.store import S3Store as Client

        options: S3Config = {"virtual_hosted_style_request": not self.path_style}
        if self.endpoint is not None:
            style = self.path_style
            options["endpoint"] = self.endpoint if style else self.endpoint.replace("://", f"://{self.name}.", 1)
        provider = None
        if self.s3.access_key_id and self.s3.secret_access_key:
            options["access_key_id"] = self.s3.access_key_id
            options["secret_access_key"] = self.s3.secret_access_key.get_secret_value()
        elif not (os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY")):
            provider = self._credential_chain()
        options["region"] = self.region or (provider.config.get("region") if provider else None) or "us-east-1"
        return Client(
            self.name,
            config=options,
            client_options={"allow_http": True, "connect_timeout": "10s", "timeout": "120s"},
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
            credential_provider=provider,
        )

    def _credential_chain(self) -> Boto3CredentialProvider:
        # obstore itself knows the environment and the instance; profiles, SSO and roles are boto3's.
        from obstore.auth.boto3 import Boto3CredentialProvider

        try:
            return Boto3CredentialProvider()
        except ValueError as exc:
            raise SourceError(
                f"no AWS credentials for s3://{self.name}: neither the environment, nor a profile, nor a role of this "
                "machine has any. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from exc


def _is_bare_host(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True


@contextmanager
def s3_errors(uri: str, fault: type[SourceError | TargetError]) -> Iterator[None]:
    """Turn what obstore raises into our errors; fault is the class of those that stay."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except AlreadyExistsError as exc:
        raise ObjectExistsError(f"{uri} is written once and already there. It is untouched.") from exc
    except PreconditionError as exc:
        what = "was overwritten after it was listed" if fault is SourceError else "was changed by another process"
        raise ObjectChangedError(f"{uri} {what}. Nothing is left half-done; run again.") from exc
    except (BaseError, FileNotFoundError) as exc:
        raise _translated(exc, uri, fault) from exc


def _translated(exc: Exception, uri: str, fault: type[SourceError | TargetError]) -> CloudEtlError:
    text = str(exc).split("\nDebug source", 1)[0]
    code = next(iter(_CODE.findall(text)), "")
    status = next(iter(_STATUS.findall(text)), "")
    if code in _HINTS:
        return fault(f"{uri}: {code}. {_HINTS[code]}")
    if isinstance(exc, FileNotFoundError):
        return ObjectMissingError(f"{uri} does not exist.")
    if status.startswith("5") or status in ("408", "429") or (not status and _PASSING.search(text)):
        what = code or (f"status {status}" if status else "the server could not be reached, or cut the connection")
        return TemporaryError(
            f"{uri}: {what}, also after several tries. Nothing is left half-written. Try again later."
        )
    if status in ("401", "403"):
        return fault(f"{uri}: {code or 'access denied'} (status {status}). {_HINTS['AccessDenied']}")
    # Not the whole text: it holds the request and the body of the answer.
    return fault(f"{uri}: {code or text.splitlines()[0][:200]}{f' (status {status})' if status else ''}.")
