"""Steps on the real engine: staged files written by DuckDB, run on Sail."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import DataFrame, SparkSession

from cloud_etl.backends import register_families
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.engines.marked_frame import Written, WrittenFile
from cloud_etl.transform.port import StepContext
from cloud_etl.transform.transformer import DataTransformer, Transformed

STARTED = datetime(2024, 5, 10, 12, 0, tzinfo=UTC)
Steps = Sequence[Mapping[str, object]]


@dataclass
class Outcome:
    """A batch after its steps, on disk."""

    transformed: Transformed
    written: Written

    @property
    def dropped(self) -> dict[str, int]:
        """Rows taken out by reason, over all written frames."""
        rows: Counter[str] = Counter()
        for part in (*self.transformed.earlier, self.written):
            for step in part.steps:
                rows[step.reason] += step.rows
        return dict(rows)

    @property
    def barriers(self) -> list[tuple[str, int, int]]:
        return [(b.step, b.rows_before, b.rows_after) for b in self.transformed.finish(self.written)]

    @property
    def accounted(self) -> int:
        """Rows that must have come in, by the ledger's equation."""
        changed = sum(after - before for _, before, after in self.barriers)
        return self.written.output + sum(self.dropped.values()) - changed

    def rows(self, columns: str = "*", of: str | None = None) -> list[tuple[object, ...]]:
        """Accepted rows, or those taken out for a reason, in a stable order."""
        files = [f for f in self.written.files if (f.fate.reason if f.fate else None) == of]
        return select(files, columns)

    @property
    def types(self) -> dict[str, str]:
        paths = [str(file.path) for file in self.written.files]
        found = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet({paths}, hive_partitioning = false)").fetchall()
        return {name: kind for name, kind, *_ in found if name != "_row_id"}


def select(files: Sequence[WrittenFile], columns: str = "*") -> list[tuple[object, ...]]:
    paths = [str(file.path) for file in files]
    if not paths:
        return []
    sql = f"SELECT {columns} FROM read_parquet({paths}, hive_partitioning = false) ORDER BY ALL"
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


@dataclass
class Lab:
    """Runs steps over the rows of a DuckDB query."""

    session: SparkSession
    folder: Path
    references: dict[str, DataFrame] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def parquet(self, sql: str) -> Path:
        path = self.folder / f"table-{next(self._numbers)}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
        return path

    @staticmethod
    def values(columns: str, *rows: str) -> str:
        return f"SELECT * FROM (VALUES {', '.join(rows)}) t({columns})"

    def reference(self, name: str, sql: str) -> None:
        self.references[name] = self.session.read.parquet(str(self.parquet(sql)))

    def batch(self, sql: str) -> Batch:
        """Rows of a query in its order; their lines count from 1."""
        numbered = sql if "_row_id" in sql else f"SELECT *, row_number() OVER () AS _row_id FROM ({sql})"
        path = self.parquet(numbered)
        with duckdb.connect() as connection:
            found = connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
        words = {"VARCHAR": "string"}
        columns = tuple(
            Column(name, ColumnType.parse(words.get(kind, kind))) for name, kind, *_ in found if name != "_row_id"
        )
        return Batch("b", (), (path,), Schema(columns), (), 0, (), 0)

    def transformer(self) -> DataTransformer:
        work = self.folder / f"work-{next(self._numbers)}"
        work.mkdir()
        run = RunContext("run-1", "p", "local", STARTED.date(), STARTED, self.folder, 2)
        return DataTransformer(StepContext(self.session, run, self.references, work, self.folder))

    def run(self, sql: str | Batch, *steps: Mapping[str, object]) -> Transformed:
        batch = self.batch(sql) if isinstance(sql, str) else sql
        return self.transformer().run(pipeline(batch.schema, steps), batch)

    def write(self, sql: str | Batch, *steps: Mapping[str, object], partition_by: tuple[str, ...] = ()) -> Outcome:
        transformed = self.run(sql, *steps)
        folder = self.folder / f"written-{next(self._numbers)}"
        return Outcome(transformed, transformed.frame.write(folder, partition_by))


def pipeline(schema: Schema, steps: Steps) -> PipelineSpec:
    register_families()
    body = {
        "pipeline": "p", "source": {"path": "raw", "format": "csv"}, "outputs": [{"name": "o"}],
        "schema": {c.name: {"type": str(c.type)} for c in schema.columns}, "transform": list(steps),
    }  # fmt: skip
    return PipelineSpec.model_validate(body)


@pytest.fixture
def lab(session: SparkSession, tmp_path: Path) -> Lab:
    return Lab(session, tmp_path)
