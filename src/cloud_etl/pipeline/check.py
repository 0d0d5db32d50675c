"""Check what a project means without touching its data: columns, expressions, tables, references, circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

from cloud_etl import backends
from cloud_etl.config.config import LoadedProject
from cloud_etl.config.findings import dotted
from cloud_etl.config.yaml_positions import YamlPath
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import LINEAGE, ColumnType
from cloud_etl.domain.spec import OutputSpec, PipelineSpec
from cloud_etl.errors import ConfigError, Problem, UsageError
from cloud_etl.pipeline.check_source import Finding, check_source
from cloud_etl.pipeline.expressions import columns_named, is_aggregate
from cloud_etl.pipeline.order import find_output, upstream
from cloud_etl.quality.port import Check
from cloud_etl.transform.port import Step

Columns = Mapping[str, ColumnType | None]
_SCD2_COLUMNS = ("valid_from", "valid_to", "is_current")
# How alike a table must be to one of the project's to be taken for a slip and not for a table of somebody else.
_SLIP = 0.85


@dataclass(frozen=True, slots=True)
class _Flow:
    """The columns of a pipeline from its contract to its outputs; None where they cannot be told."""

    findings: list[Finding] = field(default_factory=list)
    outputs: dict[str, Columns | None] = field(default_factory=dict)


def check_project(loaded: LoadedProject) -> None:
    """Check everything that can be told from the files alone.

    Raises:
        ConfigError: every finding with file and line.
    """
    flows = {name: _flow(spec) for name, spec in loaded.pipelines.items()}
    problems = list(_environments(loaded))
    for name, spec in loaded.pipelines.items():
        findings = [*check_source(spec), *flows[name].findings, *_references(spec, loaded.pipelines, flows)]
        problems += [loaded.place(name, path).problem(f"{dotted(path)}: {message}") for path, message in findings]
    problems += _circles(loaded)
    if problems:
        raise ConfigError(sorted(dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0)))


def _environments(loaded: LoadedProject) -> Iterator[Problem]:
    for name, environment in loaded.spec.environments.items():
        engine = environment.engine.name
        if "${" not in engine and not _is_engine(engine):
            path = f"environments.{name}.engine.name"
            known = filter(_is_engine, backends.names("cloud_etl.engines"))
            place = loaded.origins.get(path) or loaded.origin(f"environments.{name}")
            yield place.problem(f"{path}: there is no engine {engine!r}{did_you_mean(engine, known)}")


def _is_engine(name: str) -> bool:
    try:
        return hasattr(backends.module("cloud_etl.engines", name), "Engine")
    except UsageError:
        return False


def _flow(spec: PipelineSpec) -> _Flow:
    """Follow the columns through steps, checks and outputs."""
    flow = _Flow()
    columns: Columns | None = {name: column.type for name, column in spec.schema_.items()}
    for number, step in enumerate(spec.transform):
        if columns is None or not isinstance(step, Step):
            columns = None
            continue
        path = ("transform", number, step.kind)
        try:
            after = step.columns_after(columns)
        except ValueError as exc:
            flow.findings.append((path, str(exc)))
            # What this step would have made is not known: what names it later is not judged.
            columns = None
            continue
        flow.findings.extend(_expressions(step.expressions, {**columns, **(after or {})}, path))
        columns = after
    for number, check in enumerate(spec.quality.checks):
        if isinstance(check, Check):
            flow.findings.extend(_check(check, columns, ("quality", "checks", number, check.kind)))
    for number, output in enumerate(spec.outputs):
        flow.findings.extend(_output(output, columns, ("outputs", number)))
        flow.outputs[output.name] = _columns_of(output, columns)
    return flow


def _check(check: Check, columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    yield from _missing(check.columns_used, columns, path)
    yield from _expressions(check.expressions, columns, path)
    if columns is not None:
        yield from ((path, problem) for problem in check.type_problems(columns))


def _output(output: OutputSpec, columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    if output.aggregate is not None:
        yield from _aggregate(output, columns, (*path, "aggregate"))
    else:
        yield from _missing(output.columns, columns, (*path, "columns"))
    if output.aggregate is not None and output.columns:
        yield (*path, "columns"), "an aggregate publishes its groups and metrics; leave columns out"
    yield from _twice(output.columns, (*path, "columns"))
    yield from _twice(output.partition_by, (*path, "partition_by"))
    available = _columns_of(output, columns)
    yield from _missing(output.partition_by, available, (*path, "partition_by"))
    yield from _load(output, available, (*path, "load"))


def _load(output: OutputSpec, available: Columns | None, path: YamlPath) -> Iterator[Finding]:
    load = output.load
    if load is None:
        return
    yield from _missing(load.keys, available, (*path, "keys"))
    yield from _twice(load.keys, (*path, "keys"))
    yield from _missing(load.sortkey, available, (*path, "sortkey"))
    yield from _missing([load.distkey] if load.distkey else [], available, (*path, "distkey"))
    for name in _SCD2_COLUMNS if load.mode == "scd2" else ():
        if name in (available or {}):
            yield (*path, "mode"), f"scd2 makes the column {name!r} itself; rename the one that is there"


def _aggregate(output: OutputSpec, columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    spec = output.aggregate
    if spec is None:
        return
    yield from _missing(spec.group_by, columns, (*path, "group_by"))
    yield from _twice(spec.group_by, (*path, "group_by"))
    for name, expression in spec.metrics.items():
        here = (*path, "metrics", name)
        if name in spec.group_by or name in LINEAGE:
            yield here, f"the name {name!r} is taken already"
        found = list(_expressions((expression,), columns, here))
        yield from found
        if not found and not is_aggregate(expression):
            yield here, f"{expression!r} does not fold rows; write an aggregate such as sum({expression})"


def _columns_of(output: OutputSpec, columns: Columns | None) -> Columns | None:
    """Columns that an output publishes."""
    if output.aggregate is not None:
        types = columns or {}
        groups = {name: types.get(name) for name in output.aggregate.group_by}
        return groups | dict.fromkeys(output.aggregate.metrics)
    if output.columns:
        return {name: (columns or {}).get(name) for name in output.columns}
    return columns


def _expressions(expressions: tuple[str, ...], columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    for expression in expressions:
        try:
            named = columns_named(expression)
        except ValueError as exc:
            yield path, str(exc)
            continue
        if columns is not None:
            # Expressions are read by the engine, which does not tell upper case from lower.
            known = {name.lower() for name in columns}
            yield from _missing([name for name in named if name.lower() not in known], columns, path)


def _missing(names: tuple[str, ...] | list[str], columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    if columns is None:
        return
    for name in names:
        if name not in columns:
            yield path, f"there is no column {name!r} here{did_you_mean(name, columns)}"


def _twice(names: tuple[str, ...], path: YamlPath) -> Iterator[Finding]:
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield path, f"column {name!r} stands here twice"


def _reading(spec: PipelineSpec) -> Iterator[tuple[YamlPath, Step | Check]]:
    """Steps and checks that read something, with their paths."""
    for number, step in enumerate(spec.transform):
        if isinstance(step, Step) and step.references:
            yield ("transform", number, step.kind), step
    for number, check in enumerate(spec.quality.checks):
        if isinstance(check, Check) and check.references:
            yield ("quality", "checks", number, check.kind), check


def _references(
    spec: PipelineSpec, pipelines: Mapping[str, PipelineSpec], flows: Mapping[str, _Flow]
) -> Iterator[Finding]:
    """Names of pipelines, outputs and tables that lead nowhere, and columns that are not there."""
    for path, reader in _reading(spec):
        for name in reader.references:
            found = find_output(name, pipelines)
            if found is not None:
                columns = flows[found[0].pipeline].outputs[found[1].name]
                referred = getattr(reader, "referred_columns", ())
                yield from ((path, f"{name}: {message}") for _, message in _missing(referred, columns, path))
            elif (wrong := _unknown(name, pipelines)) is not None:
                yield path, wrong


def _unknown(name: str, pipelines: Mapping[str, PipelineSpec]) -> str | None:
    """Why a reference leads nowhere; None for a schema.table that may have been made by somebody else."""
    outputs = [output for spec in pipelines.values() for output in spec.outputs]
    tables = [output.load.table for output in outputs if output.load is not None]
    if "." in name:
        close = get_close_matches(name, tables, n=1, cutoff=_SLIP)
        return f"no output loads into table {name!r}; did you mean {close[0]!r}?" if close else None
    known = [*pipelines, *(output.name for output in outputs), *tables]
    return f"there is no pipeline, output or table {name!r}{did_you_mean(name, known)}"


def _circles(loaded: LoadedProject) -> Iterator[Problem]:
    """Pipelines that read one another in a circle."""
    graph = {name: sorted(upstream(name, loaded.pipelines)) for name in sorted(loaded.pipelines)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        # graphlib names each before the one that reads it; people read the other way round.
        circle = list(reversed(exc.args[1]))
        first, second = circle[0], circle[1]
        for path, reader in _reading(loaded.pipelines[first]):
            owners = [find_output(name, loaded.pipelines) for name in reader.references]
            if any(owner is not None and owner[0].pipeline == second for owner in owners):
                message = f"pipelines read one another in a circle: {' -> '.join(circle)}"
                yield loaded.place(first, path).problem(message)
                return
