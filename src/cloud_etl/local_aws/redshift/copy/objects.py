"""The S3 that a statement reads from and writes to, with its credentials and region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cloud_etl.domain.environment import S3Spec
from cloud_etl.local_aws.redshift.copy.failures import s3_failures
from cloud_etl.local_aws.redshift.port import RedshiftError
from cloud_etl.storage.object_store import ObjectInfo, ObjectStore
from cloud_etl.storage.s3_client import Bucket
from cloud_etl.storage.s3_ranges import RangeReader

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

    from cloud_etl.local_aws.redshift.copy.statement import Authorization
    from cloud_etl.local_aws.redshift.port import S3Settings


@dataclass(frozen=True, slots=True)
class S3Address:
    """Bucket and key of `s3://bucket/key`."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Address:
        """Split an address.

        Raises:
            RedshiftError: it names no bucket.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not bucket:
            raise RedshiftError(f"Invalid S3 URI: {uri[:200]}. The URI must be of the form s3://bucket/prefix.")
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        """The address as written."""
        return f"s3://{self.bucket}/{self.key}"


class Objects:
    """Listing, reading and writing objects for one statement; one client per bucket."""

    def __init__(self, settings: S3Settings, authorization: Authorization) -> None:
        """Store how to reach S3; a role stands for the credentials of the server's settings."""
        keys = (settings.access_key_id, settings.secret_access_key, settings.session_token)
        if authorization.access_key_id:
            keys = (authorization.access_key_id, authorization.secret_access_key, authorization.session_token)
        self._region = settings.region
        self._spec = S3Spec(
            endpoint=settings.endpoint,
            region=settings.region,
            path_style=settings.path_style,
            access_key_id=keys[0],
            secret_access_key=SecretStr(keys[1]),
            session_token=SecretStr(keys[2]) if keys[2] else None,
        )
        self._client = cache(self._connect)
        self._store = cache(self._open)

    def list(self, address: S3Address) -> Iterator[ObjectInfo]:
        """Every object whose key begins with the address's key, which need not end at a slash."""
        folder = address.key.rpartition("/")[0]
        with s3_failures():
            for info in self._store(address.bucket).list(folder):
                if info.key.startswith(address.key) and not info.key.endswith("/"):
                    yield info

    def find(self, address: S3Address) -> ObjectInfo:
        """One object."""
        with s3_failures():
            return self._store(address.bucket).find(address.key)

    def read(self, address: S3Address, prefix: str = "") -> bytes:
        """Content of a small object; prefix stands before an error's text."""
        with s3_failures(prefix):
            return self._store(address.bucket).read(address.key)

    def open(self, address: S3Address, size_bytes: int) -> RangeReader:
        """An object as a file."""
        bucket = Bucket(address.bucket, self._spec)
        return RangeReader((bucket, self._client(address.bucket)), address.key, address.uri, size_bytes)

    def upload(self, path: Path, address: S3Address) -> None:
        """Put a file into S3."""
        with s3_failures():
            self._store(address.bucket).upload(path, address.key)

    def write(self, address: S3Address, data: bytes) -> None:
        """Put a small object into S3."""
        with s3_failures():
            self._store(address.bucket).write(address.key, data)

    def delete(self, address: S3Address) -> None:
        """Delete an object."""
        with s3_failures():
            self._store(address.bucket).delete(address.key)

    def region_of(self, bucket: str) -> str | None:
        """Region of a bucket; None where the server does not say."""
        secret = self._spec.secret_access_key
        assert self._spec.access_key_id and secret  # both were set by the constructor
        return _bucket_region(
            bucket, self._spec.endpoint, self._spec.access_key_id, secret.get_secret_value(), self._region
        )

    def _connect(self, bucket: str) -> Client:
        return Bucket(bucket, self._spec).connect()

    def _open(self, bucket: str) -> ObjectStore:
        return ObjectStore.open(f"s3://{bucket}", self._spec, Path())


@lru_cache(maxsize=256)
def _bucket_region(bucket: str, endpoint: str | None, key_id: str, secret: str, region: str) -> str | None:
    # Cached for the server's life: a bucket never moves, and each look-up costs a request and a client.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name=region, aws_access_key_id=key_id, aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )  # fmt: skip
    try:
        found = client.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    except (BotoCoreError, ClientError):
        return None
    return str(found) if found else "us-east-1"
