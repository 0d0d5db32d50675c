"""The obstore client of a bucket: endpoint, region, credentials, retries; and its errors in our words."""

from __future__ import annotations

import ipaddress
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from cloud_etl.domain.patience import Patience, waiting
from cloud_etl.errors import (
    CloudEtlError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceError,
    TargetError,
    TemporaryError,
)
from cloud_etl.storage.s3_credentials import find_credentials, source_of

if TYPE_CHECKING:
    from obstore.store import S3Config
    from obstore.store import S3Store as Client

    from cloud_etl.domain.environment import S3Spec

_STATUS = re.compile(r"status code: (\d{3})")
_RETRIES = re.compile(r"after (\d+) retries")
_FIRST_PAUSE_SECONDS = 0.1
_CODE = re.compile(r"<Code>([\w.]+)</Code>")
_PASSING = re.compile(r"error sending request|timed? ?out|connection|reset|body error|decoding", re.IGNORECASE)
_EXPIRED = "The credentials have expired; they came from {source}: get new ones and run again."
_HINTS = {
    "NoSuchBucket": "The bucket does not exist: create it, or correct the store's url.",
    "PermanentRedirect": "The bucket is in another region: set s3.region.",
    "AuthorizationHeaderMalformed": "The bucket is in another region: set s3.region.",
    "InvalidAccessKeyId": "The access key is unknown there: check the credentials ({source}) and s3.endpoint.",
    "SignatureDoesNotMatch": "The secret key does not fit the access key: check the credentials ({source}).",
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestExpired": "The clock of this machine is off, or the credentials have expired: they came from {source}.",
    "RequestTimeTooSkewed": "The clock of this machine is off: set it.",
    "KMS.DisabledException": "The key in s3.kms_key_id is disabled: enable it, or name another.",
    "KMS.NotFoundException": "The key in s3.kms_key_id is not there: correct it.",
    "AccessDenied": (
        "The credentials ({source}) lack the permission for this bucket or prefix, or for its KMS key: add it to their "
        "policy."
    ),
}


T = TypeVar("T")


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

        patience = self.s3.patience
        options: S3Config = {"virtual_hosted_style_request": not self.path_style}
        if self.endpoint is not None:
            style = self.path_style
            options["endpoint"] = self.endpoint if style else self.endpoint.replace("://", f"://{self.name}.", 1)
        found = find_credentials(self.name, self.s3)
        options |= found.options
        options["region"] = self.region or found.options.get("region") or "us-east-1"
        options |= self._request_options()
        return Client(
            self.name,
            config=options,
            client_options={"allow_http": True, "connect_timeout": "10s", "timeout": f"{patience.request_seconds}s"},
            # Room for several requests that stall for their whole time, or there would be one try.
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": timedelta(seconds=patience.retry_seconds),
            },
            credential_provider=found.provider,
        )

    def _request_options(self) -> S3Config:
        """Encryption of what is written, and who pays."""
        options: S3Config = {}
        if self.s3.encryption == "sse-s3":
            options["server_side_encryption"] = "AES256"
        elif self.s3.encryption == "sse-kms":
            options["server_side_encryption"] = "aws:kms"
            if self.s3.kms_key_id:
                options["sse_kms_key_id"] = self.s3.kms_key_id
        if self.s3.requester_pays:
            options["request_payer"] = True
        return options


def _is_bare_host(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True


@dataclass(slots=True)
class Tries:
    """How often a request was sent that obstore itself sends once."""

    count: int = 1


@contextmanager
def asked(bucket: Bucket, uri: str, fault: type[SourceError | TargetError]) -> Iterator[Tries]:
    """A request inside is said in the log where it takes long, and what obstore raises is turned into our errors."""
    patience = bucket.s3.patience
    most_seconds = patience.retry_seconds + patience.request_seconds
    with waiting(f"the store to answer for {uri}", most_seconds), s3_errors(uri, fault) as tries:
        yield tries


def once_more(bucket: Bucket, uri: str, tries: Tries, call: Callable[[], T]) -> T:
    """Send a request again whose answer was lost; obstore does so where it takes the request for harmless alone.

    Args:
        bucket: where to; its patience bounds the tries.
        uri: what it is about, for the log.
        tries: counts them.
        call: sends it; it must do no harm twice.
    """
    from obstore.exceptions import GenericError

    spec = bucket.s3.patience
    patience = Patience(f"the store to answer for {uri}", spec.retry_seconds)
    while True:
        try:
            return call()
        except GenericError as exc:
            text = str(exc)
            is_repeated = _STATUS.search(text) or _RETRIES.search(text)
            if is_repeated or not _PASSING.search(text) or tries.count > spec.retries:
                raise
            if not patience.pause(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**tries.count)):  # noqa: S311 - jitter
                raise
            tries.count += 1


@contextmanager
def s3_errors(uri: str, fault: type[SourceError | TargetError]) -> Iterator[Tries]:
    """Turn what obstore raises into our errors; fault is the class of those that stay."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    tries, begun = Tries(), time.monotonic()
    try:
        yield tries
    except AlreadyExistsError as exc:
        raise ObjectExistsError(f"{uri} is written once and already there. It is untouched.") from exc
    except PreconditionError as exc:
        what = "was overwritten after it was listed" if fault is SourceError else "was changed by another process"
        raise ObjectChangedError(f"{uri} {what}. Nothing is left half-done; run again.") from exc
    except (BaseError, FileNotFoundError) as exc:
        raise _translated(exc, uri, fault, _spent(str(exc), tries.count, time.monotonic() - begun)) from exc


def _spent(text: str, sent: int, seconds: float) -> str:
    """How often and how long it was tried, in words."""
    if "body error" in text:
        # obstore goes on where a body broke off, and does not tell how often.
        return f"also after several tries in {seconds:.0f} s"
    count = sent + sum(int(number) for number in _RETRIES.findall(text)[:1])
    return f"after {count} {'try' if count == 1 else 'tries'} in {seconds:.0f} s"


def _translated(exc: Exception, uri: str, fault: type[SourceError | TargetError], spent: str) -> CloudEtlError:
    text = str(exc).split("\nDebug source", 1)[0]
    code = next(iter(_CODE.findall(text)), "")
    status = next(iter(_STATUS.findall(text)), "")
    source = source_of(uri.removeprefix("s3://").partition("/")[0])
    if "External AWS credential provider" in text:
        why = text.partition("provider: ")[2].splitlines()[0][:200]
        return fault(f"{uri}: the credentials could not be renewed; they came from {source}: {why}. Sign in anew.")
    if code in _HINTS:
        return fault(f"{uri}: {code}. {_HINTS[code].format(source=source)}")
    if isinstance(exc, FileNotFoundError):
        return ObjectMissingError(f"{uri} does not exist.")
    if status.startswith("5") or status in ("408", "429") or (not status and _PASSING.search(text)):
        what = code or (f"status {status}" if status else "the server could not be reached, or cut the connection")
        return TemporaryError(
            f"{uri}: {what}, {spent}. Nothing is left half-written. Try again later; s3.patience says how long "
            "it is waited for."
        )
    if status in ("401", "403"):
        return fault(
            f"{uri}: {code or 'access denied'} (status {status}). {_HINTS['AccessDenied'].format(source=source)}"
        )
    # Not the whole text: it holds the request and the body of the answer.
    return fault(f"{uri}: {code or text.splitlines()[0][:200]}{f' (status {status})' if status else ''}.")
