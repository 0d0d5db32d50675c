"""Listing a bucket page by page, exact also where keys are odd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloud_etl.errors import SourceError, TemporaryError
from cloud_etl.storage.keys import key_problem
from cloud_etl.storage.object_store import ObjectInfo
from cloud_etl.storage.s3_client import Bucket, s3_errors
from cloud_etl.storage.s3_credentials import chain_session

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from obstore.store import S3Store as Client

_PAGE = 1000


def list_bucket(bucket: Bucket, client: Client, prefix: str) -> Iterator[ObjectInfo]:
    """Every object below a prefix (empty, or ending in a slash), with its key below the bucket.

    obstore gives up a whole listing when one key holds `..`, `//` or a control character; the rest then comes
    from boto3, which passes such keys on as they are.
    """
    import obstore
    from obstore.exceptions import InvalidPathError

    last = ""
    with s3_errors(f"s3://{bucket.name}/{prefix}", SourceError):
        try:
            for page in obstore.list(client, prefix or None, chunk_size=_PAGE):
                for meta in page:
                    last = meta["path"]
                    yield ObjectInfo(last, meta["size"], meta["e_tag"], meta["version"], meta["last_modified"])
            return
        except InvalidPathError:
            pass
    yield from _list_odd(bucket, prefix, last)


def _list_odd(bucket: Bucket, prefix: str, after: str) -> Iterator[ObjectInfo]:
    from botocore.exceptions import BotoCoreError, ClientError

    payer = {"RequestPayer": "requester"} if bucket.s3.requester_pays else {}
    try:
        pages = (
            _boto3(bucket)
            .get_paginator("list_objects_v2")
            .paginate(Bucket=bucket.name, Prefix=prefix, StartAfter=after, **payer)
        )
        for page in pages:
            for item in page.get("Contents", ()):
                key = item["Key"]
                refused = "folder marker" if key.endswith("/") else key_problem(key)
                yield ObjectInfo(key, item["Size"], item.get("ETag"), None, item["LastModified"], refused)
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "unknown error")
        raise SourceError(f"s3://{bucket.name}/{prefix} could not be listed: {code}.") from exc
    except BotoCoreError as exc:
        raise TemporaryError(f"s3://{bucket.name}/{prefix} could not be listed: {type(exc).__name__}.") from exc


def _boto3(bucket: Bucket) -> BaseClient:
    from botocore.config import Config

    config = Config(s3={"addressing_style": "path" if bucket.path_style else "auto"})
    client: BaseClient = chain_session(bucket.s3, bucket.region).client(
        "s3", endpoint_url=bucket.endpoint, config=config
    )
    return client
