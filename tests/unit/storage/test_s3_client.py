from __future__ import annotations

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError, PreconditionError

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import (
    CloudEtlError,
    ObjectChangedError,
    ObjectMissingError,
    SourceError,
    TargetError,
    TemporaryError,
)
from cloud_etl.storage.s3_client import Bucket, s3_errors


@pytest.mark.parametrize(
    ("endpoint", "stated", "path_style"),
    [
        (None, False, False),
        (None, True, True),
        ("https://s3.example.com", False, False),
        ("https://s3.example.com", True, True),
        ("http://127.0.0.1:9000", False, True),
        ("http://[::1]:9000", False, True),
        ("http://localhost:9000", False, True),
        ("http://minio:9000", False, True),
    ],
)
def test_a_host_that_cannot_have_subdomains_gets_the_bucket_in_the_path(endpoint, stated, path_style):
    assert Bucket("b", S3Spec(endpoint=endpoint, path_style=stated)).path_style is path_style


def test_settings_win_over_the_environment(monkeypatch):
    silent, stated = Bucket("b", S3Spec()), Bucket("b", S3Spec(endpoint="http://a", region="eu-west-1"))
    assert (silent.endpoint, silent.region) == (None, None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://every-service")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert (silent.endpoint, silent.region) == ("http://every-service", "us-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3-only")
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    assert (silent.endpoint, silent.region) == ("http://s3-only", "us-east-2")
    assert (stated.endpoint, stated.region) == ("http://a", "eu-west-1")


def translated(error: Exception, fault: type[SourceError | TargetError] = SourceError) -> CloudEtlError:
    with pytest.raises(CloudEtlError) as caught, s3_errors("s3://b/k", fault):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("non-2xx status code: 503 Slow: <Error><Code>SlowDown</Code></Error>", TemporaryError, "SlowDown"),
        ("non-2xx status code: 500 Internal Server Error", TemporaryError, "status 500"),
        ("non-2xx status code: 429 Too Many Requests", TemporaryError, "status 429"),
        ("HTTP error: error sending request", TemporaryError, "could not be reached"),
        ("HTTP error: operation timed out", TemporaryError, "could not be reached"),
        ("status code: 404: <Code>NoSuchBucket</Code>", SourceError, "create it"),
        ("status code: 301: <Code>PermanentRedirect</Code>", SourceError, "set s3.region"),
        ("status code: 400: <Code>ExpiredToken</Code>", SourceError, "get new ones"),
        ("status code: 418: <Code>Teapot</Code>", SourceError, "Teapot"),
    ],
)
def test_a_fault_that_passes_is_told_from_one_that_stays(text, kind, says):
    error = translated(GenericError(text))
    assert type(error) is kind
    assert says in str(error) and "s3://b/k" in str(error)


def test_each_fault_has_its_class():
    denied = PermissionDeniedError("status code: 403: <Code>AccessDenied</Code>")
    assert type(translated(denied)) is SourceError
    assert type(translated(denied, TargetError)) is TargetError
    assert type(translated(FileNotFoundError("Object at location k not found: NoSuchKey"))) is ObjectMissingError
    assert "after it was listed" in str(translated(PreconditionError("412")))
    changed = translated(PreconditionError("412"), TargetError)
    assert type(changed) is ObjectChangedError and "by another process" in str(changed)


def test_neither_the_body_of_the_answer_nor_debug_text_gets_into_the_message():
    secret = "X-Amz-Security-Token=canary"
    text = f"status code: 400: <Code>Odd</Code><Message>{secret}</Message>\nmore {secret}\n\nDebug source:\n{secret}"
    assert "canary" not in str(translated(GenericError(text)))
