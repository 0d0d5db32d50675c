"""Run one case on two engines and say what differs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from pyspark.sql import SparkSession
from scripts.parity.cases import Case

from cloud_etl.backends import register_families
from cloud_etl.domain.files import FileRef
from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.errors import CloudEtlError, EnginesDifferError
from cloud_etl.pipeline import verify
from cloud_etl.pipeline.verify import Made
from cloud_etl.transform.port import StepContext

STARTED = datetime(2024, 5, 10, 12, 0, tzinfo=UTC)


def difference(case: Case, engines: Sequence[SparkManager], folder: Path) -> str | None:
    """What the engines do differently with a case; None where they do the same.

    Where an engine refuses, the other must refuse too: then nothing was published on either.
    """
    register_families()
    batch = _batch(case, folder)
    spec = PipelineSpec.model_validate(case.pipeline)
    made: list[Made | CloudEtlError] = []
    for engine in engines:
        work = folder / engine.name
        work.mkdir()
        try:
            made.append(verify.make(engine.name, spec, batch, _context(engine.session, work)))
        except CloudEtlError as exc:
            made.append(exc)
    one, two = made
    if isinstance(one, Made) and isinstance(two, Made):
        try:
            verify.compare(one, two, batch, Resources(1024 * MIB, 1))
        except EnginesDifferError as exc:
            return str(exc)
        return None
    if isinstance(one, Made) or isinstance(two, Made):
        return f"only one engine refuses: {[type(each).__name__ if isinstance(each, Made) else each for each in made]}"
    return None if type(one) is type(two) else f"the engines refuse differently: {one} / {two}"


def _batch(case: Case, folder: Path) -> Batch:
    path = folder / "staged.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT *, row_number() OVER () AS _row_id FROM ({case.rows})) TO '{path}' (FORMAT parquet)"
        )
    schema = Schema(tuple(Column(name, ColumnType.parse(kind)) for name, kind in case.columns.items()))
    ref = FileRef("file:///raw/a.csv", "raw/a.csv", 1, "e", None, STARTED)
    return Batch("b", (ref,), (path,), schema, (), 0, (), 0)


def _context(session: SparkSession, work: Path) -> StepContext:
    run = RunContext("run-1", "p", "local", STARTED.date(), STARTED, work / "scratch", 1)
    return StepContext(session, run, {}, work, work)
