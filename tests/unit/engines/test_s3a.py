from __future__ import annotations

import pytest
from pydantic import SecretStr

from cloud_etl.domain.environment import EngineSpec, S3Spec
from cloud_etl.engines.s3a import s3a_jars, s3a_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def of(**settings: object) -> dict[str, str]:
    found = s3a_settings(S3Spec.model_validate(settings))
    assert all(name.startswith("spark.hadoop.fs.s3a.") for name in found)
    return {name.removeprefix("spark.hadoop.fs.s3a."): value for name, value in found.items()}


def test_on_aws_each_machine_takes_its_own_credentials():
    settings = of(region="eu-west-1")
    assert settings["endpoint.region"] == "eu-west-1"
    assert settings["aws.credentials.provider"].endswith("DefaultCredentialsProvider")
    assert settings["path.style.access"] == "false"
    assert not {"endpoint", "access.key", "secret.key", "encryption.algorithm"} & set(settings)


def test_a_server_of_ones_own_is_spoken_to_as_the_store_does():
    settings = of(endpoint="http://10.0.0.5:9000", access_key_id="a", secret_access_key="b")
    assert settings["endpoint"] == "http://10.0.0.5:9000"
    assert (settings["path.style.access"], settings["connection.ssl.enabled"]) == ("true", "false")
    assert (settings["access.key"], settings["secret.key"]) == ("a", "b")
    assert settings["aws.credentials.provider"].endswith("SimpleAWSCredentialsProvider")
    assert of(endpoint="https://s3.example.com")["connection.ssl.enabled"] == "true"


def test_the_endpoint_of_the_environment_counts_as_well(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1234")
    assert of()["endpoint"] == "http://127.0.0.1:1234"


def test_temporary_credentials_go_with_their_token():
    settings = of(access_key_id="a", secret_access_key=SecretStr("b"), session_token="t")
    assert settings["session.token"] == "t"
    assert settings["aws.credentials.provider"].endswith("TemporaryAWSCredentialsProvider")


@pytest.mark.parametrize(
    ("spec", "algorithm", "key"),
    [
        ({"encryption": "sse-s3"}, "AES256", None),
        ({"encryption": "sse-kms"}, "SSE-KMS", None),
        ({"encryption": "sse-kms", "kms_key_id": "alias/data"}, "SSE-KMS", "alias/data"),
    ],
)
def test_objects_are_encrypted_as_those_of_the_store(spec, algorithm, key):
    settings = of(**spec)
    assert (settings["encryption.algorithm"], settings.get("encryption.key")) == (algorithm, key)


def test_jars_are_kept_below_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = s3a_jars(EngineSpec(name="spark"))
    assert settings["spark.jars.ivy"] == str(tmp_path / "cloud-etl" / "jars")
    assert "org.apache.hadoop:hadoop-aws:" in settings["spark.jars.packages"]
    assert "software.amazon.awssdk:bundle" in settings["spark.jars.excludes"].split(",")


def test_the_committer_comes_with_its_jar(tmp_path):
    protocol = "spark.sql.sources.commitProtocolClass"
    fetched = s3a_jars(EngineSpec(name="spark"))
    assert "org.apache.spark:spark-hadoop-cloud_2.13:" in fetched["spark.jars.packages"]
    assert fetched["spark.hadoop.fs.s3a.committer.name"] == "magic"
    assert fetched[protocol].endswith("PathOutputCommitProtocol")
    spec = EngineSpec(name="spark", jars=str(tmp_path))
    assert s3a_jars(spec) == {}
    (tmp_path / "org.apache.spark_spark-hadoop-cloud_2.13-4.1.1.jar").touch()
    assert s3a_jars(spec)[protocol] == fetched[protocol]


def test_a_cluster_that_has_its_jars_keeps_its_committer():
    assert s3a_jars(EngineSpec(name="spark", jars="provided")) == {}
