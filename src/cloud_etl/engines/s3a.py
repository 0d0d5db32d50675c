"""Hadoop's client for S3, by which Spark reads s3a://: its settings, from those of the store, and its jars."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.environment import PROVIDED_JARS
from cloud_etl.storage.s3_client import Bucket

if TYPE_CHECKING:
    from cloud_etl.domain.environment import EngineSpec, S3Spec

PREFIX = "spark.hadoop."
# The Hadoop that PySpark 4.2.0 brings, and an SDK that has all modules which it names.
_HADOOP, _SDK = "3.5.0", "2.57.8"
_SDK_MODULES = ("s3", "s3-transfer-manager", "sts", "kms", "apache-client")
# One jar of 655 MB with every service of AWS.
_BUNDLE = "software.amazon.awssdk:bundle"
# The committers of Hadoop as Spark's: 4.1.1 runs on Spark 4.2.0, which has none yet. It asks for other clouds' clients.
_COMMITTERS = "spark-hadoop-cloud"
_COMMITTERS_VERSION = "2.13:4.1.1"
_OTHER_CLOUDS = (
    *(f"org.apache.hadoop:hadoop-{name}" for name in ("client-api", "client-runtime", "cloud-storage", "azure")),
    *(f"org.apache.hadoop:hadoop-{name}" for name in ("azure-datalake", "gcp", "huaweicloud", "openstack")),
    "com.google.cloud.bigdataoss:gcs-connector",
)
# Rows appear in S3 when the task that wrote them is committed, by a last request and not by copying every file.
_MAGIC = {
    "spark.hadoop.fs.s3a.committer.name": "magic",
    "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
}
_OWN_CHAIN = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
_GIVEN_KEYS = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
_GIVEN_TOKEN = "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider"  # noqa: S105 - the name of a class


def s3a_settings(s3: S3Spec) -> dict[str, str]:
    """Settings by which the machines of a cluster reach the store as this one does.

    Credentials that are not in the settings come from the chain of each machine: its role, or its environment.
    """
    bucket = Bucket("", s3)
    settings = {
        "fs.s3a.endpoint.region": bucket.region or "us-east-1",
        "fs.s3a.path.style.access": str(bucket.path_style).lower(),
        "fs.s3a.requester.pays.enabled": str(s3.requester_pays).lower(),
        # Ours is the loop that tries again; an address where nobody answers is told within a minute.
        "fs.s3a.attempts.maximum": "3",
        "fs.s3a.retry.limit": "3",
        "fs.s3a.connection.establish.timeout": "5s",
        **_credentials(s3),
        **_encryption(s3),
    }
    if bucket.endpoint is not None:
        settings["fs.s3a.endpoint"] = bucket.endpoint
        settings["fs.s3a.connection.ssl.enabled"] = str(bucket.endpoint.startswith("https")).lower()
    return {f"{PREFIX}{name}": value for name, value in settings.items()}


def s3a_jars(spec: EngineSpec) -> dict[str, str]:
    """Settings that make Spark fetch the jars once and keep them, and use the committer that is among them.

    Where `engine.jars` names a folder, its jars are used, and its committer if it has one; `provided` leaves both to
    the cluster.
    """
    if spec.jars == PROVIDED_JARS:
        return {}
    if spec.jars is not None:
        return _MAGIC if any(Path(spec.jars).glob(f"*{_COMMITTERS}*.jar")) else {}
    return {
        "spark.jars.packages": pinned_packages(),
        "spark.jars.excludes": ",".join([_BUNDLE, *_OTHER_CLOUDS]),
        "spark.jars.ivy": str(jar_cache()),
        **_MAGIC,
    }


def pinned_packages() -> str:
    """The packages, by fixed versions; what they come to stands in s3a_jars.sha256."""
    modules = [f"software.amazon.awssdk:{module}:{_SDK}" for module in _SDK_MODULES]
    committers = f"org.apache.spark:{_COMMITTERS}_{_COMMITTERS_VERSION}"
    return ",".join([f"org.apache.hadoop:hadoop-aws:{_HADOOP}", *modules, committers])


def jar_cache() -> Path:
    """Where Spark keeps the jars that it fetched; they lie in its folder `jars`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloud-etl" / "jars"


def _credentials(s3: S3Spec) -> dict[str, str]:
    if not (s3.access_key_id and s3.secret_access_key):
        return {"fs.s3a.aws.credentials.provider": _OWN_CHAIN}
    found = {"fs.s3a.access.key": s3.access_key_id, "fs.s3a.secret.key": s3.secret_access_key.get_secret_value()}
    if s3.session_token is None:
        return found | {"fs.s3a.aws.credentials.provider": _GIVEN_KEYS}
    token = s3.session_token.get_secret_value()
    return found | {"fs.s3a.session.token": token, "fs.s3a.aws.credentials.provider": _GIVEN_TOKEN}


def _encryption(s3: S3Spec) -> dict[str, str]:
    algorithm = {"sse-s3": "AES256", "sse-kms": "SSE-KMS"}.get(s3.encryption)
    if algorithm is None:
        return {}
    key = {"fs.s3a.encryption.key": s3.kms_key_id} if s3.kms_key_id else {}
    return {"fs.s3a.encryption.algorithm": algorithm, **key}
