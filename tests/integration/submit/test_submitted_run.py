"""`cloud-etl submit` as a person calls it, with a service beside it that runs what was sent.

The job's Python has nothing but PySpark and the engine: all else comes from the packages that were sent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("submitted_run")]
# What a cluster has of its own; grpc and those after it belong to the in-process engine.
CLUSTERS = ("pyspark", "py4j", "pysail", "grpc", "grpc_status", "google", "zstandard")
ORDERS = "order_id,quantity\no1,2\no2,1\no2,1\no3,x\no4,-1\no5,500\n"
SAIL = "CLOUD_ETL__ENVIRONMENTS__PROD__ENGINE__NAME"

USER_CODE = """\
from pyspark.sql import functions as F

from rules.limits import LEAST


def doubled(quantity):
    import os
    import cloud_etl.submit.job
    import pandas
    from rules.limits import FACTOR

    assert os.environ["SHOP_COLOUR"] == "blue; 'green'"
    return quantity * FACTOR


def keep_positive(frame):
    return frame.where(f"quantity >= {LEAST}").withColumn("quantity", F.udf(doubled, "int")("quantity"))
"""


@pytest.fixture(scope="session")
def clusters_python(tmp_path_factory) -> dict[str, str]:
    """Environment of a Python that knows PySpark and nothing else, for `python -S`."""
    folder = tmp_path_factory.mktemp("cluster")
    for name in CLUSTERS:
        (folder / name).symlink_to(next(iter(find_spec(name).submodule_search_locations)))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "JAVA_HOME") if name in os.environ}
    keys = {"AWS_ACCESS_KEY_ID": "test-access-key", "AWS_SECRET_ACCESS_KEY": "test-secret-key"}
    return {**kept, **keys, "PYTHONPATH": str(folder), SAIL: "sail"}


@pytest.fixture(scope="session")
def service(moto_server, clusters_python, tmp_path_factory, service_class):
    return service_class(
        moto_server.client(), tmp_path_factory.mktemp("service"), clusters_python, (sys.executable, "-S")
    )


@pytest.fixture(scope="session")
def spark_service(moto_server, clusters_python, tmp_path_factory, service, service_class):
    """The service with Apache Spark itself, whose Python has nothing but the standard library."""
    folder = tmp_path_factory.mktemp("spark")
    # The interpreter that submit asks for by its version.
    python = folder / f"python{sys.version_info.major}.{sys.version_info.minor}"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    home = next(iter(find_spec("pyspark").submodule_search_locations))
    kept = {name: value for name, value in clusters_python.items() if name not in ("PYTHONPATH", SAIL)}
    path = f"{folder}{os.pathsep}{kept['PATH']}"
    environ = {**kept, "PATH": path, "SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1"}
    launcher = (f"{home}/bin/spark-submit", "--master", "local[1]", "--driver-memory", "640m")
    made = service_class(
        moto_server.client(), folder, environ, (*launcher, "--conf", "spark.ui.enabled=false"), spark=True
    )
    # Packages that another test has unpacked already.
    made.unpacked = service.unpacked
    return made


@pytest.fixture
def shop(new_cloud, shared_store, tmp_path) -> Iterator:
    """A project whose runs are sent with this machine's packages; orders of a test lie in a folder of its own."""
    cloud = new_cloud(shared_store, "archive", str(tmp_path / "shop.duckdb"))
    place = f"raw-data/{tmp_path.name}/"
    pipeline = cloud.root / "pipelines/orders.yaml"
    pipeline.write_text(pipeline.read_text().replace("raw-data/orders/", place))
    cloud.put(f"{place}day1.csv", ORDERS)
    return cloud


