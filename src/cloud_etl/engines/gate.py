"""A server of this process on a port of this machine, closed to everybody but this process.

Sail's server asks nobody who he is, and any user of a machine reaches its loopback addresses. Linux lets the owner of a
socket attach a filter: that of the server drops every packet but those from ports that this process holds itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import secrets
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

_HOST = "127.0.0.1"
_READ_BYTES = 1 << 18
# linux/socket.h and linux/filter.h; Python names none of them.
_SO_ATTACH_FILTER = 26
_LOAD_WORD, _LOAD_HALF, _IF_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_SOURCE_ADDRESS = 0xFFF00000 + 12
_SOURCE_PORT = 0
_LOOPBACK = 0x7F000001
_ALL = 0xFFFFFFFF
_LISTENS = "0A"
# A connection on the loopback device is there at once or never.
_TRIAL_MILLISECONDS = 20


class GateError(OSError):
    """The port cannot be closed to others, or one of them was faster."""


class Gate:
    """The way to a server of this process that no other process has."""

    def __init__(self, port: int) -> None:
        """Close a port on which this process listens to everybody.

        Raises:
            GateError: this process does not listen there, the system does not filter, or somebody is connected already.
        """
        self._port = port
        self._lock = threading.Lock()
        self._allowed: set[int] = set()
        self._open: set[socket.socket] = set()
        self._listener = _own_listener(port)
        self._closed = False
        try:
            _allow(self._listener, ())
            if not _is_closed(port):
                raise GateError(f"port {port} answers although it was closed")
            if _connections(port):
                raise GateError(f"another process connected to port {port} before it was closed")
            # Without a name in a folder; whoever connects is asked for his process id.
            self._name = f"cloud-etl-{secrets.token_hex(16)}"
            self._door = socket.socket(socket.AF_UNIX)
            self._door.bind(f"\0{self._name}")
            self._door.listen()
        except OSError:
            self._listener.close()
            raise
        threading.Thread(target=self._accept, daemon=True, name="engine-gate").start()

    @property
    def target(self) -> str:
        """The address for gRPC."""
        return f"unix-abstract:{self._name}"

    def close(self) -> None:
        """End what goes through; the port stays closed to others."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        with self._lock:
            held = list(self._open)
        for sock in held:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            if _process_of(client) != os.getpid():
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True, name="engine-gate").start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket() as server:
            # Nobody else can come from this port while the socket holds it.
            server.bind((_HOST, 0))
            own = server.getsockname()[1]
            try:
                self._change(add=own)
                server.connect((_HOST, self._port))
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._relay(client, server)
            except OSError:
                return
            finally:
                self._change(remove=own)

    def _change(self, add: int | None = None, remove: int | None = None) -> None:
        with self._lock:
            self._allowed = (self._allowed | {add} if add else self._allowed) - {remove or 0}
            if not self._closed:
                _allow(self._listener, self._allowed)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._open |= {client, server}
        answers = threading.Thread(target=_pump, args=(server, client), daemon=True, name="engine-gate")
        answers.start()
        _pump(client, server)
        answers.join()
        with self._lock:
            self._open -= {client, server}


@functools.cache
def can_close() -> bool:
    """Whether this system closes a port to others; tried on one."""
    if not sys.platform.startswith("linux"):
        return False
    with socket.create_server((_HOST, 0)) as listener:
        try:
            _allow(listener, ())
            return _is_closed(listener.getsockname()[1])
        except OSError:
            return False


def _allow(listener: socket.socket, ports: Iterable[int]) -> None:
    """Let a listening socket hear what comes from these ports of 127.0.0.1 and nothing else."""
    wanted = sorted(ports)
    last = len(wanted)
    program = [
        (_LOAD_WORD, 0, 0, _SOURCE_ADDRESS), (_IF_EQUAL, 0, last + 1, _LOOPBACK), (_LOAD_HALF, 0, 0, _SOURCE_PORT),
        *((_IF_EQUAL, last - at, 0, port) for at, port in enumerate(wanted)),
        (_RETURN, 0, 0, 0), (_RETURN, 0, 0, _ALL),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


def _is_closed(port: int) -> bool:
    with socket.socket() as stranger:
        stranger.setblocking(False)
        if stranger.connect_ex((_HOST, port)) == 0:
            return False
        poll = select.poll()
        poll.register(stranger, select.POLLOUT)
        return not poll.poll(_TRIAL_MILLISECONDS)


def _own_listener(port: int) -> socket.socket:
    inodes = {inode for state, inode in _rows(port) if state == _LISTENS}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(entry.readlink()) in {f"socket:[{inode}]" for inode in inodes}:
                return socket.socket(fileno=os.dup(int(entry.name)))
    raise GateError(f"port {port} is none of this process")


def _connections(port: int) -> int:
    return sum(state != _LISTENS for state, _ in _rows(port))


def _rows(port: int) -> list[tuple[str, str]]:
    """State and inode of every socket of a local port: man 5 proc, /proc/net/tcp."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return [(row[3], row[9]) for row in rows if int(row[1].rpartition(":")[2], 16) == port]


def _process_of(client: socket.socket) -> int:
    pid: int = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return pid


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(_READ_BYTES):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
