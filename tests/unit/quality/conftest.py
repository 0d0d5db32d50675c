from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from cloud_etl.domain.run import RunContext
from cloud_etl.engines.marked_frame import Fate, WrittenFile

STARTED = datetime(2024, 5, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> RunContext:
    return RunContext("run-1", "sales", "local", STARTED.date(), STARTED, tmp_path / "scratch", 2)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., WrittenFile]:
    """Writes the rows of a query as one file of a written frame."""

    def write(sql: str, fate: Fate | None = None, name: str | None = None) -> WrittenFile:
        path = tmp_path / "frame" / (name or f"part-{len(list(tmp_path.rglob('*.parquet'))):05}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect()
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
        [(rows,)] = connection.execute("SELECT count(*) FROM read_parquet([?])", [str(path)]).fetchall()
        return WrittenFile(path, rows, fate, {})

    return write
