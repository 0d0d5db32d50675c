"""The environment `local-aws` of a project, and the variables for other tools."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from cloud_etl.local_aws.parts import HOST, REGION
from cloud_etl.local_aws.resources import ROLE_ARN

if TYPE_CHECKING:
    from cloud_etl.local_aws.stack import Addresses

_HEAD = """\
# Written by `cloud-etl local up`, read beside cloud-etl.yaml, removed by `cloud-etl local down`.
# What cloud-etl.yaml says under environments.local-aws goes before it.
"""


def environment_of(addresses: Addresses, bucket: str) -> dict[str, object]:
    """Settings of the environment, as a person would write them."""
    return {
        "store": f"s3://{bucket}",
        "s3": {
            "endpoint": addresses.s3_endpoint, "region": REGION, "path_style": True,
            "access_key_id": addresses.access_key_id, "secret_access_key": addresses.secret_access_key,
        },
        "warehouse": {
            "redshift": {
                "host": HOST, "port": addresses.redshift_port, "database": addresses.redshift_database,
                "user": addresses.redshift_user, "auth": {"password": addresses.redshift_password},
                "tls": {"mode": "verify-full", "ca_file": str(addresses.redshift_ca)},
                "copy_role": ROLE_ARN, "endpoint_url": addresses.aws_endpoint,
            }
        },
    }  # fmt: skip


def write_environment(path: Path, name: str, settings: Mapping[str, object]) -> None:
    """Write the file that the configuration reads; only its owner can, since passwords are in it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_HEAD)
        yaml.safe_dump({"environments": {name: settings}}, file, sort_keys=False)
    draft.replace(path)


def variables_of(addresses: Addresses, bucket: str, name: str) -> dict[str, str]:
    """Variables under which boto3, the AWS CLI and Redshift's drivers find the servers."""
    return {
        "AWS_ACCESS_KEY_ID": addresses.access_key_id,
        "AWS_SECRET_ACCESS_KEY": addresses.secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": addresses.aws_endpoint,
        "AWS_ENDPOINT_URL_S3": addresses.s3_endpoint,
        "LOCAL_AWS_BUCKET": bucket,
        "LOCAL_AWS_COPY_ROLE": ROLE_ARN,
        "REDSHIFT_HOST": HOST,
        "REDSHIFT_PORT": str(addresses.redshift_port),
        "REDSHIFT_DATABASE": addresses.redshift_database,
        "REDSHIFT_USER": addresses.redshift_user,
        "REDSHIFT_PASSWORD": addresses.redshift_password,
        "REDSHIFT_CA_FILE": str(addresses.redshift_ca),
        "CLOUD_ETL_ENV": name,
    }


def as_exports(variables: Mapping[str, str]) -> str:
    """The variables as lines for a shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
