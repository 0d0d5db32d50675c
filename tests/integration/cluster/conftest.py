"""A Spark cluster of one master and two workers, and the retail example in S3 for it.

The cluster is at 127.0.0.2, which counts as another machine: its executors get no folder of the driver to work in.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from cloud_etl.cli.scaffold import write_example
from cloud_etl.domain.environment import EngineSpec
from cloud_etl.domain.run import RunReport
from cloud_etl.engines.s3a import s3a_jars
from cloud_etl.monitoring import report as reports
from cloud_etl.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from tests.conftest import S3Server

HOST = "127.0.0.2"
SECRET = "CLOUD_ETL_TEST_S3_SECRET"
_START_SECONDS = 180


@dataclass
class Processes:
    """Java processes of Spark, with their logs and their own folder for temporary files."""

    folder: Path

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        home = next(iter(find_spec("pyspark").submodule_search_locations))
        (self.folder / "tmp").mkdir(exist_ok=True)
        environ = {
            **os.environ, "SPARK_LOCAL_IP": HOST, "SPARK_HOME": home, "TMPDIR": str(self.folder / "tmp"),
            "PYSPARK_PYTHON": sys.executable,
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [f"{home}/bin/spark-class", *arguments], stdout=log, stderr=subprocess.STDOUT, env=environ,
                cwd=self.folder,
            )  # fmt: skip

    def wait_for(self, name: str, text: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while text not in (log := (self.folder / f"{name}.log").read_text(errors="replace")):
            if time.monotonic() > deadline:
                pytest.fail(f"{name} did not start:\n{log[-2000:]}")
            time.sleep(0.1)


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a standalone master with two workers of one core each."""
    spark, started = Processes(tmp_path_factory.mktemp("spark")), []
    deploy, port = "org.apache.spark.deploy", str(_free_port())
    try:
        started.append(
            spark.start("master", f"{deploy}.master.Master", "--host", HOST, "--port", port, "--webui-port", "0")
        )
        spark.wait_for("master", "I have been elected leader")
        for name in ("worker-1", "worker-2"):
            arguments = ("--host", HOST, "--cores", "1", "--memory", "1g", "--webui-port", "0")
            arguments += ("--work-dir", str(spark.folder / name), f"spark://{HOST}:{port}")
            started.append(spark.start(name, f"{deploy}.worker.Worker", *arguments))
        for name in ("worker-1", "worker-2"):
            spark.wait_for(name, "Successfully registered with master")
        yield f"spark://{HOST}:{port}"
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


@pytest.fixture
def connect_server(master: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Spark Connect server on the cluster; it has the jars for S3 and nothing else of ours.

    It holds the executors of the cluster, so that it ends with its test.
    """
    spark, port = Processes(tmp_path_factory.mktemp("connect")), _free_port()
    settings = {
        **s3a_jars(EngineSpec(name="spark")), "spark.connect.grpc.binding.address": HOST, "spark.ui.enabled": "false",
        "spark.connect.grpc.binding.port": str(port), "spark.driver.host": HOST, "spark.executor.memory": "512m",
    }  # fmt: skip
    arguments = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    command = (
        "org.apache.spark.deploy.SparkSubmit",
        "--master",
        master,
        *arguments,
        "--class",
        server,
        "spark-internal",
    )
    process = spark.start("connect", *command)
    try:
        spark.wait_for("connect", "Spark Connect server started at")
        yield f"sc://{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((HOST, 0))
        return held.getsockname()[1]


@dataclass(frozen=True)
class FarProject:
    """A project whose store is in S3 and whose engine is a cluster elsewhere; it is run as a person would.

    Attributes:
        root: the project's folder on the machine of the driver.
        driver: what the driver has for temporary files.
    """

    root: Path
    driver: Path
    url: str
    server: S3Server

    @property
    def store(self) -> ObjectStore:
        return ObjectStore.open(self.url, self.server.spec, self.root)

    def with_engine(self, **settings: object) -> FarProject:
        """This project with other settings of its engine."""
        engine = self.environment()["engine"]
        assert isinstance(engine, dict)
        self.environment(engine=engine | settings)
        return self

    @property
    def work_keys(self) -> list[str]:
        """What lies in the work area."""
        return sorted(info.key for info in self.store.list(".scratch"))

    def environment(self, **settings: object) -> dict[str, object]:
        """The project's environment with some settings replaced."""
        path = self.root / "cloud-etl.yaml"
        document = yaml.safe_load(path.read_text())
        document["environments"]["local"] |= settings
        path.write_text(yaml.safe_dump(document))
        return document["environments"]["local"]

    def run(self, *arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
        """`cloud-etl run`, or Python code in its place, in a process of its own."""
        command = [sys.executable, "-c", code] if code else [str(Path(sys.executable).parent / "cloud-etl"), "run"]
        self.driver.mkdir(exist_ok=True)
        environ = {
            **os.environ, "TMPDIR": str(self.driver), "SPARK_LOCAL_IP": HOST, "PYSPARK_PYTHON": sys.executable,
            SECRET: self.server.spec.secret_access_key.get_secret_value(),
        }  # fmt: skip
        # Other tests of this process hold sessions with Sail, which PySpark notes there.
        environ.pop("SPARK_CONNECT_MODE_ENABLED", None)
        return subprocess.run(
            [*command, *arguments], cwd=self.root, env=environ, capture_output=True, text=True, timeout=400
        )

    def report(self, *arguments: str) -> RunReport:
        """The report of a run that ended well."""
        done = self.run("--all", "--quiet", "--output", "json", *arguments)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return reports.from_json(done.stdout)


@pytest.fixture(scope="session")
def new_far_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[S3Server, str], FarProject]:
    """Make the retail example with its raw files in S3, to be run on a master."""

    def make(server: S3Server, master: str) -> FarProject:
        folder = tmp_path_factory.mktemp("far")
        project = FarProject(folder / "retail", folder / "driver", server.new_url(), server)
        write_example("retail", project.root)
        for path in (project.root / "data/raw-data").rglob("*.*"):
            project.store.put_file(path, path.relative_to(project.root / "data").as_posix())
        spec = server.spec.model_dump(exclude_unset=True) | {"secret_access_key": f"${{env:{SECRET}}}"}
        engine = {"name": "spark", "master": master, "memory": "1GB"}
        project.environment(store=project.url, s3=spec, engine=engine)
        return project

    return make


@pytest.fixture
def far_retail(
    seaweed_server: S3Server, master: str, new_far_project: Callable[[S3Server, str], FarProject]
) -> FarProject:
    """A retail example of the test's own."""
    return new_far_project(seaweed_server, master)
