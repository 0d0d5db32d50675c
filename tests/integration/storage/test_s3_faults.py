"""Downloads from a server that misbehaves: cuts bodies, answers 503, forgets conditions."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from cloud_etl.domain import patience
from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.files import FileRef
from cloud_etl.errors import ObjectChangedError, ObjectExistsError, SourceError, TemporaryError, exit_code_of
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


class StalledS3:
    """Takes every request and sends nothing, or the first half of a body."""

    def __init__(self, *, sends_half: bool = False) -> None:
        self.sends_half = sends_half
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        seen = b""
        with suppress(OSError):
            while data := client.recv(65536):
                seen += data
                if b"\r\n\r\n" in seen:
                    self.requests += 1
                    if self.sends_half:
                        client.sendall(self._half(seen))
                    seen = b""

    def _half(self, request: bytes) -> bytes:
        """The first 50 bytes of 100, and nothing of the rest."""
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"
        if asked := re.search(rb"ange: bytes=(\d+)-", request):
            start = int(asked[1])
            head = b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\nContent-Range: bytes %d-99/100\r\n" % (
                100 - start, start,
            )  # fmt: skip
        dated = b'ETag: "x"\r\nLast-Modified: Sat, 31 Jan 2026 12:00:00 GMT\r\n\r\n'
        return head + dated + (b"" if asked else b"a" * 50)

    def close(self) -> None:
        for one in (self._listener, *self._open):
            one.close()


REQUESTS = {
    "get": lambda store: store.get("a.csv"),
    "find": lambda store: store.find("a.csv"),
    "list": lambda store: list(store.list("raw")),
    "read": lambda store: store.reader("a.csv", 100).read(10),
    "write": lambda store: store.write("a.csv", b"x"),
    "write once": lambda store: store.write("a.csv", b"x", once=True),
    "replace": lambda store: store.replace("a.csv", b"x", '"y"'),
    "delete": lambda store: store.delete("a.csv"),
}


def stalled_store(server: StalledS3, folder: Path) -> ObjectStore:
    spec = S3Spec.model_validate({
        "endpoint": f"http://127.0.0.1:{server.port}", "access_key_id": "a", "secret_access_key": "b",
        "patience": {"request_seconds": 1, "retries": 1, "retry_seconds": 5},
    })  # fmt: skip
    return ObjectStore.open("s3://bucket", spec, folder)


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_that_stalls_is_sent_again_and_then_given_up_in_true_words(request_, tmp_path):
    server = StalledS3()
    with pytest.raises(TemporaryError, match=r"after 2 tries in \d s\. Nothing is left half-written") as caught:
        REQUESTS[request_](stalled_store(server, tmp_path))
    server.close()
    assert (exit_code_of(caught.value), server.requests) == (75, 2)


def test_half_a_body_is_waited_for_said_in_the_log_and_then_given_up(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(patience, "_SAID_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(patience, "_LOOK_SECONDS", 0.1)
    server = StalledS3(sends_half=True)
    with caplog.at_level("WARNING"), pytest.raises(TemporaryError, match=r"also after several tries in \d s"):
        stalled_store(server, tmp_path).get("a.csv")
    server.close()
    assert server.requests >= 2
    said = r"still waiting for the store to answer for s3://bucket/a\.csv, since .* UTC, \d s now; gives up at .* UTC"
    assert re.search(said, caplog.text)


class Forgetful(BaseHTTPRequestHandler):
    """Writes what it is given, and cuts the first connection instead of an answer."""

    kept: bytes | None = None

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if Forgetful.kept is None:
            Forgetful.kept = body
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(412)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in (("Content-Length", len(Forgetful.kept)), ("ETag", '"kept"')):
            self.send_header(name, str(value))
        self.send_header("Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT")
        self.end_headers()
        self.wfile.write(Forgetful.kept)

    def log_message(self, *arguments: object) -> None:
        """Nothing to say."""


@pytest.mark.parametrize("condition", ["write once", "replace"])
@pytest.mark.parametrize("kept", [b"ours", b"theirs"])
def test_a_conditional_write_whose_answer_was_lost_is_told_from_that_of_another(condition, kept, tmp_path):
    Forgetful.kept = None if kept == b"ours" else kept
    with HTTPServer(("127.0.0.1", 0), Forgetful) as server:
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        store = stalled_store(SimpleNamespace(port=server.server_address[1]), tmp_path)
        options = {"once": True} if condition == "write once" else {"etag": '"y"'}
        write = store.write if condition == "write once" else store.replace
        if kept == b"ours":
            assert write("a", b"ours", **options) == '"kept"'
        else:
            with pytest.raises((ObjectExistsError, ObjectChangedError)):
                write("a", b"ours", **options)
        server.shutdown()
        thread.join()
    assert Forgetful.kept == kept


def test_a_refused_request_is_not_tried_again(store, server, ref, tmp_path):
    server.statuses = [403] * 100
    with pytest.raises(SourceError, match="403") as caught:
        store.download(ref, tmp_path / "copy")
    assert not isinstance(caught.value, TemporaryError)
    assert len(server.statuses) > 90
