from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud_etl.config.config import LoadedProject, load_project

CLOUD = """\
project: shop
default_environment: prod
environments:
  local:
    store: ./data
    warehouse: {duckdb: {path: ./data/shop.duckdb}}
  prod:
    store: s3://shop-prod
    s3: {region: eu-central-1}
    engine: {name: spark}
    warehouse: {duckdb: {path: /mnt/shop.duckdb}}
    submit:
      emr_serverless:
        application_id: 00fabc
        execution_role_arn: arn:aws:iam::123456789012:role/etl
"""
PIPELINE = """\
pipeline: sales
source: {path: raw/sales, pattern: "*.csv", format: csv}
schema:
  order_id: {type: string, required: true}
outputs:
  - name: sales_fact
    load: {table: shop.sales_fact}
"""
Load = Callable[..., LoadedProject]
RUN_ID = f"{datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC):%Y%m%dT%H%M%SZ}-1f2e3d"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write a project into the working folder and load it; further files by their path."""
    monkeypatch.chdir(tmp_path)

    def load(
        project: str = CLOUD, files: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
    ) -> LoadedProject:
        texts = {"cloud-etl.yaml": project, "pipelines/sales.yaml": PIPELINE, **(files or {})}
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return load_project(tmp_path, None, environ or {})

    return load


@pytest.fixture
def cloud() -> str:
    """Text of a project whose environment prod sends runs to EMR Serverless."""
    return CLOUD


@pytest.fixture
def pipeline() -> str:
    """Text of its pipeline."""
    return PIPELINE
