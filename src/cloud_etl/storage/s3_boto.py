"""A boto3 client of a bucket, for what obstore cannot do: odd keys, and copies of large objects or between buckets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloud_etl.errors import SourceError, TargetError, TemporaryError
from cloud_etl.storage.s3_credentials import chain_session

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from cloud_etl.storage.s3_client import Bucket

# CopyObject takes no more; a multipart copy does.
MOST_COPIED_BYTES = 5 << 30
_PART_BYTES = 512 << 20
_DELETED_AT_ONCE = 1_000
_SERVER_FAULT = 500
_BUSY = ("SlowDown", "RequestTimeout", "Throttling", "TooManyRequests")


def boto3_client(bucket: Bucket) -> BaseClient:
    """A client with the settings of a bucket; connects when it is first used."""
    from botocore.config import Config

    patience = bucket.s3.patience
    config = Config(
        s3={"addressing_style": "path" if bucket.path_style else "auto"},
        connect_timeout=10,
        read_timeout=patience.request_seconds,
        retries={"mode": "standard", "total_max_attempts": patience.retries + 1},
    )
    client: BaseClient = chain_session(bucket.s3, bucket.region).client(
        "s3", endpoint_url=bucket.endpoint, config=config
    )
    return client


@contextmanager
def boto3_errors(what: str, fault: type[SourceError | TargetError]) -> Iterator[None]:
    """Turn what boto3 raises into our errors; what says what could not be done, fault is the class of those that stay.

    Raises:
        TemporaryError: the server could not be reached, or is busy.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    begun = time.monotonic()
    try:
        yield
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "unknown error")
        told = exc.response.get("ResponseMetadata", {})
        if told.get("HTTPStatusCode", 0) >= _SERVER_FAULT or code in _BUSY:
            count, seconds = told.get("RetryAttempts", 0) + 1, time.monotonic() - begun
            tries = "try" if count == 1 else "tries"
            raise TemporaryError(f"{what}: {code}, after {count} {tries} in {seconds:.0f} s. Try again later.") from exc
        raise fault(f"{what}: {code}.") from exc
    except BotoCoreError as exc:
        seconds = time.monotonic() - begun
        raise TemporaryError(f"{what}: {type(exc).__name__}, after {seconds:.0f} s. Try again later.") from exc


def copy_large(source: tuple[Bucket, str], target: tuple[Bucket, str]) -> None:
    """Copy an object on the server, in parts where it is large; between buckets of one account as well.

    Args:
        source: bucket and key.
        target: bucket and key; its encryption is that of the target's settings.
    """
    from boto3.s3.transfer import TransferConfig

    (of, key), (to, target_key) = source, target
    client = boto3_client(to)
    config = TransferConfig(multipart_threshold=MOST_COPIED_BYTES, multipart_chunksize=_PART_BYTES)
    uri = f"s3://{to.name}/{target_key}"
    with boto3_errors(f"{uri} could not be written as a copy of s3://{of.name}/{key}", TargetError):
        client.copy(  # type: ignore[attr-defined]  # boto3 adds its transfers to the client at run time
            {"Bucket": of.name, "Key": key}, to.name, target_key, ExtraArgs=_extra_args(to), Config=config
        )


def delete_markers(bucket: Bucket, prefix: str) -> None:
    """Delete the objects below a prefix whose keys end in a slash, which Hadoop makes for folders."""
    client = boto3_client(bucket)
    with boto3_errors(f"the folder markers below s3://{bucket.name}/{prefix} could not be deleted", TargetError):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=prefix, **payer(bucket))
        keys = [item["Key"] for page in pages for item in page.get("Contents", ()) if item["Key"].endswith("/")]
        for first in range(0, len(keys), _DELETED_AT_ONCE):
            found = [{"Key": key} for key in keys[first : first + _DELETED_AT_ONCE]]
            client.delete_objects(  # type: ignore[attr-defined]  # botocore makes its methods at run time
                Bucket=bucket.name, Delete={"Objects": found, "Quiet": True}
            )


def payer(bucket: Bucket) -> dict[str, str]:
    """Who pays for a request, as boto3 takes it."""
    return {"RequestPayer": "requester"} if bucket.s3.requester_pays else {}


def _extra_args(bucket: Bucket) -> dict[str, str]:
    encryption = {"sse-s3": "AES256", "sse-kms": "aws:kms"}.get(bucket.s3.encryption)
    extra = payer(bucket)
    if encryption is not None:
        extra["ServerSideEncryption"] = encryption
    if bucket.s3.kms_key_id:
        extra["SSEKMSKeyId"] = bucket.s3.kms_key_id
    return extra
