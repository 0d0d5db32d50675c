"""The environment that `cloud-etl local up` writes beside a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_etl.config.config import load_project
from cloud_etl.errors import ConfigError, UsageError

PROJECT = """
project: shop
environments:
  local: {store: ., warehouse: {duckdb: {path: ./w.duckdb}}}
"""
PIPELINE = """
pipeline: orders
source: {path: raw, format: csv}
schema: {id: {type: integer}}
outputs: [{name: orders}]
"""
WRITTEN = """
environments:
  local-aws: {store: "s3://shop", engine: {memory: 3GB}, warehouse: {duckdb: {path: ./other.duckdb}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/orders.yaml").write_text(PIPELINE)
    (tmp_path / "cloud-etl.yaml").write_text(PROJECT)
    (tmp_path / ".local-aws").mkdir()
    (tmp_path / ".local-aws/environment.yaml").write_text(WRITTEN)
    return tmp_path


def test_it_stands_beside_those_of_the_project(project: Path) -> None:
    loaded = load_project(project, "local-aws", {})
    assert loaded.environment.store == "s3://shop"
    assert str(loaded.origin("environments.local-aws.store")).endswith(".local-aws/environment.yaml:3")
    assert load_project(project, None, {}).environment_name == "local"


def test_what_the_project_says_goes_before_it(project: Path) -> None:
    (project / "cloud-etl.yaml").write_text(PROJECT + "  local-aws: {engine: {cores: 1, memory: 1GB}}\n")
    environment = load_project(project, "local-aws", {}).environment
    assert (environment.store, environment.engine.memory, environment.engine.cores) == ("s3://shop", "1GB", 1)


def test_a_finding_in_it_names_its_file(project: Path) -> None:
    (project / ".local-aws/environment.yaml").write_text("environments: {local-aws: {stor: x}}\n")
    with pytest.raises(ConfigError, match=r"\.local-aws/environment\.yaml:1: "):
        load_project(project, "local-aws", {})


def test_without_it_the_command_that_makes_it_is_named(project: Path) -> None:
    (project / ".local-aws/environment.yaml").unlink()
    with pytest.raises(
        UsageError, match="no environment 'local-aws' while no local AWS is up; start it with: cloud-etl"
    ):
        load_project(project, "local-aws", {})
