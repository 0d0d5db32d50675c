"""Sessions through redshift_connector: a TCP connection to the cluster."""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.domain.patience import waiting
from cloud_etl.errors import CloudEtlError, TargetError, TemporaryError, UnreachableError
from cloud_etl.load.redshift.failures import said
from cloud_etl.load.redshift.transport import Answer, Fault
from cloud_etl.load.redshift.watch import watched

if TYPE_CHECKING:
    from redshift_connector.core import Connection

    from cloud_etl.domain.warehouse import RedshiftSpec
    from cloud_etl.load.redshift.credentials import Login

_CONNECT_SECONDS = 10
# An interrupted run has seven seconds in all.
_END_SECONDS = 4
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_environment = threading.Lock()
# What the driver lets through when a connection breaks in the middle of a message.
_BROKEN = (OSError, struct.error, IndexError)
_SILENT_SECONDS = 60
_UNACKNOWLEDGED_SECONDS = 120
# An answer to these takes no work: a black hole on the way is found in minutes, not after a statement's time.
_QUICK = ("SET ", "BEGIN", "ROLLBACK", "SELECT 1", "SELECT column_name", "SELECT run_id", "SELECT identity")
_CUT = "the connection was cut while it was opened. Try again"
_TIMED_OUT = re.compile("timed? out")
_REFUSED_LOGINS = {"28000", "28P01"}
_PASSING_LOGINS = {"53300", "57P03", "57P01"}


# These run to their end whatever is asked for: what they did must be known.
_ENDS = ("COMMIT", "ROLLBACK")


class _NobodyAnswersError(TemporaryError):
    """The server, or somebody on the way to it, took the connection and then cut it or said nothing."""


