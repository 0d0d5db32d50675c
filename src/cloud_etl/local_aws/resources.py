"""What lies in a fresh local AWS: the bucket with the raw files, the secret, the role that COPY names."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import TargetError
from cloud_etl.local_aws.parts import HOST, REGION
from cloud_etl.storage.object_store import ObjectInfo, ObjectStore

if TYPE_CHECKING:
    from cloud_etl.config.config import LoadedProject
    from cloud_etl.local_aws.stack import Addresses

ROLE = "cloud-etl-local-copy"
ROLE_ARN = f"arn:aws:iam::123456789012:role/{ROLE}"
_READY_SECONDS = 30
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


def secret_name(project: str) -> str:
    """Name of the secret with the warehouse's login."""
    return f"{project}/local-aws/redshift"


def make_resources(addresses: Addresses, project: str, bucket: str) -> None:
    """Make bucket, secret and role, those that are not there; none is ever emptied.

    Raises:
        TargetError: S3 does not take the bucket.
    """
    _make_bucket(addresses, bucket)
    _make_role(addresses)
    _put_secret(addresses, project)


def copy_raw_files(loaded: LoadedProject, addresses: Addresses, bucket: str) -> int:
    """Copy the files that the pipelines read from the project's folder into the bucket; those there already stay.

    A file is copied again when its size differs or it was changed after it was copied: a correction may have the
    length of what it corrects.

    Args:
        loaded: in the environment whose store is a folder; another has nothing to copy.
        addresses: of the local S3.
        bucket: takes the files, under the keys they have below the folder.

    Returns:
        Number of files copied.
    """
    if "://" in loaded.environment.store.removeprefix("file://"):
        return 0
    source = ObjectStore.open(loaded.environment.store, loaded.environment.s3, loaded.root)
    target = ObjectStore.open(f"s3://{bucket}", s3_spec(addresses), loaded.root)
    copied = 0
    folders = {pipeline.source.path.strip("/") for pipeline in loaded.pipelines.values()}
    for folder in sorted(folder for folder in folders if "://" not in folder and not Path(folder).is_absolute()):
        there = {info.key: info for info in target.list(folder)}
        for info in source.list(folder):
            path = source.local_path(info.key) if info.refused is None else None
            if path is not None and _is_stale(there.get(info.key), info):
                target.upload(path, info.key)
                copied += 1
    return copied


def _is_stale(copy: ObjectInfo | None, original: ObjectInfo) -> bool:
    return copy is None or copy.size_bytes != original.size_bytes or copy.modified_at < original.modified_at


def s3_spec(addresses: Addresses) -> S3Spec:
    """Settings for the local S3."""
    return S3Spec(
        endpoint=addresses.s3_endpoint, region=REGION, path_style=True, access_key_id=addresses.access_key_id,
        secret_access_key=SecretStr(addresses.secret_access_key),
    )  # fmt: skip


def _make_bucket(addresses: Addresses, bucket: str) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    client = _client("s3", addresses.s3_endpoint, addresses)
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            client.create_bucket(Bucket=bucket)
            # SeaweedFS answers before its volumes are there; then the first write waits for them.
            client.put_object(Bucket=bucket, Key=".cloud-etl-local", Body=b"")
            client.delete_object(Bucket=bucket, Key=".cloud-etl-local")
            return
        except (ClientError, BotoCoreError) as exc:
            code = exc.response["Error"]["Code"] if isinstance(exc, ClientError) else type(exc).__name__
            if code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                return
            if time.monotonic() > deadline:
                raise TargetError(f"the local S3 did not take the bucket {bucket}: {code}. The servers run.") from exc
            time.sleep(0.2)


def _make_role(addresses: Addresses) -> None:
    client = _client("iam", addresses.aws_endpoint, addresses)
    try:
        client.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))
    except client.exceptions.EntityAlreadyExistsException:
        return


def _put_secret(addresses: Addresses, project: str) -> None:
    client = _client("secretsmanager", addresses.aws_endpoint, addresses)
    text = json.dumps(
        {
            "engine": "redshift", "host": HOST, "port": addresses.redshift_port, "dbname": addresses.redshift_database,
            "username": addresses.redshift_user, "password": addresses.redshift_password,
        }
    )  # fmt: skip
    try:
        client.create_secret(Name=secret_name(project), SecretString=text)
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=secret_name(project), SecretString=text)


def _client(service: Any, endpoint: str, addresses: Addresses) -> Any:
    # Any: boto3's stubs know services by literal names only.
    import boto3
    from botocore.config import Config

    return boto3.Session().client(
        service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=addresses.access_key_id,
        aws_secret_access_key=addresses.secret_access_key, config=Config(retries={"max_attempts": 3}),
    )  # fmt: skip
