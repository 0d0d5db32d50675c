"""What is said of a connection that does not come to be, step by step; through the real driver, on loopback."""

from __future__ import annotations

import gc
import socket
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cloud_etl.domain.warehouse import RedshiftSpec
from cloud_etl.errors import CloudEtlError, exit_code_of
from cloud_etl.load.redshift import driver
from cloud_etl.load.redshift.credentials import log_in

RESET = struct.pack("ii", 1, 0)
Behaviour = Callable[[socket.socket], object]


def cut(client: socket.socket) -> None:
    client.recv(8)


def reset(client: socket.socket) -> None:
    client.recv(8)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def no_tls(client: socket.socket) -> None:
    client.recv(8)
    client.sendall(b"N")


def cut_in_tls(client: socket.socket) -> None:
    client.recv(8)
    client.sendall(b"S")
    client.recv(10)


def silent(client: socket.socket) -> None:
    while client.recv(1000):
        pass


def error_of_login(client: socket.socket) -> None:
    client.recv(1000)
    said = b"SFATAL\0C53300\0Mtoo many connections\0\0"
    client.sendall(b"E" + struct.pack("!i", len(said) + 4) + said)


@pytest.fixture
def server() -> Iterator[Callable[[Behaviour], int]]:
    listeners = []

    def start(behave: Behaviour) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    client.settimeout(5)
                    # The first connection is the look whether the port can be reached: it is closed at once.
                    with client, suppress(OSError):
                        behave(client)

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


def refused(port: int, mode: str) -> tuple[int, str]:
    settings = {"host": "127.0.0.1", "port": port, "user": "u", "database": "d", "auth": {"password": "p"}}
    spec = RedshiftSpec.model_validate({**settings, "tls": {"mode": mode}, "patience": {"open_seconds": 1}})
    with pytest.raises(CloudEtlError) as caught:
        driver.connect(spec, log_in(spec), Path())
    found = exit_code_of(caught.value), str(caught.value)
    del caught
    with warnings.catch_warnings():
        # The driver leaves the socket of a connection that did not come to be to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return found


@pytest.mark.parametrize(
    ("behave", "mode", "code", "said"),
    [
        (cut, "verify-full", 75, "the connection was cut while it was opened"),
        (reset, "verify-full", 75, "the connection was cut while it was opened"),
        (cut_in_tls, "verify-full", 75, "the connection was cut while it was opened"),
        (cut, "disable", 75, "the connection was cut while it was opened"),
        (silent, "verify-full", 75, "then said nothing for"),
        (silent, "disable", 75, "then said nothing for"),
        (error_of_login, "disable", 75, "too many connections"),
        (no_tls, "verify-full", 4, "it speaks no TLS"),
    ],
)
def test_each_step_of_opening_that_fails_has_its_words_and_its_code(server, behave, mode, code, said):
    exit_code, text = refused(server(behave), mode)
    assert (exit_code, said in text) == (code, True), text
    assert ("mode: disable" in text) == (behave is no_tls)
    assert "Nothing was opened" in text


def test_a_port_at_which_nobody_listens_is_no_passing_fault():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert refused(port, "disable")[0] == 4
