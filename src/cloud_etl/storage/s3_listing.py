"""Listing a bucket page by page, exact also where keys are odd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloud_etl.errors import SourceError
from cloud_etl.storage.keys import key_problem
from cloud_etl.storage.object_store import ObjectInfo
from cloud_etl.storage.s3_boto import boto3_client, boto3_errors, payer
from cloud_etl.storage.s3_client import Bucket, asked

if TYPE_CHECKING:
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
    pages = obstore.list(client, prefix or None, chunk_size=_PAGE)
    while True:
        with asked(bucket, f"s3://{bucket.name}/{prefix}", SourceError):
            try:
                page = next(pages, None)
            except InvalidPathError:
                break
        if page is None:
            return
        for meta in page:
            last = meta["path"]
            yield ObjectInfo(last, meta["size"], meta["e_tag"], meta["version"], meta["last_modified"])
    yield from _list_odd(bucket, prefix, last)


def _list_odd(bucket: Bucket, prefix: str, after: str) -> Iterator[ObjectInfo]:
    with boto3_errors(f"s3://{bucket.name}/{prefix} could not be listed", SourceError):
        pages = (
            boto3_client(bucket)
            .get_paginator("list_objects_v2")
            .paginate(Bucket=bucket.name, Prefix=prefix, StartAfter=after, **payer(bucket))
        )
        for page in pages:
            for item in page.get("Contents", ()):
                key = item["Key"]
                refused = "folder marker" if key.endswith("/") else key_problem(key)
                yield ObjectInfo(key, item["Size"], item.get("ETag"), None, item["LastModified"], refused)