class DriverTransport:
    """A connection of redshift_connector that commits each statement unless a transaction is open."""

    def __init__(self, connection: Connection, spec: RedshiftSpec, reopen: Callable[[int], Connection]) -> None:
        """Store the connection, and how to open another one beside it; reopen takes the seconds that it may last."""
        self._connection = connection
        self._connection.autocommit = True
        self._spec = spec
        self._patience = spec.patience
        # The server ends a statement first; this is for a server that has gone silent.
        self._longest_seconds = spec.statement_timeout_seconds + _SILENT_SECONDS
        self._reopen = reopen
        self._process: int | None = None
        self._cut_because = ""
        self._is_ended = False

    def run(self, sql: str, values: Sequence[object] = ()) -> Answer | Fault:
        """Run one statement; a signal ends it on the server as well."""
        if sql.startswith(_QUICK):
            return self._answer(sql, values, min(self._patience.answer_seconds, self._longest_seconds))
        watch = watched(self._is_there, self._patience.silent_seconds, self._cut)
        stop = nullcontext() if sql.startswith(_ENDS) else interrupts.stoppable(self._end)
        with waiting(f"Redshift to answer {sql.split(maxsplit=1)[0]}", self._longest_seconds), watch, stop:
            return self._answer(sql, values, self._longest_seconds)

    def identify(self) -> None:
        """Ask for the server's process of this session, by which another connection finds it."""
        answer = self._answer("SELECT pg_backend_pid()", (), self._patience.answer_seconds)
        if isinstance(answer, Answer) and answer.rows:
            self._process = int(str(answer.rows[0][0]))

    def _answer(self, sql: str, values: Sequence[object], most_seconds: float) -> Answer | Fault:
        from redshift_connector.error import Error as DriverError

        try:
            self._connection._usock.settimeout(most_seconds)
            cursor = self._connection.cursor()
            cursor.paramstyle = "qmark"
            cursor.execute(sql, list(values) if values else None)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        except (DriverError, *_BROKEN) as exc:
            fault = fault_of(exc)
            return replace(fault, message=self._cut_because) if self._cut_because and fault.is_lost else fault
        return Answer(rows, cursor.rowcount)

    def _is_there(self) -> bool | None:
        """Whether the server still has this session; None where nobody answers."""
        try:
            answer = self._beside(f"SELECT count(*) FROM stv_sessions WHERE process = {self._process or 0}", 0)
        except (_NobodyAnswersError, UnreachableError):
            return None
        except CloudEtlError:
            # It does answer: the login of this session has expired, say.
            return True
        if isinstance(answer, Fault):
            return None if answer.is_lost else True
        return self._process is None or answer.rows[0][0] != 0

    def _end(self) -> None:
        """End the session on the server, which rolls back; closing the connection alone lets a statement run on."""
        if self._is_ended:
            return
        self._is_ended = True
        ends = threading.Thread(target=self._end_on_server, name="redshift-end", daemon=True)
        ends.start()
        ends.join(_END_SECONDS)
        self._cut("it was ended")

    def _end_on_server(self) -> None:
        with suppress(CloudEtlError):
            if self._process is not None:
                self._beside(f"SELECT pg_terminate_backend({self._process})", _END_SECONDS)

    def _beside(self, sql: str, most_seconds: int) -> Answer | Fault:
        """Run a statement on a connection of its own."""
        other = DriverTransport(self._reopen(most_seconds), self._spec, self._reopen)
        try:
            return other._answer(sql, (), most_seconds or self._patience.open_seconds)
        finally:
            other.close()

    def _cut(self, why: str) -> None:
        self._cut_because = self._cut_because or why
        # Not the TLS layer's own: that would wait for the other side, and another thread reads.
        with suppress(OSError):
            socket.socket.shutdown(self._connection._usock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; one that is broken already is fine."""
        from redshift_connector.error import Error as DriverError

        try:
            self._connection.close()
        except (DriverError, OSError, AttributeError):
            return


def fault_of(error: Exception) -> Fault:
    """What an error of the driver says; the server's own words stand in a mapping of its message fields."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else None
    if fields is None:
        return Fault("", f"{type(error).__name__}: {error}", is_lost=True)
    return Fault(fields.get("C", ""), fields.get("M", ""), fields.get("D", ""), is_lost=fields.get("C") == "57P01")


def connect(spec: RedshiftSpec, login: Login, root: Path) -> DriverTransport:
    """Open a connection.

    Args:
        spec: TLS and time limits.
        login: where, and as whom.
        root: root of the project, for the path of the CA file.

    Raises:
        TargetError: the server cannot be reached, its certificate is not to be trusted, or it refuses the login.
        TemporaryError: the server takes no more connections, or is starting.
    """

    def opened(most_seconds: int) -> Connection:
        return _opened(spec, login, root, most_seconds or spec.patience.open_seconds)

    transport = DriverTransport(opened(0), spec, opened)
    transport.identify()
    return transport


def _opened(spec: RedshiftSpec, login: Login, root: Path, most_seconds: int) -> Connection:
    import redshift_connector
    from redshift_connector.error import Error as DriverError

    _probe(spec, login, min(most_seconds, _CONNECT_SECONDS))
    certificates = root / spec.tls.ca_file if spec.tls.ca_file else None
    try:
        with waiting(f"Redshift at {login.host}:{login.port} to open a session", most_seconds), _trusting(certificates):
            connection: Connection = redshift_connector.connect(
                host=login.host,
                port=login.port,
                database=login.database,
                user=login.user,
                password=login.password,
                ssl=spec.tls.mode != "disable",
                sslmode="verify-full" if spec.tls.mode == "disable" else spec.tls.mode,
                application_name="cloud-etl",
                timeout=most_seconds,
                tcp_keepalive=True,
                tcp_keepalive_idle=60,
                tcp_keepalive_interval=15,
                tcp_keepalive_count=8,
            )
    except (DriverError, *_BROKEN) as exc:
        raise _refused(exc, spec, login) from exc
    # What was sent and is not acknowledged: without this the system tries for a quarter of an hour.
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_SECONDS * 1000)
    return connection


