"""The Data API as a transport: one session, polling, pages, faults; by botocore's own stubs of the service."""

from __future__ import annotations

from datetime import datetime

import pytest
from botocore.stub import ANY, Stubber

from cloud_etl.domain.warehouse import RedshiftSpec
from cloud_etl.load.redshift import data_api
from cloud_etl.load.redshift.data_api import DataApiTransport, named
from cloud_etl.load.redshift.transport import Answer, Fault

SPEC = {"database": "dev", "transport": "data_api", "statement_timeout_seconds": 900}
CLUSTER = {"iam": {"cluster_identifier": "c1", "db_user": "etl", "region": "eu-west-1"}}
AT = datetime(2024, 5, 1)


@pytest.fixture
def api(monkeypatch):
    """A transport and the stub of its client."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr(data_api, "_FIRST_POLL_SECONDS", 0.0)

    def make(**auth):
        transport = DataApiTransport(RedshiftSpec.model_validate({**SPEC, "auth": auth or CLUSTER}))
        stub = Stubber(transport._client)
        stub.activate()
        return transport, stub

    return make


def run(stub, request, ended, pages=()):
    expected = {"Sql": ANY, "ClientToken": ANY, "SessionKeepAliveSeconds": 900, **request}
    stub.add_response("execute_statement", {"Id": "s1", "SessionId": "session-1"}, expected)
    for status in ended:
        stub.add_response("describe_statement", {"Id": "s1", **status}, {"Id": "s1"})
    for number, page in enumerate(pages):
        following = {"NextToken": f"t{number + 1}"} if number + 1 < len(pages) else {}
        asked = {"Id": "s1", **({"NextToken": f"t{number}"} if number else {})}
        stub.add_response("get_statement_result", {"Records": page, **following}, asked)


FINISHED = {"Status": "FINISHED", "ResultRows": 3}


def test_the_first_statement_opens_a_session_that_the_others_use(api):
    transport, stub = api()
    run(stub, {"Database": "dev", "ClusterIdentifier": "c1", "DbUser": "etl", "Sql": "BEGIN"}, [FINISHED])
    run(
        stub,
        {"SessionId": "session-1", "Sql": "DELETE FROM t"},
        [{"Status": "PICKED"}, {"Status": "STARTED"}, FINISHED],
    )
    assert transport.run("BEGIN") == Answer([], 3)
    assert transport.run("DELETE FROM t") == Answer([], 3)
    stub.add_response(
        "execute_statement", {"Id": "s2"}, {"Sql": "ROLLBACK", "SessionId": "session-1", "SessionKeepAliveSeconds": 0}
    )
    transport.close()
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("auth", "target"),
    [
        ({"serverless": {"workgroup": "retail", "region": "eu-west-1"}}, {"WorkgroupName": "retail"}),
        (
            {"iam": {"cluster_identifier": "c", "secret_arn": "arn:x:0123456789", "region": "eu-west-1"}},
            {"ClusterIdentifier": "c", "SecretArn": "arn:x:0123456789"},
        ),
        ({"iam": {"cluster_identifier": "c", "with_iam": True, "region": "eu-west-1"}}, {"ClusterIdentifier": "c"}),
    ],
)
def test_a_session_is_opened_as_the_settings_say(api, auth, target):
    transport, stub = api(**auth)
    run(stub, {"Database": "dev", **target}, [FINISHED])
    transport.run("SELECT 1")
    stub.assert_no_pending_responses()


def test_rows_come_page_by_page_in_python_types(api):
    transport, stub = api()
    pages = [
        [[{"stringValue": "a"}, {"longValue": 1}, {"isNull": True}]],
        [
            [{"stringValue": ""}, {"longValue": 2}, {"booleanValue": False}],
            [{"isNull": True}, {"doubleValue": 0.5}, {"longValue": 0}],
        ],
    ]  # fmt: skip
    run(
        stub,
        {"Database": "dev", "ClusterIdentifier": "c1", "DbUser": "etl"},
        [{**FINISHED, "HasResultSet": True}],
        pages,
    )
    assert transport.run("SELECT 1") == Answer([("a", 1, None), ("", 2, False), (None, 0.5, 0)], 3)
    stub.assert_no_pending_responses()


def test_values_are_bound_by_name_and_null_is_written_out():
    assert named("INSERT INTO t VALUES (?, CAST(? AS TIMESTAMP), ?, ?)", ["x'; --", AT, None, ""]) == (
        "INSERT INTO t VALUES (:p1, CAST(:p2 AS TIMESTAMP), NULL, '')",
        [{"name": "p1", "value": "x'; --"}, {"name": "p2", "value": "2024-05-01 00:00:00"}],
    )
    assert named('SELECT "a?" FROM t', ()) == ('SELECT "a?" FROM t', [])


def test_a_statement_that_fails_gives_the_servers_words(api):
    transport, stub = api()
    text = "ERROR: 1023\n  Detail: Serializable isolation violation on table - 100"
    run(stub, {"Database": "dev", "ClusterIdentifier": "c1", "DbUser": "etl"}, [{"Status": "FAILED", "Error": text}])
    fault = transport.run("COMMIT")
    assert fault == Fault("", "1023", "  Detail: Serializable isolation violation on table - 100")
    from cloud_etl.errors import TemporaryError
    from cloud_etl.load.redshift.failures import error

    assert type(error(fault, "loading t")) is TemporaryError


@pytest.mark.parametrize(
    ("code", "message", "passing", "lost"),
    [
        ("ActiveStatementsExceededException", "too many", True, False),
        ("ThrottlingException", "slow down", True, False),
        ("ValidationException", "Session is not available: session expired", False, True),
        ("ValidationException", "Redshift endpoint doesn't exist in this region.", False, False),
    ],
)
def test_refusals_of_the_api_are_told_apart(api, code, message, passing, lost):
    transport, stub = api()
    # ThrottlingException is tried again by botocore itself, five times.
    for _ in range(5):
        stub.add_client_error("execute_statement", code, message)
    fault = transport.run("SELECT 1")
    assert (fault.is_passing, fault.is_lost) == (passing, lost)
