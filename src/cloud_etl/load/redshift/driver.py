"""Sessions through redshift_connector: a TCP connection to the cluster."""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.errors import CloudEtlError, TargetError, TemporaryError, UnreachableError
from cloud_etl.load.redshift.failures import said
from cloud_etl.load.redshift.transport import Answer, Fault

if TYPE_CHECKING:
    from redshift_connector.core import Connection

    from cloud_etl.domain.warehouse import RedshiftSpec
    from cloud_etl.load.redshift.credentials import Login

_CONNECT_SECONDS = 10
# For TLS, the login and the driver's first questions: a server that takes the connection and then says nothing.
_OPEN_SECONDS = 30
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_environment = threading.Lock()
# What the driver lets through when a connection breaks in the middle of a message.
_BROKEN = (OSError, struct.error, IndexError)
_SILENT_SECONDS = 60
_UNACKNOWLEDGED_SECONDS = 120
_QUICK_SECONDS = 120.0
_QUICK = ("SET ", "BEGIN", "ROLLBACK", "SELECT 1", "SELECT column_name", "SELECT run_id", "SELECT identity")
_CUT = "the connection was cut while it was opened. Try again"
_SILENT = f"it took the connection and then said nothing for {_OPEN_SECONDS} s. Try again"
_TIMED_OUT = re.compile("timed? out")
_REFUSED_LOGINS = {"28000", "28P01"}
_PASSING_LOGINS = {"53300", "57P03", "57P01"}


class DriverTransport:
    """A connection of redshift_connector that commits each statement unless a transaction is open."""

    def __init__(self, connection: Connection, silent_seconds: float) -> None:
        """Store the connection, and after how long without a word of an answer it counts as lost."""
        self._connection = connection
        self._silent_seconds = silent_seconds
        self._connection.autocommit = True

    def run(self, sql: str, values: Sequence[object] = ()) -> Answer | Fault:
        """Run one statement."""
        from redshift_connector.error import Error as DriverError

        # An answer to these takes no work: a black hole on the way is found in minutes, not after a statement's time.
        quick = sql.startswith(_QUICK)
        self._connection._usock.settimeout(min(_QUICK_SECONDS, self._silent_seconds) if quick else self._silent_seconds)
        try:
            cursor = self._connection.cursor()
            cursor.paramstyle = "qmark"
            cursor.execute(sql, list(values) if values else None)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        except (DriverError, *_BROKEN) as exc:
            return fault_of(exc)
        return Answer(rows, cursor.rowcount)

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
    import redshift_connector
    from redshift_connector.error import Error as DriverError

    _probe(spec, login)
    certificates = root / spec.tls.ca_file if spec.tls.ca_file else None
    try:
        with _trusting(certificates):
            connection = redshift_connector.connect(
                host=login.host,
                port=login.port,
                database=login.database,
                user=login.user,
                password=login.password,
                ssl=spec.tls.mode != "disable",
                sslmode="verify-full" if spec.tls.mode == "disable" else spec.tls.mode,
                application_name="cloud-etl",
                timeout=_OPEN_SECONDS,
                tcp_keepalive=True,
                tcp_keepalive_idle=60,
                tcp_keepalive_interval=15,
                tcp_keepalive_count=8,
            )
    except (DriverError, *_BROKEN) as exc:
        raise _refused(exc, spec, login) from exc
    # What was sent and is not acknowledged: without this the system tries for a quarter of an hour.
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_SECONDS * 1000)
    # The server ends a statement first; this is for a server that has gone silent.
    return DriverTransport(connection, spec.statement_timeout_seconds + _SILENT_SECONDS)


def _probe(spec: RedshiftSpec, login: Login) -> None:
    """See that the port can be reached; the driver's own error does not tell a name from a route from a firewall."""
    try:
        with socket.create_connection((login.host, login.port), _CONNECT_SECONDS):
            return
    except socket.gaierror as exc:
        advice = f"the name {login.host} is not known. Correct warehouse.redshift.host, or the DNS of this network"
        raise UnreachableError(_unreached(spec, login, advice)) from exc
    except TimeoutError as exc:
        advice = (
            f"no answer within {_CONNECT_SECONDS} s. Open port {login.port} for this machine in the cluster's security "
            "group, check that it is reachable from this network, or set transport: data_api"
        )
        raise UnreachableError(_unreached(spec, login, advice)) from exc
    except (ConnectionResetError, ConnectionAbortedError) as exc:
        raise TemporaryError(_unreached(spec, login, _CUT)) from exc
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
            return TemporaryError(_unreached(spec, login, _CUT))
        advice = "it speaks no TLS. Only where the network is your own: tls: {mode: disable}"
    elif fault.sqlstate in _REFUSED_LOGINS or "password authentication failed" in text:
        advice = f"it refuses the login ({said(fault)}). Check user and password, or who may log in as that user"
    elif fault.sqlstate in _PASSING_LOGINS:
        return TemporaryError(_unreached(spec, login, f"{said(fault)}. Try again"))
    elif fault.sqlstate == "3D000":
        advice = f"there is no database {login.database}. Correct warehouse.redshift.database"
    elif fault.is_lost:
        return TemporaryError(_unreached(spec, login, _SILENT if _TIMED_OUT.search(text) else _CUT))
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
