"""The gate before a server of this process: nobody else reaches its port."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from cloud_etl.engines import gate
from cloud_etl.engines.gate import Gate, GateError, can_close

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system filters a socket")

STRANGER = """
import socket, sys
try:
    if sys.argv[1].isdigit():
        found = socket.socket()
        found.bind((sys.argv[2], int(sys.argv[3])))
        found.settimeout(1)
        found.connect(("127.0.0.1", int(sys.argv[1])))
    else:
        found = socket.socket(socket.AF_UNIX)
        found.settimeout(5)
        found.connect("\\0" + sys.argv[1])
    found.sendall(b"hello")
    print("got", found.recv(100))
except OSError as exc:
    print("nothing", exc)
"""


def stranger(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", STRANGER, *arguments], capture_output=True, text=True, check=True, timeout=20
    ).stdout


def through(made: Gate) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect("\0" + made.target.removeprefix("unix-abstract:"))
    return client


@pytest.fixture
def port() -> Iterator[int]:
    """A server that answers with what it gets, as anybody's server does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        with client:
            while data := client.recv(1 << 16):
                client.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_this_process_goes_through_and_gets_every_byte(port: int) -> None:
    made = Gate(port)
    sent = bytes(range(256)) * 4096
    with through(made) as client:
        threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
        got = b""
        while len(got) < len(sent):
            got += client.recv(1 << 16)
    made.close()
    assert got == sent


def test_many_go_through_at_once_and_again_after_they_left(port: int) -> None:
    made = Gate(port)
    for _ in range(2):
        clients = [through(made) for _ in range(5)]
        for at, client in enumerate(clients):
            client.sendall(bytes([at]))
        assert [client.recv(1) for client in clients] == [bytes([at]) for at in range(5)]
        for client in clients:
            client.close()
    made.close()


def test_another_process_gets_nothing_from_the_port_and_nothing_from_the_socket(port: int) -> None:
    made = Gate(port)
    with through(made) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        assert stranger(str(port), "127.0.0.1", "0").startswith("nothing")
        assert "got b'hello'" not in stranger(made.target.removeprefix("unix-abstract:"))
    made.close()
    assert stranger(str(port), "127.0.0.1", "0").startswith("nothing"), "a gate that is closed stays closed"


def test_the_allowed_port_number_at_another_address_is_no_way_in(port: int) -> None:
    made = Gate(port)
    with through(made) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        (allowed,) = made._allowed
        assert stranger(str(port), "127.0.0.2", str(allowed)).startswith("nothing")
        assert stranger(str(port), "127.0.0.1", str(allowed)).startswith("nothing")
    made.close()


def test_somebody_who_was_faster_is_noticed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)), pytest.raises(GateError, match="before it was closed"):
        Gate(port)


def test_the_port_of_nobody_is_refused() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(GateError, match="none of this process"):
            Gate(held.getsockname()[1])


def test_a_system_that_takes_the_filter_and_does_not_filter_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_allow", lambda listener, ports: None)
    can_close.cache_clear()
    assert not can_close()
    monkeypatch.undo()
    can_close.cache_clear()
    assert can_close()
