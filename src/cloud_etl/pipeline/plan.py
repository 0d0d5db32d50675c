"""What a run would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from cloud_etl.domain.run import RunContext, SkippedFile
from cloud_etl.errors import CloudEtlError
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.pipeline.dry_run import DryReferences, dry_schemas
from cloud_etl.pipeline.estimate import estimate_rows
from cloud_etl.pipeline.references import References
from cloud_etl.transform.port import StepContext

if TYPE_CHECKING:
    from cloud_etl.domain.schema import Schema
    from cloud_etl.domain.spec import PipelineSpec
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
    """What a run would do for one pipeline; `problem` says why the rest cannot be told, with the run's exit code."""

    pipeline: str
    files: tuple[PlannedFile, ...]
    skipped: tuple[SkippedFile, ...]
    steps: tuple[str, ...]
    checks: tuple[str, ...]
    folders: tuple[str, ...] = ()
    tables: tuple[PlannedTable, ...] = ()
    problem: str | None = None
    exit_code: int = 0

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

    @property
    def exit_code(self) -> int:
        """That of the first pipeline which could not be planned whole, as in a run; 0 where all could."""
        return next((one.exit_code for one in self.pipelines if one.exit_code), 0)


def plan_json(plan: Plan) -> str:
    """The plan as JSON for programs."""
    body = asdict(plan)
    for pipeline, planned in zip(body["pipelines"], plan.pipelines, strict=True):
        pipeline["rows_estimated"] = planned.rows_estimated
    return json.dumps(body, indent=2, default=str)


def make_plan(parts: Components, names: Sequence[str], run_date: date) -> Plan:
    """Look at the source, the pipelines and the warehouse; nothing is changed in any of them."""
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
        """Plan one pipeline; what is wrong with it does not keep the others from being planned."""
        run = self._context(spec)
        plan = PipelinePlan(
            spec.pipeline,
            (),
            (),
            steps=tuple(step.label for step in spec.transform),
            checks=tuple(label for check in spec.quality.checks for label in check.labels),
            folders=tuple(f"processed-data/{output.name}_{self._run_date:%Y%m%d}/" for output in spec.outputs),
        )
        try:
            files, skipped = self._files(spec, run)
            plan = replace(plan, files=files, skipped=skipped)
            return replace(plan, tables=self._tables(spec, run)) if files else plan
        except CloudEtlError as exc:
            return replace(plan, problem=str(exc), exit_code=exc.exit_code)

    def _files(self, spec: PipelineSpec, run: RunContext) -> tuple[tuple[PlannedFile, ...], tuple[SkippedFile, ...]]:
        extractor = S3Extractor(self._parts.store, spec, run, self._parts.progress)
        listing = extractor.list(self._parts.loader.loaded_files(spec.pipeline))
        files = tuple(
            PlannedFile(file.key, file.size_bytes, estimate_rows(extractor.store, file, spec.source))
            for file in listing.files
        )
        return files, listing.skipped

    def _context(self, spec: PipelineSpec) -> RunContext:
        parts = self._parts
        scratch = parts.scratch / spec.pipeline
        scratch.mkdir(parents=True)
        name = parts.project.environment_name
        return RunContext(
            "plan", spec.pipeline, name, self._run_date, datetime.now(UTC), scratch, parts.resources.cores
        )

    def _tables(self, spec: PipelineSpec, run: RunContext) -> tuple[PlannedTable, ...]:
        """Ask the warehouse what the schemas of the outputs would need."""
        parts = self._parts
        work = run.scratch / "work"
        work.mkdir()
        session = parts.spark.session
        real = References(parts.project.pipelines, parts.loader, parts.store, session, None)
        references = DryReferences(parts.project.pipelines, session, self._planned, real)
        context = StepContext(session, run, references, work, parts.project.root)
        schemas = dry_schemas(spec, context)
        self._planned |= schemas
        return tuple(
            PlannedTable(
                output.load.table, output.name, output.load.mode, parts.loader.ddl(output.load, schemas[output.name])
            )
            for output in spec.outputs
            if output.load is not None
        )
