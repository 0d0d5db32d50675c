from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """Run reports of every outcome."""
    spec = spec_from_file_location("sample_reports", Path(__file__).parent / "monitoring" / "sample_reports.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def matches_snapshot(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with its snapshot beside the test; UPDATE_SNAPSHOTS=1 writes it anew, for review with git diff."""

    def compare(name: str, text: str) -> None:
        path = request.path.parent / "snapshots" / name
        if os.environ.get("UPDATE_SNAPSHOTS"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text()

    return compare


@pytest.fixture(scope="session")
def small_project() -> str:
    """Text of a cloud-etl.yaml with one environment, whose settings more can be appended to."""
    return """\
project: shop
environments:
  local:
    store: ./data
    warehouse: {duckdb: {path: ./shop.duckdb}}
"""
