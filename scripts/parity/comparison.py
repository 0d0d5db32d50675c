"""Run one case on two engines and say what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from scripts.parity.cases import Case
from scripts.parity.steps import MODULE

from cloud_etl.backends import register_families
from cloud_etl.domain.files import FileRef
from cloud_etl.domain.quality import QualityReport
from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.engines.dialect import read_files
from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.errors import CloudEtlError, EnginesDifferError
from cloud_etl.pipeline import verify
from cloud_etl.pipeline.verify import Made
from cloud_etl.quality.gate import QualityGate
from cloud_etl.quality.port import GateContext
from cloud_etl.transform.port import StepContext

STARTED = datetime(2024, 5, 10, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """How two engines took one case.

    Attributes:
        difference: what they did differently; None where they did the same.
        refused: whether both refused it, so that no tables were compared.
    """

    difference: str | None
    refused: bool = False


def compare(case: Case, engines: Sequence[SparkManager], folder: Path) -> Answer:
    """Give both engines a case and compare tables and check results.

    Where an engine refuses, the other must refuse too: then nothing was published on either.
    """
    register_families()
    (folder / "parity_steps.py").write_text(MODULE)
    batch, reference = _batch(case, folder), _written(case.reference, folder / "reference.parquet")
    spec = PipelineSpec.model_validate(case.pipeline)
    made: list[tuple[Made, QualityReport] | Exception] = []
    for engine in engines:
        work = folder / engine.name
        work.mkdir()
        references = {"reference": read_files(engine.session, [reference])}
        context = StepContext(engine.session, _run(work), references, work, folder)
        try:
            made.append(_made(engine.name, spec, batch, context))
        except CloudEtlError as exc:
            made.append(exc)
    one, two = made
    if isinstance(one, CloudEtlError) and isinstance(two, CloudEtlError):
        return Answer(
            None if type(one) is type(two) else f"the engines refuse differently: {one} / {two}", refused=True
        )
    if isinstance(one, CloudEtlError) or isinstance(two, CloudEtlError):
        told = [str(each) if isinstance(each, CloudEtlError) else "done" for each in made]
        return Answer(f"only one engine refuses: {told}")
    try:
        verify.compare(one[0], two[0], batch, Resources(1024 * MIB, 1))
    except EnginesDifferError as exc:
        return Answer(str(exc))
    return Answer(None if _judged(one[1]) == _judged(two[1]) else f"checks differ: {one[1]} / {two[1]}")


def _made(name: str, spec: PipelineSpec, batch: Batch, context: StepContext) -> tuple[Made, QualityReport]:
    made = verify.make(name, spec, batch, context)
    # A gate that has proven nothing: it counts what `unique` took for granted after deduplicate.
    gate = QualityGate(spec.quality, GateContext(context.session, context.run, context.references, context.work))
    return made, gate.assess(made.frames[-1], batch, earlier=made.frames[:-1])


def _judged(report: QualityReport) -> object:
    return report.score, report.checks, report.refusals, report.warnings


def _batch(case: Case, folder: Path) -> Batch:
    path = _written(f"SELECT *, row_number() OVER () AS _row_id FROM ({case.rows})", folder / "staged.parquet")
    schema = Schema(tuple(Column(name, ColumnType.parse(kind)) for name, kind in case.columns.items()))
    ref = FileRef("file:///raw/a.csv", "raw/a.csv", 1, "e", None, STARTED)
    return Batch("b", (ref,), (path,), schema, (), 0, (), 0)


def _written(query: str, path: Path) -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def _run(work: Path) -> RunContext:
    return RunContext("run-1", "p", "local", STARTED.date(), STARTED, work / "scratch", 1)
