"""The commands of docs/how-to/spark-submit.md, taken by Spark itself up to what it would hand to the cluster."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_etl.submit.job import _parser

pytestmark = pytest.mark.integration
PAGE = Path(__file__).parents[2] / "docs/how-to/spark-submit.md"


def command(master: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(spark-submit .*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if f"--master {master}" in block]
    return shlex.split(found.replace("\\\n", " "))[1:]


@pytest.fixture(scope="module")
def jvm() -> Iterator:
    from pyspark.java_gateway import launch_gateway

    wanted = {"PYSPARK_SUBMIT_ARGS": "--driver-memory 256m pyspark-shell"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in wanted.items():
            patch.setenv(name, value)
        gateway = launch_gateway()
    yield gateway.jvm
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(20)


def prepared(jvm, words: list[str]) -> tuple[list[str], dict[str, str], str]:
    """Arguments, settings and class that spark-submit would start the cluster's client with."""
    scala = jvm.org.apache.spark.api.python.PythonUtils
    environ = {"HADOOP_CONF_DIR": os.devnull}
    arguments = jvm.org.apache.spark.deploy.SparkSubmitArguments(scala.toSeq(words), scala.toScalaMap(environ))
    made = jvm.org.apache.spark.deploy.SparkSubmit().prepareSubmitEnvironment(arguments, jvm.scala.Option.empty())
    children = [str(made._1().apply(number)) for number in range(made._1().size())]
    settings = dict(line.split("=", 1) for line in made._3().toDebugString().splitlines())
    return children, settings, made._4()


def run_arguments(children: list[str]) -> list[str]:
    return [children[number + 1] for number, word in enumerate(children) if word == "--arg"]


def test_the_yarn_command_ships_both_archives_and_starts_the_entry_script(jvm, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    children, settings, client = prepared(jvm, command("yarn"))
    assert client == "org.apache.spark.deploy.yarn.YarnClusterApplication"
    shipped = [uri.rpartition("/")[2] for uri in settings["spark.yarn.dist.archives"].split(",")]
    assert shipped == ["environment.tar.gz#environment", "project.zip#project"]
    assert children[1].endswith("/packs/entry.py")
    assert settings["spark.yarn.isPython"] == "true"
    assert settings["spark.executorEnv.PYTHONPATH"] == "./environment:./project"
    assert _parser().parse_args(run_arguments(children)).pipelines == ["sales_data"]


def test_the_kubernetes_command_finds_everything_in_the_image(jvm):
    children, settings, client = prepared(jvm, command("k8s"))
    assert client == "org.apache.spark.deploy.k8s.submit.KubernetesClientApplication"
    assert settings["spark.archives"] == "local:///opt/cloud-etl/project.zip#project"
    assert children[:2] == ["--primary-py-file", "local:///opt/cloud-etl/entry.py"]
    assert settings["spark.kubernetes.container.image"] == "registry.example.com/retail-etl:1"
    assert _parser().parse_args(run_arguments(children)).env == "prod"


def test_the_classes_that_talk_to_both_clusters_come_with_pyspark(jvm):
    for name in ("yarn.YarnClusterApplication", "k8s.submit.KubernetesClientApplication"):
        assert jvm.java.lang.Class.forName(f"org.apache.spark.deploy.{name}")


def test_the_page_lists_every_argument_of_the_entry_script():
    options = {option for action in _parser()._actions for option in action.option_strings}
    listed = set(re.findall(r"^\| `(--[a-z-]+)", PAGE.read_text(), re.MULTILINE))
    assert listed == options - {"-h", "--help"}
