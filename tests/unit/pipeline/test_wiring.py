"""Opening what a run needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_etl.domain.progress import NoProgress
from cloud_etl.errors import EngineError
from cloud_etl.pipeline.project import Project
from cloud_etl.pipeline.wiring import Wiring

PROJECT = """
project: shop
environments:
  local:
    store: ./data
    {scratch}
    engine: {{name: {engine}, memory: 1GB, master: "{master}"}}
    warehouse: {{duckdb: {{path: ./warehouse.duckdb}}}}
"""


PIPELINE = """
pipeline: p
source: {path: raw, format: csv}
schema: {a: {type: string}}
outputs: [{name: o}]
"""


def opened(root: Path, master: str, engine: str = "spark", scratch: str = "") -> Wiring:
    (root / "pipelines").mkdir()
    (root / "pipelines" / "p.yaml").write_text(PIPELINE)
    (root / "cloud-etl.yaml").write_text(PROJECT.format(master=master, engine=engine, scratch=scratch))
    return Wiring(Project.open(root).loaded, NoProgress())


@pytest.mark.parametrize("master", ["yarn", "spark://10.0.0.9:7077", "k8s://https://10.0.0.9:6443", "sc://far:15002"])
def test_executors_that_cannot_see_the_work_files_are_refused_before_anything_starts(tmp_path, master):
    with pytest.raises(EngineError, match="set scratch to a folder"), opened(tmp_path, master) as wiring:
        wiring.components()


@pytest.mark.parametrize(
    ("master", "engine", "scratch"),
    [
        ("local[2]", "spark", ""),
        ("spark://127.0.0.1:7077", "spark", ""),
        ("yarn", "spark", "scratch: ./shared"),
        ("yarn", "sail", ""),
    ],
)
def test_executors_that_see_the_work_files_are_taken(tmp_path, master, engine, scratch):
    with opened(tmp_path, master, engine, scratch) as wiring:
        assert wiring.components().spark.name == engine
