"""Faults by phases: each ends in the right code, with true words of what is left, and the next run makes it good.

The store is real (moto) behind a proxy that spoils certain requests, the warehouse a real file; one engine serves all.
"""

from __future__ import annotations

import http.client
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.errors import CloudEtlError, ConnectionLostError, TemporaryError, UnreachableError, exit_code_of
from cloud_etl.load import duckdb as duckdb_loader
from cloud_etl.pipeline.project import Project

NOTHING = re.compile(r"Nothing (more )?(was|is) (loaded|run|opened|published)|nothing was loaded")
LOADED = re.compile(r"The batch is loaded|loaded sales, and its report could not be written")
UNKNOWN = re.compile(r"not known whether batch \S+ is loaded.*nothing is loaded twice|load ledger tells")
PIPELINE = """
pipeline: sales
source: {path: raw-data/sales/, pattern: "*.csv", format: csv}
schema: {id: {type: bigint, required: true}, note: {type: string}}
outputs:
  - name: sales
    keep_runs: 1
    load: {table: shop.sales, mode: upsert, keys: [id]}
"""
# Phase: the request that is spoiled, whether the batch is loaded by then.
PHASES = {
    "lease": ("PUT", "leases/", False),
    "list": ("GET", "prefix=[^&]*raw-data", False),
    "get": ("GET", r"raw-data/sales/2\.csv", False),
    "put rows": ("PUT", r"processed-data/.*\.parquet", False),
    "put manifest": ("PUT", r"processed-data/.*manifest\.json", False),
    "delete": ("POST|DELETE", "delete|processed-data", True),
    "report": ("PUT", r"runs/.*report\.json", True),
}
FAULTS = {"503": 75, "reset": 75, "403": 4, "stall": 75}
TABLE = [
    *(("503", phase) for phase in PHASES),
    *(("reset", phase) for phase in ("get", "put rows", "put manifest", "delete", "report")),
    *(("403", phase) for phase in ("lease", "get", "put rows", "delete")),
    *(("stall", phase) for phase in ("get", "put manifest")),
]


class Proxy(ThreadingHTTPServer):
    """Passes requests on, and spoils those that are asked for."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target.removeprefix("http://")
        self.fault: tuple[str, str, str] | None = None
        self.spoiled = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that was cut is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.fault is not None:
            kind, method, pattern = self.server.fault
            if re.fullmatch(method, self.command) and re.search(pattern, self.path.replace("%2F", "/")):
                self.server.spoiled += 1
                self._spoil(kind)
                return
        upstream = http.client.HTTPConnection(self.server.target)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        if answer.getheader("Content-Length") is None:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        upstream.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815 - names of the library

    def _spoil(self, kind: str) -> None:
        if kind == "stall":
            threading.Event().wait(2)
        if kind in ("stall", "reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        code = {"503": "SlowDown", "403": "AccessDenied"}[kind]
        data = f"<Error><Code>{code}</Code></Error>".encode()
        self.send_response(int(kind))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if self.command != "HEAD" else b"")

    def log_message(self, *arguments: object) -> None:
        """The test looks at what is told, not at a log."""


@pytest.fixture(scope="module")
def proxy(moto_server) -> Iterator[Proxy]:
    with Proxy(moto_server.endpoint) as proxy:
        yield proxy
        proxy.shutdown()


@pytest.fixture(autouse=True)
def one_engine(sail: SparkManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run would start one of its own, which takes longer than all else."""

    session = sail.session

    class Shared:
        def start(self) -> object:
            return session

        def fit(self, size_bytes: int) -> None:
            """As it is."""

        def abandon(self) -> None:
            """It serves the next test."""

        stop = abandon

    monkeypatch.setattr(SparkManager, "_find", lambda manager: Shared())


class Shop:
    """A project of one pipeline, of which one file is loaded and a second one has come."""

    def __init__(self, root: Path, store: str, s3: str, put: Callable[[str, str], None]) -> None:
        self.root = root
        (root / "pipelines").mkdir(parents=True)
        (root / "pipelines/sales.yaml").write_text(PIPELINE)
        (root / "cloud-etl.yaml").write_text(f"""
project: faults
environments:
  local:
    store: {store}
    {s3}
    engine: {{name: sail, memory: 512MB, cores: 1}}
    warehouse: {{duckdb: {{path: warehouse.duckdb, memory: 256MB, wait_seconds: 0}}}}
""")
        put("raw-data/sales/1.csv", "id,note\n1,a\n2,b\n")
        assert self.run() == (0, "")
        put("raw-data/sales/2.csv", "id,note\n2,c\n3,d\n")

    def run(self) -> tuple[int, str]:
        """Exit code of a run, and what it says."""
        try:
            report = Project.open(self.root).run()
        except CloudEtlError as exc:
            return exit_code_of(exc), str(exc)
        return report.exit_code, report.pipelines[0].error or ""

    @property
    def rows(self) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.root / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute("SELECT id, note FROM shop.sales ORDER BY id").fetchall()

    def is_told_truly(self, code: int, words: re.Pattern[str], *, is_loaded: bool) -> None:
        """Run into the fault: the code, the words about the warehouse, and the warehouse itself agree."""
        found, said = self.run()
        assert (found, bool(words.search(said))) == (code, True), (found, said)
        assert "internal error" not in said
        assert self.rows == (AFTER if is_loaded else BEFORE), said
        for other in {NOTHING, LOADED, UNKNOWN} - {words}:
            assert not other.search(said), said

    def is_made_good(self) -> None:
        """The next run, without the fault."""
        assert self.run() == (0, "")
        assert self.rows == AFTER


