"""Take frames without rows through the steps and checks: what they would give, and what the engine would refuse."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.config.findings import dotted
from cloud_etl.domain.resources import LEAST_BYTES, MIB, Resources
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.schema import Column, Schema
from cloud_etl.engines.machine import engine_within
from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.errors import CloudEtlError, EngineError, Problem
from cloud_etl.pipeline.order import find_output, in_order
from cloud_etl.pipeline.output_schema import output_schemas
from cloud_etl.pipeline.references import empty_frame
from cloud_etl.quality.gate import QualityGate
from cloud_etl.quality.port import GateContext
from cloud_etl.transform.port import Step, StepContext
from cloud_etl.transform.transformer import DataTransformer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from cloud_etl.config.config import LoadedProject
    from cloud_etl.domain.environment import EngineSpec
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.engines.marked_frame import MarkedFrame

_JVM_BYTES = 1024 * MIB
_OF_QUERIES = "spark.sql."


class MissingReferenceError(CloudEtlError):
    """A reference is a table of the warehouse, which a dry run does not look into."""


class DryReferences(Mapping[str, "DataFrame"]):
    """Reference frames without rows, for outputs whose schema is known; others come from `real`."""

    def __init__(
        self,
        pipelines: Mapping[str, PipelineSpec],
        session: SparkSession,
        planned: Mapping[str, Schema],
        real: Mapping[str, DataFrame] | None = None,
    ) -> None:
        """Store the schemas, by output; the mapping may grow while this is used."""
        self._pipelines = pipelines
        self._session = session
        self._planned = planned
        self._real = real

    def __getitem__(self, name: str) -> DataFrame:
        """The frame of that name.

        Raises:
            MissingReferenceError: its schema is not known, and there is nothing real to look at.
        """
        found = find_output(name, self._pipelines)
        schema = self._planned.get(found[1].name) if found else None
        if schema is not None:
            return empty_frame(self._session, schema)
        if self._real is None:
            raise MissingReferenceError(name)
        return self._real[name]

    def __iter__(self) -> Iterator[str]:
        """Outputs whose schema is known."""
        return iter(self._planned)

    def __len__(self) -> int:
        """How many these are."""
        return len(self._planned)


def dry_schemas(spec: PipelineSpec, context: StepContext) -> dict[str, Schema]:
    """Schema of each output of a pipeline, from a frame without rows.

    Raises:
        CloudEtlError: the engine refuses a step, a check or an output.
    """
    marked = _transformed(spec, context)
    gate = QualityGate(spec.quality, GateContext(context.session, context.run, context.references, context.work))
    accepted = gate.mark(marked)
    gate.rehearse(accepted)
    return output_schemas(spec, accepted.frame, _contract(spec))


def _contract(spec: PipelineSpec) -> Schema:
    return Schema(tuple(Column(name, one.type) for name, one in spec.schema_.items()))


def _transformed(spec: PipelineSpec, context: StepContext) -> MarkedFrame:
    nothing = Batch("dry-run", (), (), _contract(spec), (), 0, (), 0)
    return DataTransformer(context).run(spec, nothing).frame


def steps_to_rehearse(spec: PipelineSpec, *, imports: bool) -> int:
    """How many steps of a pipeline can be rehearsed: those before the first that runs the project's code, or all.

    Args:
        spec: the pipeline.
        imports: whether the project's code may run.
    """
    codes = (number for number, step in enumerate(spec.transform) if isinstance(step, Step) and step.runs_code)
    return len(spec.transform) if imports else next(codes, len(spec.transform))


def engine_findings(project: LoadedProject, *, imports: bool) -> list[Problem]:
    """Let the engine analyse every pipeline: functions, types and SQL, with no row and no warehouse.

    Args:
        project: the pipelines to analyse.
        imports: call the project's Python and start the engine with all its settings; without, a pipeline is analysed
            up to the first step that would run code, and the engine starts with nothing that names a program.

    Raises:
        EngineError: the engine cannot be started.
    """
    engine = project.environment.engine
    if "${" in engine.name or not project.pipelines:
        # Which engine it is shows at run time only; validate resolves no secrets and no variables.
        return []
    planned: dict[str, Schema] = {}
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="cloud-etl-validate-") as folder:
        scratch = Path(folder)
        with SparkManager(_small(engine, imports=imports), 1, scratch / "engine") as spark:
            for name in in_order(project.pipelines, project.pipelines):
                context = _context(project, name, spark.session, planned, scratch / name)
                try:
                    planned |= _rehearsed(project.pipelines[name], context, imports=imports)
                except MissingReferenceError:
                    continue
                except EngineError:
                    raise
                except CloudEtlError as exc:
                    where = f"{dotted(exc.place)}: " if exc.place else ""
                    problems.append(project.place(name, exc.place).problem(f"{where}{exc}"))
    return problems


def _rehearsed(spec: PipelineSpec, context: StepContext, *, imports: bool) -> dict[str, Schema]:
    """Schemas of the outputs; none where a step would run code and must not, as far as it comes."""
    steps = steps_to_rehearse(spec, imports=imports)
    if steps == len(spec.transform):
        return dry_schemas(spec, context)
    _ = _transformed(spec.model_copy(update={"transform": spec.transform[:steps]}), context).frame.schema
    return {}


def _small(engine: EngineSpec, *, imports: bool) -> EngineSpec:
    """The engine as far as frames without rows need it: on this machine, with what a JVM must have at least."""
    here = engine.model_copy(update={"master": None, "event_log": None})
    if not imports:
        # Others name programs and jars; those with a dot in them may name a class.
        kept = {
            name: value
            for name, value in engine.config.items()
            if name.startswith(_OF_QUERIES) and not (isinstance(value, str) and "." in value)
        }
        here = here.model_copy(update={"config": kept, "jars": None})
    return engine_within(here, Resources(_JVM_BYTES if engine.name == "spark" else LEAST_BYTES, 1))


def _context(
    project: LoadedProject, name: str, session: SparkSession, planned: Mapping[str, Schema], scratch: Path
) -> StepContext:
    now = datetime.now(UTC)
    run = RunContext("dry-run", name, project.environment_name, now.date(), now, scratch, 1)
    (scratch / "work").mkdir(parents=True)
    references = DryReferences(project.pipelines, session, planned)
    return StepContext(session, run, references, scratch / "work", project.root)