def _probe(spec: RedshiftSpec, login: Login, most_seconds: int) -> None:
    """See that the port can be reached; the driver's own error does not tell a name from a route from a firewall."""
    try:
        with socket.create_connection((login.host, login.port), most_seconds):
            return
    except socket.gaierror as exc:
        advice = f"the name {login.host} is not known. Correct warehouse.redshift.host, or the DNS of this network"
        raise UnreachableError(_unreached(spec, login, advice)) from exc
    except TimeoutError as exc:
        advice = (
            f"no answer within {most_seconds} s. Open port {login.port} for this machine in the cluster's security "
            "group, check that it is reachable from this network, or set transport: data_api"
        )
        raise UnreachableError(_unreached(spec, login, advice)) from exc
    except (ConnectionResetError, ConnectionAbortedError) as exc:
        raise _NobodyAnswersError(_unreached(spec, login, _CUT)) from exc
    except OSError as exc:
        advice = f"{exc.strerror or exc}. Check host and port, and that the cluster is not paused"
        if login.host in ("127.0.0.1", "localhost"):
            advice += "; a local one is started by cloud-etl local up"
        raise UnreachableError(_unreached(spec, login, advice)) from exc


def _says_no_to_tls(login: Login) -> bool:
    """Ask the server itself whether it speaks TLS; one that is gone, or silent, has not said no."""
    try:
        with socket.create_connection((login.host, login.port), _CONNECT_SECONDS) as asked:
            asked.sendall(_SSL_REQUEST)
            return asked.recv(1) == b"N"
    except OSError:
        return False


def _unreached(spec: RedshiftSpec, login: Login, advice: str) -> str:
    return (
        f"Redshift at {login.host}:{login.port} cannot be reached as user {login.user} (credentials: {login.source}, "
        f"TLS: {spec.tls.mode}): {advice}. Nothing was opened."
    )


def _refused(error: Exception, spec: RedshiftSpec, login: Login) -> CloudEtlError:
    text = f"{error} {error.__cause__ or ''} {error.args}"
    fault = fault_of(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        advice = (
            "its certificate is not to be trusted or bears another name. Use the host name of the cluster's endpoint, "
            "or set tls.ca_file to the certificates of the one who signed it"
        )
    elif "refuses SSL" in text:
        # The driver says so of a connection that was cut, too.
        if not _says_no_to_tls(login):
            return _NobodyAnswersError(_unreached(spec, login, _CUT))
        advice = "it speaks no TLS. Only where the network is your own: tls: {mode: disable}"
    elif fault.sqlstate in _REFUSED_LOGINS or "password authentication failed" in text:
        advice = f"it refuses the login ({said(fault)}). Check user and password, or who may log in as that user"
    elif fault.sqlstate in _PASSING_LOGINS:
        return TemporaryError(_unreached(spec, login, f"{said(fault)}. Try again"))
    elif fault.sqlstate == "3D000":
        advice = f"there is no database {login.database}. Correct warehouse.redshift.database"
    elif fault.is_lost:
        silent = f"it took the connection and then said nothing for {spec.patience.open_seconds} s. Try again"
        return _NobodyAnswersError(_unreached(spec, login, silent if _TIMED_OUT.search(text) else _CUT))
    else:
        advice = said(fault)
    return TargetError(_unreached(spec, login, advice))


@contextmanager
def _trusting(certificates: Path | None) -> Iterator[None]:
    """Have OpenSSL trust a file besides the driver's own bundle; the driver has no setting for it."""
    name = "SSL_CERT_FILE"
    with _environment, warnings.catch_warnings():
        # The driver makes its SSLContext in a way that Python has come to warn of.
        warnings.filterwarnings("ignore", category=DeprecationWarning, message="ssl")
        if certificates is None:
            yield
            return
        if not certificates.is_file():
            raise TargetError(f"tls.ca_file {certificates} is not there. Nothing was opened. Correct the path.")
        before = os.environ.get(name)
        os.environ[name] = str(certificates)
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before