BEFORE = [(1, "a"), (2, "b")]
AFTER = [(1, "a"), (2, "c"), (3, "d")]


@pytest.mark.parametrize(("fault", "phase"), TABLE)
def test_a_fault_of_the_store_is_told_truly_in_each_phase(fault, phase, proxy, moto_server, tmp_path):
    method, pattern, is_loaded = PHASES[phase]
    url = moto_server.new_url()
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    spec = moto_server.spec
    s3 = (
        f"s3: {{endpoint: 'http://127.0.0.1:{proxy.server_address[1]}', region: us-east-1, path_style: true, "
        f"access_key_id: {spec.access_key_id}, secret_access_key: {spec.secret_access_key.get_secret_value()}, "
        "patience: {request_seconds: 1, retries: 1, retry_seconds: 2}}"
    )

    def put(key: str, text: str) -> None:
        moto_server.client().put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=text.encode())

    proxy.fault = None
    shop = Shop(tmp_path / "shop", url, s3, put)
    proxy.fault, proxy.spoiled = (fault, method, pattern), 0
    try:
        shop.is_told_truly(FAULTS[fault], LOADED if is_loaded else NOTHING, is_loaded=is_loaded)
    finally:
        proxy.fault = None
    assert proxy.spoiled
    shop.is_made_good()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The same with folders for everything."""

    def put(key: str, text: str) -> None:
        path = tmp_path / "shop/data" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return Shop(tmp_path / "shop", "./data", "s3: {}", put)


# What the loader of Redshift raises, as its own tests show: the error, and whether the load came through all the same.
LOST = ConnectionLostError(
    "loading sales: the connection to Redshift was lost. What was not committed is rolled back. "
    "Run again: the load ledger tells whether this batch is in."
)
DOUBT = ConnectionLostError(
    "loading sales: the answer to COMMIT did not come. It is not known whether batch 1 is loaded. "
    "Run again: the ledger decides, and nothing is loaded twice."
)
OPENING = TemporaryError("Redshift at h:5439 cannot be reached: the connection was cut. Nothing was opened.")
CLOSED = UnreachableError("Redshift at h:5439 cannot be reached: Connection refused. Nothing was opened.")


@pytest.mark.parametrize(
    ("method", "error", "comes_through", "words"),
    [
        ("__enter__", OPENING, False, NOTHING),
        ("__enter__", CLOSED, False, NOTHING),
        ("claim", OPENING, False, NOTHING),
        ("load", LOST, False, UNKNOWN),
        ("load", DOUBT, False, UNKNOWN),
        ("load", DOUBT, True, UNKNOWN),
    ],
    ids=["opening", "closed", "claim", "lost", "doubt", "doubt, and loaded"],
)
def test_a_warehouse_that_goes_away_is_told_truly(shop, monkeypatch, method, error, comes_through, words):
    honest = getattr(duckdb_loader.Loader, method)

    def broken(self: object, *args: object) -> object:
        if comes_through:
            honest(self, *args)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(duckdb_loader.Loader, method, broken)
        shop.is_told_truly(error.exit_code, words, is_loaded=comes_through)
    shop.is_made_good()


def test_a_file_that_another_process_holds_is_told_truly(shop):
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(shop.root / "warehouse.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        code, said = shop.run()
        holder.stdin.close()
    assert (code, bool(NOTHING.search(said))) == (75, True), said
    assert shop.rows == BEFORE
    shop.is_made_good()


@pytest.mark.parametrize("bytes_", [0, 512, 4_096, 65_536, 300_000])
def test_a_limit_on_the_size_of_files_is_told_truly_wherever_it_strikes(shop, bytes_):
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        code, said = shop.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    if code == 0:
        assert shop.rows == AFTER
        return
    assert code == 4, said
    assert "internal error" not in said
    assert "ulimit -f" in said
    assert bool(LOADED.search(said)) == (shop.rows == AFTER), said
    assert bool(NOTHING.search(said)) == (shop.rows == BEFORE), said
    shop.is_made_good()


@pytest.mark.parametrize("folder", ["data/.scratch", "data/leases", "data/processed-data", "data/runs", "data/journal"])
def test_a_folder_that_may_not_be_written_to_is_told_truly(folder, shop):
    if not os.getuid():
        pytest.skip("root may write everywhere")
    (shop.root / folder).chmod(0o500)
    try:
        code, said = shop.run()
    finally:
        (shop.root / folder).chmod(0o700)
    assert code == 4, said
    assert "internal error" not in said
    assert "Give this user the right to read and write there" in said
    assert bool(LOADED.search(said)) == (shop.rows == AFTER), said
    shop.is_made_good()
