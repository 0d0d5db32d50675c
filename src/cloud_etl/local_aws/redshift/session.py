"""One client's session, from its first packet to its last."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import traceback
from datetime import UTC, datetime
from pathlib import Path

from cloud_etl.local_aws.redshift import auth, install, protocol
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.executor import Executor, Host
from cloud_etl.local_aws.redshift.extended import Extended
from cloud_etl.local_aws.redshift.history import Connected
from cloud_etl.local_aws.redshift.port import RedshiftError
from cloud_etl.local_aws.redshift.protocol import ConnectionClosed, Wire, message
from cloud_etl.local_aws.redshift.relay import Relay, parameter

# The driver's binary format (2) writes numbers in a way of its own; answered with 1 it reads text, value for value.
_PROTOCOL_VERSION = 1
# The SHOW commands a driver may send for its metadata: up to those over all tables of a database.
_SHOW_DISCOVERY = "5"
_EXTENDED = (b"P", b"B", b"D", b"E", b"C", b"S", b"H")
_PASSED_ON = ("application_name", "client_encoding", "options")


class Session:
    """One client."""

    def __init__(self, host: Host, tls: ssl.SSLContext, client: socket.socket) -> None:
        """Take the accepted socket; nothing is read yet."""
        self._host = host
        self._tls = tls
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = Wire(client)
        self._backend: PostgresConnection | None = None
        self._user = self._database = ""

    def run(self) -> None:
        """Serve the client until it leaves or the server is stopped."""
        try:
            self._run()
        except RedshiftError as exc:
            with contextlib.suppress(OSError):
                self._client.write(auth.refusal(exc))
                self._client.flush()
        except (ConnectionClosed, OSError):
            # The client waits for an answer that will not come: a reset tells it so at once.
            with contextlib.suppress(OSError):
                self._client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except Exception as exc:  # noqa: BLE001  whatever it is, the client waits and PostgreSQL holds locks
            with contextlib.suppress(OSError):
                self._client.write(auth.refusal(_own_fault(exc)))
                self._client.flush()
        finally:
            self._close()

    def interrupt(self) -> None:
        """End the session from another thread."""
        with contextlib.suppress(OSError):
            self._client.sock.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        if self._backend is not None:
            self._backend.close()
        self._client.close()

    def _run(self) -> None:
        parameters = self._start_up()
        if parameters is None:
            return
        self._user = parameters.get("user", "")
        self._database = parameters.get("database") or self._user
        admin = install.internal(self._host.socket_path, "postgres")
        try:
            auth.authenticate(self._client, self._user, admin)
        finally:
            admin.close()
        backend = self._connect(parameters)
        version = min(_number(parameters.get("client_protocol_version", "0")), _PROTOCOL_VERSION)
        relay = Relay(self._client, backend, extended=version > 0)
        self._greet(backend, parameters)
        executor = Executor(self._host, relay, self._user, self._database)
        extended = Extended(relay, executor.translate, executor.execute, executor.bring)
        while True:
            received = self._client.read()
            if received.kind == b"Q":
                executor.simple(received.body[:-1].decode(errors="surrogateescape"))
                self._ready(backend)
            elif received.kind in _EXTENDED:
                extended.handle(received)
            elif received.kind == b"X":
                return

    def _start_up(self) -> dict[str, str] | None:
        while True:
            code, body = self._client.read_startup()
            if code == protocol.SSL_REQUEST:
                self._client.sock.sendall(b"S")
                self._client = Wire(self._tls.wrap_socket(self._client.sock, server_side=True))
            elif code == protocol.GSS_REQUEST:
                self._client.sock.sendall(b"N")
            elif code == protocol.CANCEL_REQUEST:
                self._cancel(body)
                return None
            else:
                return protocol.parse_startup(body)

    def _cancel(self, key: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self._host.socket_path)
            sock.sendall(struct.pack("!ii", len(key) + 8, protocol.CANCEL_REQUEST) + key)
            sock.recv(1)

    def _connect(self, parameters: dict[str, str]) -> PostgresConnection:
        passed = {name: parameters[name] for name in _PASSED_ON if name in parameters}
        known = {"user": self._user, "database": self._database, "client_encoding": "UTF8"}
        self._backend = PostgresConnection(self._host.socket_path, known | passed)
        return self._backend

    def _greet(self, backend: PostgresConnection, parameters: dict[str, str]) -> None:
        for received in backend.greeting:
            self._client.write(parameter(received))
        if "client_protocol_version" in parameters:
            version = min(_number(parameters["client_protocol_version"]), _PROTOCOL_VERSION)
            self._client.write(protocol.parameter_status("server_protocol_version", str(version)))
            self._client.write(protocol.parameter_status("show_discovery", _SHOW_DISCOVERY))
            self._client.write(protocol.parameter_status("datashare_enabled", "on"))
        self._client.write(message(b"K", backend.key))
        self._host.history.add(
            Connected(
                backend.pid, self._user, self._database, datetime.now(UTC), parameters.get("application_name", ""),
                parameters.get("driver_version", ""), parameters.get("os_version", ""),
                isinstance(self._client.sock, ssl.SSLSocket),
            )
        )  # fmt: skip
        self._ready(backend)

    def _ready(self, backend: PostgresConnection) -> None:
        self._client.write(message(b"Z", backend.status))
        self._client.flush()


def _own_fault(exc: Exception) -> RedshiftError:
    """A fault of the server's, named by its kind and its place; its text may hold values."""
    frame = traceback.extract_tb(exc.__traceback__)[-1]
    fault = f"{type(exc).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    return RedshiftError(
        f"internal error of the local Redshift server: {fault}; "
        "the open transaction is rolled back and the connection closed"
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
