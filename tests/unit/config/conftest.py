from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cloud_etl.config.config import LoadedProject, survey_project
from cloud_etl.errors import ConfigError

PIPELINE = """\
pipeline: sales
source: {path: raw/sales, pattern: "*.csv", format: csv}
schema:
  order_id: {type: string, required: true}
  amount: {type: "decimal(12,2)"}
outputs:
  - name: sales_fact
    load: {table: shop.sales_fact, mode: upsert, keys: [order_id]}
"""

Write = Callable[..., Path]
Load = Callable[..., LoadedProject]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_project: str) -> Write:
    """Write a project into the working folder; pipelines by file name."""
    monkeypatch.chdir(tmp_path)

    def write(project: str = small_project, **pipelines: str) -> Path:
        (tmp_path / "cloud-etl.yaml").write_text(project, encoding="utf-8")
        (tmp_path / "pipelines").mkdir(exist_ok=True)
        for name, text in (pipelines or {"sales": PIPELINE}).items():
            (tmp_path / "pipelines" / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def load(write: Write, small_project: str) -> Load:
    """Write a project and load it; a finding in any of its environments is raised, as `validate` does."""

    def load(
        project: str = small_project, env: str | None = None, environ: Mapping[str, str] | None = None, **pipelines: str
    ) -> LoadedProject:
        found = survey_project(write(project, **pipelines), env, environ or {})
        if found.problems:
            raise ConfigError(list(found.problems))
        return found.loaded

    return load
