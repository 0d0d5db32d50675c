"""Encryption, who pays, and where credentials come from, as requests show it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import SourceError, TargetError
from cloud_etl.storage.object_store import ObjectStore

pytestmark = pytest.mark.integration
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}


class Listener(ThreadingHTTPServer):
    """Notes the headers of each request and answers all alike."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: list[dict[str, str]] = []
        self.answer = (200, b"")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"tag"')
        self.send_header("Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_POST = do_HEAD = do_GET  # noqa: N815  # the names that http.server looks for

    def log_message(self, *arguments: object) -> None:
        """The test looks at the requests."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def opened(listener: Listener, **settings: object) -> ObjectStore:
    spec = S3Spec.model_validate({"endpoint": listener.endpoint, "region": "eu-west-1", **settings})
    return ObjectStore.open("s3://lake/prefix", spec, Path())


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {}),
        ({"encryption": "sse-s3"}, {"x-amz-server-side-encryption": "AES256"}),
        ({"encryption": "sse-kms"}, {"x-amz-server-side-encryption": "aws:kms"}),
        (
            {"encryption": "sse-kms", "kms_key_id": "alias/lake"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "alias/lake",
            },
        ),
        ({"requester_pays": True}, {"x-amz-request-payer": "requester"}),
    ],
)
def test_what_is_written_asks_for_its_encryption_and_names_who_pays(listener, settings, headers, tmp_path):
    store = opened(listener, **KEYS, **settings)
    store.write("a", b"x")
    (tmp_path / "b").write_bytes(b"y")
    store.upload(tmp_path / "b", "b")
    store.write("c", b"x", once=True)
    wanted = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-request-payer")
    for sent in listener.headers:
        assert {name: value for name, value in sent.items() if name in wanted} == headers


def test_what_is_read_names_who_pays_also_where_odd_keys_are_listed(listener):
    store = opened(listener, **KEYS, requester_pays=True)
    store.read("a")
    keys = b"<Contents><Key>a/../b</Key><Size>1</Size><LastModified>2026-01-31T12:00:00Z</LastModified></Contents>"
    listener.answer = (200, b"<ListBucketResult><IsTruncated>false</IsTruncated>" + keys + b"</ListBucketResult>")
    assert [info.refused for info in store.list()] == ["a part .. would leave the folder"]
    assert {sent.get("x-amz-request-payer") for sent in listener.headers} == {"requester"}
    assert len(listener.headers) == 3


def test_moto_keeps_objects_encrypted_as_asked(moto_server, tmp_path):
    url = moto_server.new_url()
    key = "arn:aws:kms:us-east-1:123456789012:key/lake"
    spec = moto_server.spec.model_copy(update={"encryption": "sse-kms", "kms_key_id": key})
    ObjectStore.open(url, spec, tmp_path).write("a", b"x")
    bucket, prefix = url.removeprefix("s3://").split("/", 1)
    head = moto_server.client().head_object(Bucket=bucket, Key=f"{prefix}/a")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def expired(code: str) -> tuple[int, bytes]:
    return 400, f"<Error><Code>{code}</Code><Message>The provided token has expired.</Message></Error>".encode()


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"])
def test_expired_credentials_of_the_settings_are_named_as_such(listener, code):
    listener.answer = expired(code)
    store = opened(listener, **KEYS, session_token="t0ken")
    for attempt, kind in ((lambda: store.read("a"), SourceError), (lambda: store.write("a", b"x"), TargetError)):
        with pytest.raises(
            kind, match=r"expired; they came from the settings \(s3\.access_key_id\): get new"
        ) as caught:
            attempt()
        assert "t0ken" not in str(caught.value)
    assert all(sent["x-amz-security-token"] == "t0ken" for sent in listener.headers)


def test_expired_credentials_of_the_environment_are_named_as_such(listener, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "c")
    listener.answer = expired("ExpiredToken")
    with pytest.raises(SourceError, match=r"they came from the environment \(AWS_ACCESS_KEY_ID\)"):
        opened(listener).read("a")


@pytest.fixture
def profiles(tmp_path, monkeypatch):
    """Profiles: fixed keys, and a process that gives no keys any more."""
    config = tmp_path / "config"
    config.write_text(
        "[profile fixed]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = b\n"
        "[profile broken]\ncredential_process = /bin/false\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


def test_a_profile_of_the_settings_wins_over_the_environment_and_is_named(listener, monkeypatch, profiles):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    store = opened(listener, profile="fixed")
    store.read("a")
    assert "PROFILEKEY" in listener.headers[0]["authorization"]
    listener.answer = expired("ExpiredToken")
    with pytest.raises(SourceError, match="they came from the AWS config file, profile fixed"):
        store.read("a")


def test_a_profile_that_is_not_there_or_gives_nothing_is_named(listener, profiles):
    with pytest.raises(SourceError, match=r"The config profile \(nobody\) could not be found.*s3\.profile"):
        opened(listener, profile="nobody").read("a")
    with pytest.raises(SourceError, match=r"no AWS credentials for s3://lake: Error when retrieving credentials"):
        opened(listener, profile="broken").read("a")


def test_denied_access_names_the_credentials_and_what_they_lack(listener):
    listener.answer = (403, b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(SourceError, match=r"\(the settings \(s3\.access_key_id\)\) lack the permission.*KMS key"):
        opened(listener, **KEYS).read("a")
