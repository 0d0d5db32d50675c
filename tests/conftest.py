"""Servers that stand in for AWS, one of each per test process, on free ports of the loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.local_aws.redshift.port import S3Settings
from cloud_etl.local_aws.redshift.server import RedshiftServer
from cloud_etl.local_aws.redshift.settings import ServerSettings

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"
BUCKET = "tests"
MOTO_PAGE = 100
_START_SECONDS = 60


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "integration: starts a server on this machine")
    # A shell that runs this in the background has Ctrl-C ignored, and every process below it would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = str(MOTO_PAGE)
    if os.environ.get("CLOUD_ETL_TEST_REDSHIFT_DSN"):
        # The contract suite on a real cluster needs the credentials of the one who runs it.
        return
    # No other test may find real credentials, or wait for the metadata service of a cloud machine.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


@dataclass(frozen=True)
class S3Server:
    """An S3-compatible server of this machine."""

    name: str
    endpoint: str

    @property
    def spec(self) -> S3Spec:
        return S3Spec(
            endpoint=self.endpoint, region="us-east-1", path_style=True,
            access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY,
        )  # fmt: skip

    def client(self):
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        )  # fmt: skip

    def new_url(self) -> str:
        """A place of its own for a test: a prefix, since each bucket costs SeaweedFS seven volumes."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    started = S3Server("moto", f"http://{host}:{port}")
    started.client().create_bucket(Bucket=BUCKET)
    yield started
    server.stop()


@pytest.fixture(scope="session")
def redshift_server(moto_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedshiftServer]:
    """The local Redshift server, its COPY and UNLOAD at the S3 server beside it."""
    s3 = S3Settings(moto_server.endpoint, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)
    with RedshiftServer(ServerSettings(tmp_path_factory.mktemp("redshift"), s3)) as server:
        yield server


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("seaweed")
    identity = {
        "name": "test", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }  # fmt: skip
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    server, endpoint = _start_seaweed(folder)
    yield S3Server("seaweed", endpoint)
    # Its own shutdown takes ten seconds and more, to save what is thrown away here.
    server.kill()
    server.wait()


def _start_seaweed(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    free = _free_ports(8)
    ports = dict(zip(("master", "volume", "filer", "s3"), free, strict=False))
    command = [str(Path(sys.executable).parent / "weed"), "-logtostderr", "server", f"-dir={folder}", "-ip=127.0.0.1"]
    command += ["-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={folder / 's3.json'}", "-volume.max=100"]
    command += ["-master.volumeSizeLimitMB=64", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [*(f"-{name}.port={port}" for name, port in ports.items())]
    command += [f"-{name}.port.grpc={port}" for name, port in zip(ports, free[4:], strict=True)]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    log.close()
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    _wait_until_it_serves(server, endpoint, folder / "log")
    return server, endpoint


def _wait_until_it_serves(server: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            # A bucket is made only once filer and volumes are there too.
            S3Server("seaweed", endpoint).client().create_bucket(Bucket=BUCKET)
            return
        except (BotoCoreError, ClientError):
            if server.poll() is not None or time.monotonic() > deadline:
                server.kill()
                pytest.fail(f"SeaweedFS did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for held in sockets:
        held.bind(("127.0.0.1", 0))
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports
