"""What is missing on a cluster is said before a file is read, with what to do about it."""

from __future__ import annotations

import socket
import sys

import pyspark
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cluster")]


def refused(project, *, exit_code: int = 4) -> str:
    done = project.run("product_data", "--quiet")
    assert done.returncode == exit_code, f"{done.stdout}\n{done.stderr}"
    assert project.work_keys == []
    assert not project.store.exists("processed-data")
    # Lines are wrapped for the terminal.
    return " ".join((done.stdout + done.stderr).split())


def test_a_cluster_without_the_jars_for_s3_is_told_so(far_retail, tmp_path):
    # Any jar makes it a folder of jars.
    found = next((tmp_path.__class__(pyspark.__file__).parent / "jars").glob("commons-text-*.jar"))
    (tmp_path / "other.jar").write_bytes(found.read_bytes())
    text = refused(far_retail.with_engine(jars=str(tmp_path)))
    assert f"cannot read {far_retail.url}/.scratch/product_data/" in text
    assert "Spark has no jars for S3; leave engine.jars out" in text
    assert "Nothing was read or loaded" in text


def test_jars_that_cannot_be_fetched_are_named(far_retail, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = tmp_path / "ivy.xml"
    settings.write_text(
        '<ivysettings><settings defaultResolver="empty"/><resolvers><filesystem name="empty">'
        f'<artifact pattern="{tmp_path}/[artifact].jar"/></filesystem></resolvers></ivysettings>'
    )
    text = refused(far_retail.with_engine(config={"spark.jars.ivySettings": str(settings)}))
    assert "its jars for S3 are not on this machine and could not be fetched" in text
    assert "engine.jars" in text


def test_an_endpoint_that_the_executors_do_not_reach_is_told_so(far_retail):
    with socket.socket() as closed:
        closed.bind(("127.0.0.2", 0))
        nowhere = f"http://127.0.0.2:{closed.getsockname()[1]}"
        text = refused(far_retail.with_engine(config={"spark.hadoop.fs.s3a.endpoint": nowhere}))
    assert "they do not reach the server; s3.endpoint must be an address that all machines of the cluster know" in text


def test_executors_without_the_permission_are_told_so(far_retail):
    text = refused(far_retail.with_engine(config={"spark.hadoop.fs.s3a.secret.key": "wrong"}))
    assert "their credentials are missing or lack the permission; give the machines of the cluster a role" in text


def test_executors_without_cloud_etl_are_told_how_to_get_it(far_retail, tmp_path):
    # A module of that name which is none hides the real one from the executors' Python alone.
    (tmp_path / "cloud_etl.py").write_text("")
    text = refused(far_retail.with_engine(config={"spark.executorEnv.PYTHONPATH": str(tmp_path)}))
    assert "the Python of the executors lacks cloud_etl" in text
    assert "cloud-etl submit --pack" in text


def test_the_python_of_the_executors_can_be_named(far_retail, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    done = far_retail.with_engine(config={"spark.pyspark.python": str(python)}).run("product_data", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "used").exists()


def test_a_plan_needs_no_work_area(far_retail):
    far_retail.report()
    done = far_retail.run(
        code="import sys; from cloud_etl.cli.main import main; sys.argv = ['cloud-etl', 'plan', '--all']; main()"
    )
    assert done.returncode == 0, done.stderr
    assert far_retail.work_keys == []


def test_a_cluster_on_which_no_worker_is_large_enough_is_told_so(far_retail):
    done = far_retail.with_engine(memory="3GB").run(
        "--all",
        code="""
import sys
from cloud_etl.cli.main import main
from cloud_etl.engines import spark_executors

spark_executors.PATIENCE_SECONDS = 5.0
sys.argv = ["cloud-etl", "run", "--all", "--quiet"]
main()
""",
    )
    assert done.returncode == 4, done.stderr
    assert "gave no executor within 5 s" in done.stderr
    assert "lower engine.memory or engine.cores" in done.stderr
