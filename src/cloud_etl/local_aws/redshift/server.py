"""The server: a listener with one thread per client, over one PostgreSQL."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from cloud_etl.local_aws import certificates
from cloud_etl.local_aws.redshift import install
from cloud_etl.local_aws.redshift.executor import Host
from cloud_etl.local_aws.redshift.history import History
from cloud_etl.local_aws.redshift.postgres import Postgres
from cloud_etl.local_aws.redshift.session import Session
from cloud_etl.local_aws.redshift.settings import ServerSettings

_HOST = "127.0.0.1"
_JOIN_SECONDS = 10


class RedshiftServer:
    """A Redshift-compatible server on this machine; a context manager that always stops what it started."""

    def __init__(self, settings: ServerSettings) -> None:
        """Take the settings; nothing is started."""
        self._settings = settings
        self._postgres = Postgres(settings.folder, install.server_options())
        self._listener: socket.socket | None = None
        self._sessions: set[Session] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._query_ids = itertools.count(1)

    @property
    def host(self) -> str:
        """The address it listens on."""
        return _HOST

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it is started."""
        return int(self._listener.getsockname()[1]) if self._listener else 0

    @property
    def user(self) -> str:
        """The administrator."""
        return self._settings.user

    @property
    def password(self) -> str:
        """The administrator's password."""
        return self._settings.kept_password()

    @property
    def database(self) -> str:
        """The database made at the first start."""
        return self._settings.database

    @property
    def certificate_path(self) -> Path:
        """The CA certificate that clients verify the server with."""
        return self._settings.folder.absolute() / "tls" / "ca.crt"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start PostgreSQL, install the catalogue and listen.

        Raises:
            TargetError: PostgreSQL cannot be started.
            OSError: the port is taken.
        """
        try:
            context, _ = certificates.server_context(self._settings.folder.absolute() / "tls")
            self._listener = socket.create_server((_HOST, self._settings.port), backlog=128)
            self._postgres.start()
            install.install(self._postgres.socket_path, database=self.database, user=self.user, password=self.password)
        except BaseException:
            self.stop()
            raise
        self._spawn(self._accept, self._listener, context)

    def _spawn(self, run: object, *arguments: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=arguments, daemon=True, name="redshift")
        self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        host = Host(self._postgres.socket_path, self._settings.s3, self._query_ids, History())
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._spawn(self._serve, host, context, client)

    def _serve(self, host: Host, context: ssl.SSLContext, client: socket.socket) -> None:
        session = Session(host, context, client)
        with self._lock:
            self._sessions.add(session)
        try:
            session.run()
        finally:
            with self._lock:
                self._sessions.discard(session)

    def stop(self) -> None:
        """End every session, stop PostgreSQL and wait for both."""
        if self._listener is not None:
            # A close alone does not wake the thread that waits in accept.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.interrupt()
        self._postgres.stop()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
