import json

import pytest

from cloud_etl.config.secrets import known_secrets, resolve_environment
from cloud_etl.config.secrets_manager import fetch_from_aws
from cloud_etl.domain.environment import EnvironmentSpec, S3Spec
from cloud_etl.domain.warehouse import DuckDbSpec, WarehouseSpec
from cloud_etl.errors import SecretError

pytestmark = pytest.mark.integration


@pytest.fixture
def aws(moto_server, monkeypatch):
    """The standard AWS settings of a machine, leading to the server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def store(aws, request):
    """Store a secret under a name of this test's own."""
    import boto3

    client = boto3.client("secretsmanager")
    names = []

    def store(name, **value):
        client.create_secret(Name=name, **value)
        names.append(name)

    yield store
    for name in names:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_an_environment_gets_its_secrets_from_secrets_manager(store):
    store("retail/dev", SecretString=json.dumps({"key": "AKIA-1", "secret": "canary-77/@?"}))
    store("retail/path", SecretBinary=b"wh.duckdb")
    written = EnvironmentSpec(
        store="./data",
        s3=S3Spec(access_key_id="${secret:retail/dev#key}", secret_access_key="${secret:retail/dev#secret}"),
        warehouse=WarehouseSpec(duckdb=DuckDbSpec(path="./${secret:retail/path}")),
    )
    resolved = resolve_environment(written, {})
    assert resolved.s3.access_key_id == "AKIA-1"
    assert resolved.s3.secret_access_key.get_secret_value() == "canary-77/@?"
    assert resolved.warehouse.duckdb.path == "./wh.duckdb"
    assert {"AKIA-1", "canary-77/@?"} <= known_secrets()
    assert "canary" not in repr(resolved)
    assert "AKIA-1" not in repr(resolved)


def test_a_secret_that_is_not_there_says_which_and_what_to_check(aws):
    with pytest.raises(
        SecretError, match=r"secret no/such cannot be read .* there is none of that name\. Check the name"
    ):
        fetch_from_aws("no/such")


def test_a_secret_that_is_being_deleted_is_named(store):
    import boto3

    store("retail/old", SecretString="x")
    boto3.client("secretsmanager").delete_secret(SecretId="retail/old")
    with pytest.raises(SecretError, match=r"retail/old cannot be read .* being deleted"):
        fetch_from_aws("retail/old")


def test_no_region_says_what_to_set(aws, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SecretError, match=r"no region is set\. Set AWS_REGION"):
        fetch_from_aws("x")


def test_no_credentials_say_what_to_set(aws, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SecretError, match="no AWS credentials were found"):
        fetch_from_aws("x")


def test_a_server_that_is_not_there_is_told(aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SecretError, match=r"AWS could not be reached \(EndpointConnectionError\)"):
        fetch_from_aws("x")
