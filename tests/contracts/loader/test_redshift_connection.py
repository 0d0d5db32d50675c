"""Connections that fail, break at the commit, or meet another load: on the local server, through the real driver."""

from __future__ import annotations

import gc
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cloud_etl.domain.spec import LoadSpec
from cloud_etl.domain.warehouse import WarehouseSpec
from cloud_etl.errors import SecretError, TargetError, TemporaryError
from cloud_etl.load.redshift import Loader, watch
from cloud_etl.load.redshift.retry import Backoff
from cloud_etl.load.redshift.session import Connector

pytestmark = pytest.mark.integration
UPSERT = LoadSpec(table="shop.sales", mode="upsert", keys=("id",))
APPEND = LoadSpec(table="shop.sales")


class Proxy:
    """Passes bytes between client and server, and cuts the first connection that sends certain bytes.

    Args:
        wanted: the bytes; the driver sends a statement first, and in a second message that it is to be run.
        cut_before: the statement does not reach the server; else it is run, and its answer does not reach the client.
    """

    def __init__(self, host: str, port: int, wanted: bytes, *, cut_before: bool) -> None:
        self._target, self._wanted, self._cut_before = (host, port), wanted, cut_before
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            mute = threading.Event()
            threading.Thread(target=self._up, args=(client, server, mute), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client, mute), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        sent = False
        with suppress(OSError):
            while data := client.recv(65536):
                if sent:
                    mute.set()
                if not self.cuts and self._wanted in data:
                    self.cuts, sent = 1, True
                    if self._cut_before:
                        break
                server.sendall(data)
                if mute.is_set():
                    return
        cut(client, server)

    def _down(self, server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if mute.is_set():
                    break
                client.sendall(data)
        cut(client, server)


def cut(*ends: socket.socket) -> None:
    for one in ends:
        # A close alone does not wake the other thread, which reads from it.
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture
def proxied(cluster, new_redshift) -> Iterator[Callable[..., tuple[Loader, Proxy]]]:
    """A loader whose connection breaks once, at the first statement that holds the given bytes."""
    made: list[Proxy] = []

    def make(wanted: bytes, *, cut_before: bool) -> tuple[Loader, Proxy]:
        proxy = Proxy(str(cluster.redshift["host"]), int(str(cluster.redshift["port"])), wanted, cut_before=cut_before)
        made.append(proxy)
        plain = {**cluster.redshift, "host": "127.0.0.1", "port": proxy.port, "tls": {"mode": "disable"}}
        spec = WarehouseSpec.model_validate({"redshift": plain})
        return Loader(spec, Path(), backoff=Backoff(5, 0.05, 0.5)), proxy

    yield make
    for proxy in made:
        proxy.close()


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("cut_before", [True, False])
def test_a_connection_lost_at_the_commit_loads_once_and_says_so(redshift_bench, proxied, mode, cut_before):
    bench = redshift_bench
    bench.load_rows(APPEND, bench.schema(id="integer"), [(1,)])
    spec = LoadSpec(table="shop.sales", mode=mode, keys=("id",))
    request = bench.request(bench.task(spec, bench.schema(id="integer"), [(2,), (3,)]))
    loader, proxy = proxied(b"COMMIT", cut_before=cut_before)
    seen = []
    result = loader.load(request, seen.append)
    assert proxy.cuts == 1
    assert (result.already_loaded, result.loaded_by_run) == (False, "run-1")
    assert result.tables[0].inserted == 2
    assert len(seen) == (2 if cut_before else 1)
    assert bench.rows("SELECT id FROM shop.sales ORDER BY id") == [(1,), (2,), (3,)]
    assert bench.rows("SELECT count(*) FROM cloud_etl.etl_load_ledger") == [(2,)]


@pytest.mark.parametrize("wanted", [b"COPY cloud_etl", b"LOCK ", b'INSERT INTO "shop"'])
def test_a_connection_lost_before_the_commit_is_made_anew(redshift_bench, proxied, wanted):
    bench = redshift_bench
    request = bench.request(bench.task(APPEND, bench.schema(id="integer"), [(2,), (3,)]))
    loader, proxy = proxied(wanted, cut_before=True)
    assert loader.load(request, lambda counts: None).tables[0].rows_after == 2
    assert proxy.cuts == 1
    assert bench.rows("SELECT id FROM shop.sales ORDER BY id") == [(2,), (3,)]


class BlackHole(Proxy):
    """Acknowledges everything and passes nothing on, for all connections, once the wanted bytes were seen."""

    def __init__(self, *args: object, new_ones_too: bool, **options: bool) -> None:
        self._new_ones_too, self.swallows = new_ones_too, threading.Event()
        super().__init__(*args, **options)

    def _up(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if not self.cuts and self._wanted in data:
                    self.cuts = 1
                    mute.set()
                    self.swallows.set()
                if not (mute.is_set() or (self._new_ones_too and self.swallows.is_set())):
                    server.sendall(data)
        cut(client, server)

    def _down(self, server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if not (mute.is_set() or (self._new_ones_too and self.swallows.is_set())):
                    client.sendall(data)


# The driver leaves the socket of a connection that did not come to be to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("new_ones_too", [True, False])
def test_a_black_hole_on_the_way_ends_within_its_patience(redshift_bench, cluster, monkeypatch, new_ones_too):
    bench = redshift_bench
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(watch, "_UNANSWERED_LOOK_SECONDS", 0.2)
    host, port = str(cluster.redshift["host"]), int(str(cluster.redshift["port"]))
    hole = BlackHole(host, port, b"COPY cloud_etl", cut_before=True, new_ones_too=new_ones_too)
    settings = {
        "host": "127.0.0.1", "port": hole.port, "tls": {"mode": "disable"},
        "patience": {
            "open_seconds": 1, "answer_seconds": 1, "silent_seconds": 2, "retry_seconds": 3 if new_ones_too else 60,
        },
    }  # fmt: skip
    spec = WarehouseSpec.model_validate({"redshift": {**cluster.redshift, **settings}})
    request = bench.request(bench.task(APPEND, bench.schema(id="integer"), [(2,), (3,)]))
    begun = time.monotonic()
    if new_ones_too:
        with pytest.raises(TemporaryError, match=r"answered nobody for|said nothing for 1 s"):
            Loader(spec, Path()).load(request, lambda counts: None)
        assert bench.rows("SELECT count(*) FROM cloud_etl.etl_load_ledger") == [(0,)]
    else:
        # Its session was ended on the server: a second connection finds that out, and the load begins anew.
        threading.Thread(target=end_idle_sessions, args=(bench, hole), daemon=True).start()
        assert Loader(spec, Path()).load(request, lambda counts: None).tables[0].rows_after == 2
    assert time.monotonic() - begun < 30
    hole.close()


def end_idle_sessions(bench, hole: BlackHole) -> None:
    assert hole.swallows.wait(20)
    bench.rows("SELECT pg_terminate_backend(process) FROM stv_sessions WHERE process <> pg_backend_pid()")


INTERRUPTED = """
import os, pickle, signal, sys, threading
from cloud_etl import interrupts
from cloud_etl.errors import RunInterruptedError
make, requests = pickle.load(sys.stdin.buffer)
loader = make()
print("ready", flush=True)
with interrupts.handled(), interrupts.ended_in_order(lambda: "no safe place"):
    try:
        loader.load(requests[0], lambda counts: None)
    except RunInterruptedError as exc:
        print(exc, flush=True)
        interrupts.leave(128 + exc.signal_number)
"""


def test_a_signal_ends_a_blocked_statement_on_the_server_too(redshift_bench, cluster):
    bench = redshift_bench
    bench.load_rows(APPEND, bench.schema(id="integer"), [(1,)])
    request = bench.request(bench.task(APPEND, bench.schema(id="integer"), [(2,)]))
    waits = "SELECT count(*) FROM stv_inflight WHERE text LIKE 'LOCK%' AND pid <> pg_backend_pid()"
    with Connector(cluster.spec.redshift, Path()).opened("holds") as holder, holder.transaction():
        holder.change('LOCK "shop"."sales"')
        child = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdin.write(pickle.dumps((bench.warehouse.maker(), [request])))
        child.stdin.close()
        until(lambda: bench.rows(waits) == [(1,)])
        child.send_signal(signal.SIGTERM)
        said = child.stdout.read().decode()
        child.stdout.close()
        assert (child.wait(20), said) == (143, "ready\nended by SIGTERM; nothing was loaded\n")
        until(lambda: bench.rows(waits) == [(0,)])
    assert bench.rows("SELECT id FROM shop.sales ORDER BY id") == [(1,)]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


CHILD = """
import pickle, sys
make, requests = pickle.load(sys.stdin.buffer)
loader = make()
print("ready", flush=True)
for request in requests:
    loader.load(request, lambda counts: None)
"""


def test_two_processes_on_one_table_give_what_some_order_gives(redshift_bench):
    bench = redshift_bench
    columns = bench.schema(id="integer", owner="string", n="bigint")
    loads = []
    for owner in ("a", "b"):
        tasks = [bench.task(UPSERT, columns, [(key, owner, n) for key in range(50)]) for n in range(3)]
        loads.append([bench.request(task, pipeline=owner, batch=n) for n, task in enumerate(tasks)])
    processes = [
        subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in loads
    ]
    for process, requests in zip(processes, loads, strict=True):
        process.stdin.write(pickle.dumps((bench.warehouse.maker(), requests)))
        process.stdin.close()
    assert [process.wait(120) for process in processes] == [0, 0]
    for process in processes:
        process.stdout.close()
    # Each load upserts all keys with one owner and number: whichever was last, the rows are all its own.
    (owner, n, rows), *others = bench.rows("SELECT owner, n, count(*) FROM shop.sales GROUP BY owner, n")
    assert (owner in "ab", n, rows, others) == (True, 2, 50, [])
    assert bench.rows("SELECT pipeline, count(*) FROM cloud_etl.etl_load_ledger GROUP BY 1 ORDER BY 1") == [
        ("a", 3), ("b", 3),
    ]  # fmt: skip


def test_the_same_batch_in_two_processes_is_loaded_once(redshift_bench):
    bench = redshift_bench
    request = bench.request(bench.task(APPEND, bench.schema(id="integer"), [(number,) for number in range(100)]))
    job = pickle.dumps((bench.warehouse.maker(), [request]))
    processes = [
        subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]
    for process in processes:
        process.stdin.write(job)
        process.stdin.close()
    assert [process.wait(120) for process in processes] == [0, 0]
    for process in processes:
        process.stdout.close()
    assert bench.rows("SELECT count(*), count(DISTINCT id) FROM shop.sales") == [(100, 100)]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """The driver leaves the sockets of connections that it could not open to the garbage collector, which warns."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def refused(cluster, kind=TargetError, **settings) -> str:
    spec = WarehouseSpec.model_validate({"redshift": {**cluster.redshift, **settings}})
    with pytest.raises(kind) as caught:
        Loader(spec, Path(), backoff=Backoff(0)).__enter__()
    assert "Nothing was opened" in str(caught.value)
    return str(caught.value)


def test_a_wrong_password_names_host_user_credentials_and_tls_but_not_the_password(cluster):
    message = refused(cluster, auth={"password": "Wrong-771177"})
    user, host, port = (cluster.redshift[name] for name in ("user", "host", "port"))
    for part in (f"{host}:{port}", f"user {user}", "auth.password", "TLS: verify-full", "refuses the login"):
        assert part in message
    assert "771177" not in message


def test_a_certificate_that_nobody_known_has_signed_is_refused(cluster):
    message = refused(cluster, tls={})
    assert "its certificate is not to be trusted or bears another name" in message
    assert "tls.ca_file" in message


def test_a_ca_file_that_is_not_there_is_named(cluster):
    assert "tls.ca_file nowhere.pem is not there" in refused(cluster, tls={"ca_file": "nowhere.pem"})


def test_a_host_that_is_not_known_is_told_from_a_port_where_nobody_listens(cluster):
    assert "the name no-such-host.invalid is not known" in refused(cluster, host="no-such-host.invalid")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    message = refused(cluster, host="127.0.0.1", port=port)
    assert "Connection refused. Check host and port" in message
    assert "a local one is started by cloud-etl local up" in message


def test_a_server_without_tls_is_refused_unless_told_otherwise(cluster):
    def answer(listener: socket.socket) -> None:
        for _ in range(3):  # A look, the driver, and a look at what it was refused with.
            client, _ = listener.accept()
            with client:
                client.recv(8)
                client.sendall(b"N")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        assert "it speaks no TLS" in refused(cluster, port=listener.getsockname()[1])
        thread.join(10)


def test_a_database_that_is_not_there_is_named(cluster):
    assert "nodb" in refused(cluster, database="nodb")


@pytest.mark.parametrize(
    ("secret", "lacking"),
    [
        ('{"password": "p"}', "host (or key host of the secret) and user (or key username of the secret) is missing"),
        ('{"username": "u", "host": "h"}', "key password of the secret is missing"),
        ("just-a-password", "host (or key host of the secret) and user"),
    ],
)
def test_a_secret_that_lacks_something_says_what(cluster, secret, lacking):
    spec = {"database": "dev", "auth": {"secret": secret}}
    with pytest.raises(SecretError) as caught:
        Loader(WarehouseSpec.model_validate({"redshift": spec}), Path()).__enter__()
    assert lacking in str(caught.value)
    assert "just-a-password" not in str(caught.value)


def test_a_secret_as_secrets_manager_keeps_it_opens_a_session(cluster):
    import json

    settings = cluster.redshift
    secret = {
        "engine": "redshift", "host": settings["host"], "port": settings["port"], "username": settings["user"],
        "password": settings["auth"]["password"], "dbname": settings["database"],
    }  # fmt: skip
    spec = {"database": settings["database"], "auth": {"secret": json.dumps(secret)}, "tls": settings["tls"]}
    with Loader(WarehouseSpec.model_validate({"redshift": spec}), Path()) as loader:
        assert loader.loaded_files("nobody") == frozenset()


def test_a_dba_finds_the_run_by_its_query_group_and_its_statements_end_in_time(cluster):
    spec = cluster.spec.redshift.model_copy(update={"statement_timeout_seconds": 1})
    with Connector(spec, Path()).opened("run-7") as session:
        assert session.rows("SHOW query_group")[0][0] == "cloud-etl:run-7"
        with pytest.raises(TargetError, match="Raise statement_timeout_seconds"):
            session.rows("SELECT count(*) FROM svv_columns a, svv_columns b, svv_columns c, svv_columns d")
