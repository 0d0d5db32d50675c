"""EMR Serverless as moto knows it, and a service beside it that really runs what it was given."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from moto.emrserverless import models

from cloud_etl.config.config import LoadedProject, load_project

ROLE = "arn:aws:iam::123456789012:role/etl"
REGION = "us-east-1"
PIPELINE = """\
pipeline: orders
source: {path: raw-data/orders/, pattern: "*.csv", format: csv}
schema:
  order_id: {type: string, required: true}
  quantity: {type: integer}
transform:
  - deduplicate: {keys: [order_id]}
  - python: "rules.clean:keep_positive"
quality:
  checks:
    - range: {column: quantity, min: 1, max: 100, on_fail: reject}
outputs:
  - name: orders_fact
    load: {table: analytics.orders_fact, mode: append}
"""
RULES = """\
from rules.limits import LEAST


def keep_positive(frame):
    return frame.where(f"quantity >= {LEAST}")
"""


@dataclass
class Job:
    """A job run as the service has it: the request that came in, and what was done with it."""

    run: models.JobRun
    environ: dict[str, str]
    folder: Path
    exit_code: int | None = None
    stderr: str = ""

    @property
    def spark_submit(self) -> dict[str, object]:
        return self.run.job_driver["sparkSubmit"]

    @property
    def parameters(self) -> dict[str, str]:
        words = str(self.spark_submit["sparkSubmitParameters"]).split()
        return dict(word.split("=", 1) for word in words if word != "--conf")

    @property
    def defaults(self) -> dict[str, str]:
        for one in self.run.configuration_overrides.get("applicationConfiguration", []):
            if one["classification"] == "spark-defaults":
                return one["properties"]
        return {}


@dataclass
class Service:
    """What EMR Serverless does with a job run: fetch the files, unpack the archives, run the entry script."""

    s3: object
    folder: Path
    environ: dict[str, str]
    launcher: tuple[str, ...] = (sys.executable,)
    spark: bool = False
    jobs: list[Job] = field(default_factory=list)
    unpacked: dict[str, Path] = field(default_factory=dict)

    def run(self, job_run: models.JobRun) -> Job:
        """Run a job to its end, as the states of moto's job run show."""
        job = Job(job_run, self.environ, self.folder / job_run.id)
        job.folder.mkdir()
        self.jobs.append(job)
        job_run.state = "RUNNING"
        for archive in job.parameters["spark.archives"].split(","):
            uri, _, name = archive.partition("#")
            (job.folder / name).symlink_to(self._unpacked(uri))
        entry = self._fetched(str(job.spark_submit["entryPoint"]), job.folder / "entry.py")
        variables = {
            name.removeprefix("spark.emr-serverless.driverEnv."): value
            for name, value in (job.parameters | job.defaults).items()
            if name.startswith("spark.emr-serverless.driverEnv.")
        }
        done = subprocess.run(
            [*self.launcher, *self._settings(job), str(entry), *job.spark_submit["entryPointArguments"]],
            cwd=job.folder, env={**self.environ, **variables}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        job.exit_code, job.stderr = done.returncode, done.stderr
        job_run.state_details = f"the driver ended with {done.returncode}"
        job_run.state = "FAILED" if done.returncode else "SUCCESS"
        return job

    def _settings(self, job: Job) -> list[str]:
        """What spark-submit is given, without the sizes of workers and the archives, which are unpacked already."""
        given = {
            name: value
            for name, value in (job.defaults | job.parameters).items()
            if name.startswith("spark.executorEnv.") or name in ("spark.task.maxFailures",)
        }
        return [word for name, value in given.items() for word in ("--conf", f"{name}={value}")] if self.spark else []

    def _fetched(self, uri: str, path: Path) -> Path:
        parts = urlsplit(uri)
        self.s3.download_file(parts.netloc, parts.path[1:], str(path))
        return path

    def _unpacked(self, uri: str) -> Path:
        """Folder of an archive; each is unpacked once for all tests."""
        if uri not in self.unpacked:
            name = Path(urlsplit(uri).path).name
            folder = self.folder / f"unpacked-{name}"
            packed = self._fetched(uri, self.folder / name)
            if packed.suffix == ".zip":
                with zipfile.ZipFile(packed) as archive:
                    archive.extractall(folder)
            else:
                with tarfile.open(packed) as tar:
                    tar.extractall(folder, filter="data")
            packed.unlink()
            self.unpacked[uri] = folder
        return self.unpacked[uri]


@dataclass
class Cloud:
    """An application, the store of a project, and the project's folder."""

    application: models.Application
    backend: models.EMRServerlessBackend
    store: str
    endpoint: str
    root: Path
    s3: object

    @property
    def jobs(self) -> list[models.JobRun]:
        return self.backend.job_runs.get(self.application.id, [])

    def load(self, **overrides: str) -> LoadedProject:
        return load_project(self.root, None, overrides)

    def put(self, key: str, text: str) -> None:
        parts = urlsplit(f"{self.store}/{key}")
        self.s3.put_object(Bucket=parts.netloc, Key=parts.path[1:], Body=text.encode())

    def keys(self, prefix: str) -> list[str]:
        parts = urlsplit(f"{self.store}/")
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=parts.path[1:] + prefix)
        return [one["Key"].removeprefix(parts.path[1:]) for page in pages for one in page.get("Contents", [])]


