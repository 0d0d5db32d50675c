"""What a run would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from cloud_etl.domain.run import Batch, RunContext, SkippedFile
from cloud_etl.domain.schema import ROW_ID, ROWS_FOLDED, Column, ColumnType, Schema
from cloud_etl.engines.marked_frame import FATE, column, quoted
from cloud_etl.errors import CloudEtlError
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.pipeline.estimate import estimate_rows
from cloud_etl.pipeline.order import find_output
from cloud_etl.pipeline.references import References
from cloud_etl.transform.aggregation import folded
from cloud_etl.transform.port import StepContext
from cloud_etl.transform.transformer import DataTransformer

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

    from cloud_etl.domain.spec import OutputSpec, PipelineSpec
    from cloud_etl.pipeline.wiring import Components


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that would be taken; rows are estimated from its beginning, exact for Parquet, None where unknown."""

    key: str
    size_bytes: int
    rows_estimated: int | None


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A table that would be loaded, and the statements that would create or change it; none where it fits."""

    table: str
    output: str
    mode: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """What a run would do for one pipeline; `problem` says why the rest cannot be told."""

    pipeline: str
    files: tuple[PlannedFile, ...]
    skipped: tuple[SkippedFile, ...]
    steps: tuple[str, ...]
    checks: tuple[str, ...]
    folders: tuple[str, ...] = ()
    tables: tuple[PlannedTable, ...] = ()
    problem: str | None = None

    @property
    def rows_estimated(self) -> int | None:
        """Rows in all files; None when one of them cannot be estimated."""
        rows = [file.rows_estimated for file in self.files]
        return None if None in rows else sum(row for row in rows if row is not None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, pipeline by pipeline in its order."""

    project: str
    environment: str
    run_date: date
    pipelines: tuple[PipelinePlan, ...]


def plan_json(plan: Plan) -> str:
    """The plan as JSON for programs."""
    body = asdict(plan)
    for pipeline, planned in zip(body["pipelines"], plan.pipelines, strict=True):
        pipeline["rows_estimated"] = planned.rows_estimated
    return json.dumps(body, indent=2, default=str)


def make_plan(parts: Components, names: Sequence[str], run_date: date) -> Plan:
    """Look at the source, the pipelines and the warehouse; nothing is changed in any of them.

    Raises:
        SourceError: the source cannot be listed.
    """
    planner = _Planner(parts, run_date)
    pipelines = tuple(planner.plan(parts.project.pipelines[name]) for name in names)
    return Plan(parts.project.spec.project, parts.project.environment_name, run_date, pipelines)


class _Planner:
    """Plans one pipeline after the other; a table that one would create is known to those after it."""

    def __init__(self, parts: Components, run_date: date) -> None:
        self._parts = parts
        self._run_date = run_date
        self._planned: dict[str, Schema] = {}

    def plan(self, spec: PipelineSpec) -> PipelinePlan:
        run = self._context(spec)
        extractor = S3Extractor(self._parts.store, spec, run, self._parts.progress)
        listing = extractor.list(self._parts.loader.loaded_files(spec.pipeline))
        files = tuple(
            PlannedFile(file.key, file.size_bytes, estimate_rows(extractor.store, file, spec.source))
            for file in listing.files
        )
        plan = PipelinePlan(
            spec.pipeline,
            files,
            listing.skipped,
            steps=tuple(step.label for step in spec.transform),
            checks=tuple(label for check in spec.quality.checks for label in check.labels),
            folders=tuple(f"processed-data/{output.name}_{self._run_date:%Y%m%d}/" for output in spec.outputs),
        )
        if not files:
            return plan
        try:
            return replace(plan, tables=self._tables(spec, run))
        except CloudEtlError as exc:
            return replace(plan, problem=str(exc))

    def _context(self, spec: PipelineSpec) -> RunContext:
        parts = self._parts
        scratch = parts.scratch / spec.pipeline
        scratch.mkdir(parents=True)
        name = parts.project.environment_name
        return RunContext("plan", spec.pipeline, name, self._run_date, datetime.now(UTC), scratch, parts.cores)

    def _tables(self, spec: PipelineSpec, run: RunContext) -> tuple[PlannedTable, ...]:
        """Take a frame without rows through the steps, and ask the warehouse what its schema would need."""
        work = run.scratch / "work"
        work.mkdir()
        session = self._parts.spark.session
        context = StepContext(session, run, self._references(work), work, self._parts.project.root)
        contract = Schema(tuple(Column(name, column.type) for name, column in spec.schema_.items()))
        nothing = Batch("plan", (), (), contract, (), 0, (), 0)
        frame = DataTransformer(context).run(spec, nothing).frame.frame.drop(FATE, ROW_ID)
        tables = []
        for output in spec.outputs:
            schema = _schema_of(_shaped(output, frame), contract)
            self._planned[output.name] = schema
            if output.load is not None:
                statements = self._parts.loader.ddl(output.load, schema)
                tables.append(PlannedTable(output.load.table, output.name, output.load.mode, statements))
        return tuple(tables)

    def _references(self, work: Path) -> Mapping[str, DataFrame]:
        parts = self._parts
        real = References(parts.project.pipelines, parts.loader, parts.store, parts.spark.session, work / "references")
        return _PlannedReferences(real, parts, self._planned)


class _PlannedReferences(Mapping[str, "DataFrame"]):
    """Reference frames; those of outputs that the plan itself would make are empty frames of their schema."""

    def __init__(self, real: References, parts: Components, planned: Mapping[str, Schema]) -> None:
        self._real = real
        self._parts = parts
        self._planned = planned

    def __getitem__(self, name: str) -> DataFrame:
        found = find_output(name, self._parts.project.pipelines)
        schema = self._planned.get(found[1].name) if found else None
        if schema is None:
            return self._real[name]
        columns = ", ".join(f"{quoted(one.name)} {one.type.spark}" for one in schema.columns)
        return self._parts.spark.session.createDataFrame([], columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self._planned)

    def __len__(self) -> int:
        return len(self._planned)


def _shaped(output: OutputSpec, frame: DataFrame) -> DataFrame:
    """The frame that an output would publish."""
    if output.aggregate is not None:
        return folded(frame, output.aggregate, output.name).drop(ROWS_FOLDED)
    return frame.select(*(column(name) for name in output.columns)) if output.columns else frame


def _schema_of(frame: DataFrame, contract: Schema) -> Schema:
    """The frame's schema in the types of the contract; text that the contract calls json stays json."""
    json_columns = {column.name for column in contract.columns if column.type.kind == "json"}
    names = {"int": "integer", "timestamp_ntz": "timestamp"}
    return Schema(
        tuple(
            Column(name, ColumnType("json") if name in json_columns else ColumnType.parse(names.get(kind, kind)))
            for name, kind in frame.dtypes
        )
    )
