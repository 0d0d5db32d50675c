"""Temporary credentials from AWS: who is asked for what, and what a refusal tells."""

from __future__ import annotations

import pytest

from cloud_etl.config.secrets import known_secrets
from cloud_etl.domain.warehouse import RedshiftSpec
from cloud_etl.errors import TargetError
from cloud_etl.load.redshift.credentials import log_in

pytestmark = pytest.mark.integration


@pytest.fixture
def environ(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def cluster(moto_server, environ):
    """A cluster that moto describes."""
    import boto3

    client = boto3.client("redshift", endpoint_url=moto_server.endpoint)
    client.create_cluster(
        ClusterIdentifier="retail", DBName="dev", NodeType="ra3.large", MasterUsername="admin",
        MasterUserPassword="Aa1aaaaaaaaa", Port=5444,
    )  # fmt: skip
    yield "retail"
    client.delete_cluster(ClusterIdentifier="retail", SkipFinalClusterSnapshot=True)


def spec(moto_server, **settings):
    return RedshiftSpec.model_validate({"database": "dev", "endpoint_url": moto_server.endpoint, **settings})


def test_credentials_of_a_cluster_come_with_its_address_and_are_redacted(moto_server, cluster):
    login = log_in(spec(moto_server, auth={"iam": {"cluster_identifier": cluster, "db_user": "etl"}}))
    assert (login.port, login.database, login.user) == (5444, "dev", "IAM:etl")
    assert login.host.startswith("retail.") and login.host.endswith(".redshift.amazonaws.com")
    assert login.source == "auth.iam (GetClusterCredentials)"
    assert login.password in known_secrets()
    assert login.password not in repr(login)


def test_a_host_of_the_settings_is_not_looked_up(moto_server, cluster):
    auth = {"iam": {"cluster_identifier": cluster, "db_user": "etl"}}
    login = log_in(spec(moto_server, host="tunnel", port=15439, auth=auth))
    assert (login.host, login.port) == ("tunnel", 15439)


def test_a_cluster_that_is_not_there_is_named(moto_server, environ):
    with pytest.raises(TargetError, match="no access to cluster nope: there is no cluster of that name"):
        log_in(spec(moto_server, auth={"iam": {"cluster_identifier": "nope", "db_user": "etl"}}))


def test_no_credentials_at_all_says_what_to_set(moto_server, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with pytest.raises(TargetError, match=r"no AWS credentials were found\. Set AWS_PROFILE"):
        log_in(spec(moto_server, auth={"iam": {"cluster_identifier": "retail", "db_user": "etl"}}))


def test_no_region_says_what_to_set(moto_server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with pytest.raises(TargetError, match="no region is set"):
        log_in(spec(moto_server, auth={"serverless": {"workgroup": "retail"}}))


def test_a_profile_that_is_not_there_is_named(moto_server, environ):
    with pytest.raises(TargetError, match="the AWS profile is not there"):
        log_in(spec(moto_server, auth={"serverless": {"workgroup": "retail", "profile": "nobody"}}))


def test_serverless_credentials_come_with_the_address_of_the_workgroup(monkeypatch, environ):
    from botocore.stub import Stubber

    from cloud_etl.load.redshift import credentials

    made = credentials.aws_client("redshift-serverless", RedshiftSpec.model_validate(
        {"database": "dev", "auth": {"serverless": {"workgroup": "retail"}}}
    ), credentials_place())  # fmt: skip
    stub = Stubber(made)
    endpoint = {"endpoint": {"address": "w.123.eu-west-1.redshift-serverless.amazonaws.com", "port": 5439}}
    stub.add_response("get_workgroup", {"workgroup": endpoint}, {"workgroupName": "retail"})
    stub.add_response(
        "get_credentials",
        {"dbUser": "IAMR:etl", "dbPassword": "temporary-771177"},
        {"workgroupName": "retail", "dbName": "dev"},
    )
    stub.activate()
    monkeypatch.setattr(credentials, "aws_client", lambda *arguments: made)
    login = log_in(RedshiftSpec.model_validate({"database": "dev", "auth": {"serverless": {"workgroup": "retail"}}}))
    assert (login.host, login.user) == ("w.123.eu-west-1.redshift-serverless.amazonaws.com", "IAMR:etl")
    assert "temporary-771177" in known_secrets()
    stub.assert_no_pending_responses()


def credentials_place():
    from cloud_etl.domain.warehouse import ServerlessSpec

    return ServerlessSpec(workgroup="retail")