@pytest.fixture
def aws(moto_server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard settings of a machine with credentials; job runs wait until a test moves them on."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-access-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret-key")
    monkeypatch.setattr(models, "JOB_STATUS", "SUBMITTED")


@pytest.fixture(scope="session")
def shared_store(moto_server) -> str:
    """One place for the tests that send packages, so that they are packed and sent once."""
    return moto_server.new_url()


@pytest.fixture
def new_cloud(aws, moto_server, tmp_path: Path) -> Callable[..., Cloud]:
    """Make an application and a project that sends its runs there."""

    def make(store: str | None = None, dependencies: str = "image", warehouse: str = "/mnt/shop.duckdb") -> Cloud:
        client = boto3.client("emr-serverless", endpoint_url=moto_server.endpoint, region_name=REGION)
        made = client.create_application(name="etl", releaseLabel="emr-6.6.0-20220101", type="SPARK")
        backend = models.emrserverless_backends["123456789012"][REGION]
        application = backend.applications[made["applicationId"]]
        # moto knows no release with Spark 4, no architectures and no images.
        application.release_label, application.architecture = "emr-spark-8.0.0", "X86_64"
        application.image_configuration = {"imageUri": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/etl:1"}
        cloud = Cloud(
            application, backend, store or moto_server.new_url(), moto_server.endpoint, tmp_path / "shop",
            moto_server.client(),
        )  # fmt: skip
        _write_project(cloud, dependencies, warehouse)
        return cloud

    return make


@pytest.fixture
def cloud(new_cloud: Callable[..., Cloud]) -> Cloud:
    """An application whose image has the packages."""
    return new_cloud()


def _write_project(cloud: Cloud, dependencies: str, warehouse: str) -> None:
    project = f"""\
project: shop
default_environment: prod
environments:
  prod:
    store: {cloud.store}
    s3: {{endpoint: "{cloud.endpoint}", region: {REGION}, path_style: true}}
    engine: {{name: spark, memory: 1GB, cores: 1}}
    warehouse: {{duckdb: {{path: {warehouse}, memory: 256MB}}}}
    submit:
      variables: {{SHOP_COLOUR: "blue; 'green'"}}
      emr_serverless:
        application_id: {cloud.application.id}
        execution_role_arn: {ROLE}
        endpoint: {cloud.endpoint}
        timeout_minutes: 45
        dependencies: {dependencies}
        executor: {{cores: 2, memory_gb: 8, most: 3}}
        spark_config: {{spark.task.maxFailures: 2}}
        tags: {{cost: etl}}
"""
    files = {
        "cloud-etl.yaml": project,
        "pipelines/orders.yaml": PIPELINE,
        "rules/clean.py": RULES,
        "rules/limits.py": "LEAST = 0\n",
    }
    for name, text in files.items():
        path = cloud.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture(scope="session")
def service_class() -> type[Service]:
    """The service, for tests that choose how it runs the entry script."""
    return Service