@pytest.fixture
def submit(tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command."""
    started: list[subprocess.Popen[str]] = []

    def submit(cloud, *arguments: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("cloud-etl")), "submit", *arguments]
        environ = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
        process = subprocess.Popen(
            command, cwd=cloud.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield submit
    for process in started:
        process.kill()
        process.communicate()


def the_job(cloud, process: subprocess.Popen[str]):
    """The job run that a command has started."""
    deadline = time.monotonic() + 120
    while not cloud.jobs:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no job run was started: {process.communicate()[1]}")
        time.sleep(0.1)
    return cloud.jobs[-1]


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_submitted_run_loads_and_shows_what_run_would_have_shown(shop, submit, service, tmp_path):
    process = submit(shop, "orders")
    job = service.run(the_job(shop, process))
    assert job.exit_code == 0, job.stderr
    code, out, err = ended(process)
    assert code == 0, err
    assert "Every row is accounted for" in out
    assert "analytics.orders_fact  append" in out
    assert f"{shop.store}/runs/{job.run.client_token}/report.html" in out
    assert "\x1b" not in out + err
    assert "submit.state" in err
    with duckdb.connect(str(tmp_path / "shop.duckdb"), read_only=True) as warehouse:
        assert warehouse.execute("SELECT order_id, quantity FROM analytics.orders_fact ORDER BY 1").fetchall() == [
            ("o1", 2), ("o2", 1),
        ]  # fmt: skip


def test_a_detached_run_is_followed_later_and_its_rejects_count_when_strict(shop, submit, service):
    process = submit(shop, "--all", "--strict", "--detach", "--output", "json")
    code, out, _ = ended(process)
    started = json.loads(out)
    assert code == 0
    assert started["follow"] == f"cloud-etl submit --follow {started['run_id']} --env prod"
    job = service.run(the_job(shop, process))
    assert (job.exit_code, job.run.state) == (3, "FAILED"), job.stderr
    code, out, err = ended(submit(shop, "--follow", started["run_id"], "--output", "json"))
    report = json.loads(out)
    assert (code, report["run_id"], report["exit_code"]) == (3, started["run_id"], 0), err
    (ledger,) = [one["ledger"] for one in report["pipelines"]]
    assert (ledger["records_read"], ledger["output"], ledger["reconciles"]) == (6, 2, True)


def test_a_run_that_fails_ends_with_its_own_code_and_reason(shop, submit, service):
    pipeline = shop.root / "pipelines/orders.yaml"
    pipeline.write_text(pipeline.read_text().replace("quality:\n", "quality:\n  fail_when: {score_below: 99}\n"))
    process = submit(shop, "orders")
    job = service.run(the_job(shop, process))
    assert (job.exit_code, job.run.state) == (3, "FAILED"), job.stderr
    code, out, _ = ended(process)
    assert code == 3
    assert "The data was refused" in out


def test_a_job_that_does_not_get_to_its_run_ends_with_its_error(shop, submit, service):
    """Another run holds the lease: there is no report, but the job has left word."""
    from cloud_etl.pipeline.wiring import open_store
    from cloud_etl.state.lease import Lease

    process = submit(shop, "orders")
    with Lease(open_store(shop.load()), "orders", "20260101T000000Z-000000"):
        job = service.run(the_job(shop, process))
    code, out, err = ended(process)
    assert (job.exit_code, code, out) == (6, 6, ""), job.stderr
    assert "orders is being run by 20260101T000000Z-000000" in err


def test_a_job_that_never_started_says_what_the_service_said_and_where_the_log_is(shop, submit):
    process = submit(shop, "orders")
    job = the_job(shop, process)
    job.state_details, job.state = "Job run failed: the image cannot be pulled.", "FAILED"
    code, out, err = ended(process)
    assert (code, out) == (4, "")
    assert f"job run {job.id} in EMR Serverless application {shop.application.id} ended FAILED" in err
    assert "the image cannot be pulled" in err
    logs = f"{shop.store}/.cloud-etl/submit/logs/applications/{shop.application.id}/jobs/{job.id}/SPARK_DRIVER/"
    assert logs in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_job_run(shop, submit, number, code):
    process = submit(shop, "orders")
    job = the_job(shop, process)
    job.state = "RUNNING"
    time.sleep(1)
    process.send_signal(number)
    ended_with, _, err = ended(process)
    assert (ended_with, job.state) == (code, "CANCELLED"), err
    assert f"job run {job.id} is being cancelled" in err


def test_a_job_with_another_version_of_cloud_etl_refuses_to_run(shop, submit, service):
    process = submit(shop, "orders", "--detach")
    ended(process)
    job_run = the_job(shop, process)
    arguments = job_run.job_driver["sparkSubmit"]["entryPointArguments"]
    arguments[arguments.index("--version") + 1] = "0.0.1"
    assert service.run(job_run).exit_code == 2
    code, _, err = ended(submit(shop, "--follow", job_run.client_token))
    assert code == 2
    assert "the run was submitted with 0.0.1" in err


def test_packs_for_spark_submit_are_written_and_run_by_hand(shop, submit, service, tmp_path):
    code, out, err = ended(submit(shop, "orders", "--pack", str(tmp_path / "packs"), "--output", "json"))
    assert code == 0, err
    written = json.loads(out)
    assert [Path(name).name for name in written["files"]] == ["entry.py", "project.zip", "environment.tar.gz"]
    assert written["arguments"][-1] == "orders"
    assert shop.jobs == []


def test_on_a_terminal_the_state_is_drawn_and_taken_off_again(shop):
    out, err = os.openpty(), os.openpty()
    command = [str(Path(sys.executable).with_name("cloud-etl")), "submit", "orders"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, cwd=shop.root, env=environ, stdout=out[1], stderr=err[1])
    os.close(out[1])
    os.close(err[1])
    job = the_job(shop, process)
    job.state = "RUNNING"
    shown = b""
    deadline = time.monotonic() + 60
    while b"is running" not in shown and time.monotonic() < deadline:
        shown += os.read(err[0], 4096)
    job.state = "CANCELLED"
    code = process.wait(60)
    while chunk := _left(err[0]):
        shown += chunk
    text = shown.decode()
    assert code == 143
    assert f"Run {job.client_token} is job run {job.id} in EMR Serverless application" in text
    assert "submit.state" not in text
    assert "\x1b[?25h" in text.rpartition("is running")[2]
    assert "It was cancelled by somebody" in text


def _left(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_spark_submit_runs_what_was_sent_with_user_code_on_its_executors(shop, submit, spark_service, tmp_path):
    (shop.root / "rules/clean.py").write_text(USER_CODE)
    (shop.root / "rules/limits.py").write_text("LEAST, FACTOR = 0, 2\n")
    process = submit(shop, "orders", "--output", "json")
    job = spark_service.run(the_job(shop, process))
    assert job.exit_code == 0, job.stderr
    code, out, err = ended(process)
    report = json.loads(out)
    assert (code, report["engine"]) == (0, "spark"), err
    (pipeline,) = report["pipelines"]
    assert pipeline["outcome"] == "loaded"
    assert (pipeline["ledger"]["records_read"], pipeline["ledger"]["output"]) == (6, 2)
    assert pipeline["ledger"]["reconciles"]
    with duckdb.connect(str(tmp_path / "shop.duckdb"), read_only=True) as warehouse:
        assert warehouse.execute("SELECT order_id, quantity FROM analytics.orders_fact ORDER BY 1").fetchall() == [
            ("o1", 4), ("o2", 2),
        ]  # fmt: skip
