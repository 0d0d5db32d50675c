"""Signatures of requests: what botocore signs is taken, and nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.local_aws.aws.signature import Request, is_signed

KEY, SECRET = "LOCAL1", "s3cr3t/+="
SECRETS = {KEY: SECRET}
URLS = st.builds(
    lambda path, query: "http://127.0.0.1:5/" + path + ("?" + query if query else ""),
    st.sampled_from(["", "a", "a%20b/%C3%BC", "a/b%2Bc%3D1", "bucket/k~_-.x"]),
    st.sampled_from(["", "list-type=2&prefix=a%2F", "acl", "b=2&a=1&a=0", "x=%20y"]),
)


def sent(url: str, body: bytes, *, service: str, secret: str = SECRET, presigned: bool = False) -> Request:
    """A request as botocore signs it."""
    made = AWSRequest("POST", url, data=body, headers={"Content-Type": "text/plain", "X-Amz-Target": "a   b"})
    credentials = Credentials(KEY, secret)
    signer = {"s3": S3SigV4Auth}.get(service, SigV4Auth)(credentials, service, "us-east-1")
    (S3SigV4QueryAuth(credentials, service, "us-east-1") if presigned else signer).add_auth(made)
    prepared = made.prepare()
    parts = urlsplit(prepared.url)
    headers = {name.lower(): value for name, value in prepared.headers.items()} | {"host": "127.0.0.1:5"}
    as_text = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
    return Request("POST", parts.path, parts.query, as_text, lambda: body)


@given(URLS, st.binary(max_size=20), st.sampled_from(["s3", "secretsmanager", "sts"]))
def test_what_botocore_signs_is_taken(url: str, body: bytes, service: str) -> None:
    assert is_signed(sent(url, body, service=service), SECRETS.get)


@given(URLS)
def test_an_address_signed_in_advance_is_taken(url: str) -> None:
    assert is_signed(sent(url, b"", service="s3", presigned=True), SECRETS.get)


@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize("change", ["method", "path", "query", "secret", "key", "nothing"])
def test_one_changed_part_is_refused(change: str, *, presigned: bool) -> None:
    made = sent("http://127.0.0.1:5/a?b=1", b"", service="s3", presigned=presigned)
    method, path, query, known = made.method, made.path, made.query, SECRETS
    if change == "method":
        method = "DELETE"
    elif change == "path":
        path = "/b"
    elif change == "query":
        query += "&c=1"
    elif change == "secret":
        known = {KEY: "another"}
    elif change == "key":
        known = {}
    request = Request(method, path, query, made.headers, made.body)
    assert is_signed(request, known.get) is (change == "nothing")


def test_a_changed_body_is_refused() -> None:
    made = sent("http://127.0.0.1:5/", b"Action=GetSecretValue", service="secretsmanager")
    assert not is_signed(Request("POST", "/", "", made.headers, lambda: b"other"), SECRETS.get)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=LOCAL1, SignedHeaders=host, Signature=",
        "AWS4-HMAC-SHA256 Credential=LOCAL1/d/r/s3/aws4_request, SignedHeaders=host, Signature=é",
        "AWS LOCAL1:signature",
        "Basic TE9DQUwxOg==",
    ],
)
def test_a_request_without_a_signature_is_refused(authorization: str) -> None:
    headers = {"host": "h", "authorization": authorization}
    assert not is_signed(Request("GET", "/moto-api/data.json", "", headers, lambda: b""), SECRETS.get)
