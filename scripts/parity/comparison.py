"""Run one case on two engines and say what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from scripts.parity.cases import STOPS, Case
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
from cloud_etl.errors import CloudEtlError, ConfigError, EnginesDifferError
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
        refused: why both refused it, or Sail alone before a row was read, so that no tables were compared.
    """

    difference: str | None
    refused: str | None = None


def compare(case: Case, engines: Sequence[SparkManager], folder: Path) -> Answer:
    """Give both engines a case and compare tables and check results; one alone is compared with Python.

    Where an engine refuses, the other must refuse too: then nothing was published on either. Sail, which comes first,
    may refuse a case alone whose values Python tells.
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
    if len(made) == 1:
        [sail] = made
        return _alone(case, sail) if isinstance(sail, Exception) else Answer(_beside_python(case, sail[0]))
    sail, spark = made
    if isinstance(sail, Exception) or isinstance(spark, Exception):
        return _refused(case, sail, spark)
    try:
        verify.compare(sail[0], spark[0], batch, Resources(1024 * MIB, 1))
    except EnginesDifferError as exc:
        return Answer(str(exc))
    if _judged(sail[1]) != _judged(spark[1]):
        return Answer(f"checks differ: {sail[1]} / {spark[1]}")
    return Answer(_beside_python(case, sail[0]))


def _alone(case: Case, sail: Exception) -> Answer:
    if case.expected == STOPS or isinstance(sail, ConfigError):
        return Answer(None, refused=f"sail: {sail}")
    return Answer(f"sail refuses what has a value: {sail}")


def _refused(case: Case, sail: object, spark: object) -> Answer:
    told = [str(each) if isinstance(each, Exception) else "done" for each in (sail, spark)]
    if type(sail) is type(spark):
        if case.expected not in (None, STOPS):
            return Answer(f"both engines refuse what has a value: {told}")
        return Answer(None, refused=f"both: {told[0]}")
    if isinstance(sail, ConfigError) and case.expected is not None:
        return Answer(None, refused=f"sail: {told[0]}")
    return Answer(f"the engines refuse differently: {told}")


def _beside_python(case: Case, made: Made) -> str | None:
    """How the accepted rows of an engine differ from those that Python computed; None where they are the same."""
    if case.expected is None:
        return None
    if isinstance(case.expected, str):
        return "both engines give rows where Python has no value"
    kinds = case.kinds or {}
    wanted = Counter(tuple(row.values()) for row in case.expected)
    paths = [str(file.path) for file in made.frames[-1].accepted]
    if not paths:
        return f"Python gives {wanted}, the engine no row" if wanted else None
    with duckdb.connect() as connection:
        names = ", ".join(f'"{name}"' for name in kinds)
        found = connection.execute(f"SELECT {names} FROM read_parquet({paths})")
        given = {name: str(kind) for name, kind, *_ in found.description}
        rows = Counter(found.fetchall())
    if given != kinds:
        return f"Python gives the types {kinds}, the engine {given}"
    if wanted != rows:
        more = [sorted(map(str, side.elements())) for side in (wanted - rows, rows - wanted)]
        return f"Python gives {more[0]}, the engine {more[1]}"
    return None


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
