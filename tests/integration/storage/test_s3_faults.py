"""Downloads from a server that misbehaves: cuts bodies, answers 503, forgets conditions."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.files import FileRef
from cloud_etl.errors import ObjectChangedError, SourceError, TemporaryError
from cloud_etl.storage import s3_download
from cloud_etl.storage.object_store import ObjectStore

pytestmark = pytest.mark.integration
BODY = b"".join(hashlib.sha256(b"%d" % number).digest() * 64 for number in range(200))  # 400 KiB
ETAG = '"original"'


class FaultyS3(ThreadingHTTPServer):
    """Serves BODY for every key; each fault is used up by the requests it spoils."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.etags: list[str] = []
        self.ignores_range = False
        self.ranges: list[tuple[int, int]] = []
        self.lock = threading.Lock()

    def handle_error(self, request, client_address) -> None:
        """A connection that the test cut is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyS3

    def do_GET(self) -> None:
        faults = self.server
        start, end = (int(part) for part in re.findall(r"\d+", self.headers["Range"]))
        with faults.lock:
            status = faults.statuses.pop(0) if faults.statuses else 206
            etag = faults.etags.pop(0) if faults.etags else ETAG
            cut = faults.cuts.pop(0) if faults.cuts else None
            faults.ranges.append((start, end + 1))
        if status != 206:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if faults.ignores_range:
            start, end = 0, len(BODY) - 1
        piece = BODY[start : end + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(piece)))
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(BODY)}")
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT")
        self.end_headers()
        self.wfile.write(piece[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments: object) -> None:
        """The test looks at what arrives, not at a log."""


@pytest.fixture
def server() -> Iterator[FaultyS3]:
    server = FaultyS3()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store(server: FaultyS3, tmp_path: Path, monkeypatch) -> ObjectStore:
    monkeypatch.setattr(s3_download, "RANGE_BYTES", 64 << 10)
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    return ObjectStore.open(
        "s3://bucket", S3Spec(endpoint=endpoint, access_key_id="a", secret_access_key="b"), tmp_path
    )


@pytest.fixture
def ref(store: ObjectStore) -> FileRef:
    from datetime import UTC, datetime

    return FileRef(store.uri("a.csv"), "a.csv", len(BODY), ETAG, None, datetime(2026, 1, 31, tzinfo=UTC))


def test_a_large_object_comes_in_ranges_that_are_asked_for_once(store, server, ref, tmp_path):
    store.download(ref, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY
    step = 64 << 10
    assert sorted(server.ranges) == [(at, min(at + step, len(BODY))) for at in range(0, len(BODY), step)]


def test_cut_bodies_are_resumed_and_no_byte_is_counted_twice(store, server, ref, tmp_path):
    server.cuts = [1_000, 0, 50_000, 20_000]
    told: list[int] = []
    store.download(ref, tmp_path / "copy", told.append)
    assert (tmp_path / "copy").read_bytes() == BODY
    assert sum(told) == len(BODY)
    assert server.cuts == []


def test_a_busy_server_is_asked_again(store, server, ref, tmp_path):
    server.statuses = [503, 500, 503]
    store.download(ref, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY
    assert server.statuses == []


def test_a_body_that_is_always_cut_is_a_passing_fault_and_leaves_nothing(store, server, ref, tmp_path):
    server.cuts = [10] * 10_000
    with pytest.raises(TemporaryError, match=r"s3://bucket/a\.csv"):
        store.download(ref, tmp_path / "down" / "copy")
    assert list((tmp_path / "down").iterdir()) == []


def test_an_object_overwritten_between_two_ranges_is_noticed_though_the_server_ignores_conditions(
    store, server, ref, tmp_path
):
    server.etags = [ETAG, ETAG, '"overwritten"']
    with pytest.raises(ObjectChangedError, match="overwritten"):
        store.download(ref, tmp_path / "down" / "copy")
    assert list((tmp_path / "down").iterdir()) == []


def test_a_range_of_an_object_that_was_overwritten_is_not_taken(store, server, ref):
    assert store.read_range(ref, 3, 9) == BODY[3:9]
    server.etags = ['"overwritten"']
    with pytest.raises(ObjectChangedError, match="overwritten"):
        store.read_range(ref, 3, 9)


def test_a_server_that_sends_another_range_than_asked_for_is_refused(store, server, ref, tmp_path):
    server.ignores_range = True
    with pytest.raises((SourceError, TemporaryError)):
        store.download(ref, tmp_path / "down" / "copy")
    assert list((tmp_path / "down").iterdir()) == []


def test_a_refused_request_is_not_tried_again(store, server, ref, tmp_path):
    server.statuses = [403] * 100
    with pytest.raises(SourceError, match="403") as caught:
        store.download(ref, tmp_path / "copy")
    assert not isinstance(caught.value, TemporaryError)
    assert len(server.statuses) > 90
