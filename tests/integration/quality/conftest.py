"""The gate on a real engine: frames written by DuckDB, checked on Sail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cloud_etl.backends import register_families
from cloud_etl.domain.files import FileRef
from cloud_etl.domain.ledger import FileCount
from cloud_etl.domain.quality import CheckResult, QualityReport
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.schema import Schema
from cloud_etl.domain.spec import QualitySpec
from cloud_etl.engines.dialect import read_files
from cloud_etl.engines.marked_frame import FATE, MarkedFrame, Written
from cloud_etl.quality.gate import QualityGate
from cloud_etl.quality.history import BatchHistory
from cloud_etl.quality.port import GateContext
from cloud_etl.quality.texts import TextFit

STARTED = datetime(2024, 5, 10, 12, 0, tzinfo=UTC)


@dataclass
class Outcome:
    """What became of a frame."""

    written: Written
    report: QualityReport

    @property
    def fates(self) -> dict[str, int]:
        return {step.step: step.rows for step in self.written.steps}

    @property
    def check(self) -> CheckResult:
        [only] = self.report.checks
        return only

    def ids(self, label: str | None = None) -> list[int]:
        """_row_id of the accepted rows, or of those that a check rejected."""
        files = [f for f in self.written.files if (f.fate.step if f.fate else None) == label and f.rows]
        if not files:
            return []
        paths = [str(file.path) for file in files]
        rows = duckdb.connect().execute("SELECT _row_id FROM read_parquet(?) ORDER BY 1", [paths]).fetchall()
        return [row[0] for row in rows]


@dataclass
class Lab:
    """Runs checks over the rows of a query."""

    session: SparkSession
    folder: Path
    references: dict[str, DataFrame] = field(default_factory=dict)
    made: int = 0

    @property
    def run(self) -> RunContext:
        return RunContext("run-1", "sales", "local", STARTED.date(), STARTED, self.folder / "scratch", 2)

    def table(self, sql: str) -> DataFrame:
        self.made += 1
        path = self.folder / f"table-{self.made}.parquet"
        duckdb.connect().execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
        return read_files(self.session, [path])

    def frame(self, sql: str, unique_keys: tuple[frozenset[str], ...] = ()) -> MarkedFrame:
        """Rows of a query in its order; their lines count from 0."""
        numbered = sql if "_row_id" in sql else f"SELECT row_number() OVER () - 1 AS _row_id, * FROM ({sql})"
        return MarkedFrame(self.table(numbered).withColumn(FATE, F.lit(0)), unique_keys=unique_keys)

    def gate(
        self,
        checks: Sequence[Mapping[str, object]],
        replaced: Sequence[str] = (),
        texts: TextFit | None = None,
        **quality: object,
    ) -> QualityGate:
        register_families()
        spec = QualitySpec.model_validate({"checks": checks, **quality})
        context = GateContext(self.session, self.run, self.references, self.run.scratch)
        return QualityGate(spec, context, replaced, texts)

    def judge(
        self,
        sql: str | MarkedFrame,
        *checks: Mapping[str, object],
        batch: Batch | None = None,
        history: Sequence[BatchHistory] = (),
        replaced: Sequence[str] = (),
        **quality: object,
    ) -> Outcome:
        self.made += 1
        gate = self.gate(checks, replaced, **quality)
        frame = gate.mark(self.frame(sql) if isinstance(sql, str) else sql)
        written = frame.write(self.folder / f"written-{self.made}")
        rows = written.output + sum(step.rows for step in written.steps)
        return Outcome(written, gate.assess(written, batch or batch_of(rows), history))


def batch_of(staged: int, rejected: int = 0) -> Batch:
    """A batch of one file."""
    ref = FileRef("file:///data/raw/sales.csv", "raw/sales.csv", 1, "etag-1", None, STARTED)
    count = FileCount(ref.uri, ref.etag, 1, staged + rejected, staged, rejected)
    return Batch("b", (ref,), (), Schema(()), (count,), staged, (), rejected)


@pytest.fixture
def lab(session: SparkSession, tmp_path: Path) -> Lab:
    return Lab(session, tmp_path)


def days(*dates: date) -> str:
    return " UNION ALL ".join(f"SELECT DATE '{day}' AS day" for day in dates)
