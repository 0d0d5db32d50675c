"""Check what a project means without touching its data: columns, expressions, tables, references, circles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloud_etl import backends
from cloud_etl.config.config import LoadedProject, Survey
from cloud_etl.config.findings import dotted
from cloud_etl.config.yaml_positions import YamlPath
from cloud_etl.domain.environment import EnvironmentSpec
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import LINEAGE
from cloud_etl.domain.spec import OutputSpec, PipelineSpec
from cloud_etl.errors import ConfigError, Problem
from cloud_etl.load.duckdb.names import NO_QUESTION_MARK, RESERVED_SCHEMAS
from cloud_etl.pipeline.check_references import Columns, check_references, circles, missing
from cloud_etl.pipeline.check_source import Finding, check_source
from cloud_etl.pipeline.check_sql import endless_patterns, reads_outside
from cloud_etl.pipeline.dry_run import engine_findings, steps_to_rehearse
from cloud_etl.pipeline.expressions import columns_named, folds_rows, is_aggregate
from cloud_etl.quality.port import Check
from cloud_etl.transform.port import Step

_SCD2_COLUMNS = ("valid_from", "valid_to", "is_current")


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
    if problems := [*_environments(loaded), *(one for found in findings(loaded).values() for one in found)]:
        raise ConfigError(in_order_of_files(problems))


def survey(found: Survey, *, imports: bool = False) -> None:
    """Check everything: the shape of the files, what they mean, and what the engine says of them, in one round.

    Args:
        found: the project.
        imports: import the project's Python and call its functions; its text alone is looked at without.

    Raises:
        ConfigError: every finding with file and line.
    """
    loaded = found.loaded
    told = findings(loaded, found.unread)
    for name, problem in _code_problems(loaded):
        told[name].append(problem)
    problems = [*found.problems, *_environments(loaded), *(one for ones in told.values() for one in ones)]
    sound = {
        name: spec
        for name, spec in loaded.pipelines.items()
        if not told[name] and name not in found.damaged and (imports or not any(reads_outside(spec)))
    }
    problems += engine_findings(replace(loaded, pipelines=sound), imports=imports)
    if problems:
        raise ConfigError(in_order_of_files(problems))


def unrehearsed(pipelines: Mapping[str, PipelineSpec]) -> tuple[str, ...]:
    """Pipelines that are not analysed to their end where the project's code must not run."""
    return tuple(
        name
        for name, spec in pipelines.items()
        if any(reads_outside(spec)) or steps_to_rehearse(spec, imports=False) < len(spec.transform)
    )


def _code_problems(loaded: LoadedProject) -> Iterator[tuple[str, Problem]]:
    for name, spec in loaded.pipelines.items():
        for number, step in enumerate(spec.transform):
            path: YamlPath = ("transform", number, step.kind)
            for message in step.code_problems(loaded.root) if isinstance(step, Step) else ():
                yield name, loaded.place(name, path).problem(f"{dotted(path)}: {message}")


def in_order_of_files(problems: Iterable[Problem]) -> list[Problem]:
    """Each finding once, by file and line."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0))


def findings(loaded: LoadedProject, unread: Collection[str] = ()) -> dict[str, list[Problem]]:
    """What is wrong with each pipeline.

    Args:
        loaded: the project.
        unread: names that files define of which nothing can be judged.
    """
    closed = all(environment.engine.sql_reads == "rows" for environment in loaded.spec.environments.values())
    flows = {name: _flow(spec, closed=closed) for name, spec in loaded.pipelines.items()}
    outputs = {name: columns for flow in flows.values() for name, columns in flow.outputs.items()}
    problems: dict[str, list[Problem]] = {}
    for name, spec in loaded.pipelines.items():
        references = check_references(spec, loaded.pipelines, outputs, unread)
        schemas = _schemas(spec) if loaded.environment.warehouse.duckdb is not None else ()
        found = [*check_source(spec), *flows[name].findings, *references, *schemas]
        problems[name] = [loaded.place(name, path).problem(f"{dotted(path)}: {message}") for path, message in found]
    for name, problem in circles(loaded):
        problems[name].append(problem)
    return problems


def _environments(loaded: LoadedProject) -> Iterator[Problem]:
    known = backends.names(backends.ENGINES, "Engine")
    for name, environment in loaded.spec.environments.items():
        for key, engine in (("name", environment.engine.name), ("verify", environment.engine.verify)):
            path = f"environments.{name}.engine.{key}"
            place = loaded.origins.get(path) or loaded.origin(f"environments.{name}")
            if engine is not None and "${" not in engine and engine not in known:
                yield place.problem(f"{path}: there is no engine {engine!r}{did_you_mean(engine, known)}")
        if environment.engine.verify == environment.engine.name:
            yield place.problem(f"{path}: {environment.engine.verify} is the first engine already; name another")
        path = f"environments.{name}.store"
        place = loaded.origins.get(path) or loaded.origin(f"environments.{name}")
        yield from (place.problem(f"{path}: {message}") for message in _store_problems(environment))
        path = f"environments.{name}.warehouse"
        place = loaded.origins.get(path) or loaded.origin(f"environments.{name}")
        yield from (place.problem(f"{path}: {message}") for message in _warehouse_problems(environment, loaded.root))


def _store_problems(environment: EnvironmentSpec) -> Iterator[str]:
    store = environment.store
    if "${" in store:
        return
    scheme, separator, rest = store.partition("://")
    if separator and scheme not in ("file", "s3"):
        yield f"{store!r} has the scheme {scheme}://; known are a folder, file:// and s3://"
    elif scheme == "s3" and separator and not rest.strip("/"):
        yield f"{store!r} names no bucket; write s3://bucket or s3://bucket/prefix"
    elif scheme != "s3" and environment.warehouse.redshift is not None:
        # Redshift reads what is published by itself, from S3 and nowhere else.
        yield (
            f"{store!r} is no s3:// url, and warehouse.redshift loads by COPY, which reads S3 only; "
            "write s3://bucket or s3://bucket/prefix"
        )


def _warehouse_problems(environment: EnvironmentSpec, root: Path) -> Iterator[str]:
    duckdb = environment.warehouse.duckdb
    path = (root / duckdb.path).absolute() if duckdb is not None and "${" not in duckdb.path else None
    if "?" in str(path):
        yield f"{path} {NO_QUESTION_MARK}"


def _schemas(spec: PipelineSpec) -> Iterator[Finding]:
    """Tables of a DuckDB file in schemas that DuckDB takes for a database, or keeps for itself."""
    for number, output in enumerate(spec.outputs):
        schema = output.load.table.partition(".")[0].lower() if output.load else ""
        if schema in RESERVED_SCHEMAS:
            known = "DuckDB has a database, or a schema of its own, of that name"
            yield (
                ("outputs", number, "load", "table"),
                f"schema {schema!r} cannot be used: {known}; name another schema",
            )


def _flow(spec: PipelineSpec, *, closed: bool) -> _Flow:
    """Follow the columns through steps, checks and outputs.

    Args:
        spec: of the pipeline.
        closed: whether no environment lets expressions read more than their rows.
    """
    flow = _Flow()
    columns: Columns | None = {name: column.type for name, column in spec.schema_.items()}
    flow.findings.extend(endless_patterns(spec))
    if closed:
        flow.findings.extend(reads_outside(spec))
    for number, step in enumerate(spec.transform):
        if columns is None or not isinstance(step, Step):
            columns = None
            continue
        path = ("transform", number, step.kind)
        after, told = _after(step, columns)
        flow.findings.extend((path, message) for message in told)
        known = None if told and after is None else {**columns, **(after or {})}
        flow.findings.extend(_expressions(step.expressions, known, path))
        if not step.barrier:
            flow.findings.extend(_folding(step.expressions, path))
        columns = after
    flow.findings.extend(_too_long(spec, columns))
    for number, check in enumerate(spec.quality.checks):
        if isinstance(check, Check):
            flow.findings.extend(_check(check, columns, ("quality", "checks", number, check.kind)))
    for number, output in enumerate(spec.outputs):
        flow.findings.extend(_output(output, columns, ("outputs", number)))
        flow.outputs[output.name] = _columns_of(output, columns)
    return flow


def _too_long(spec: PipelineSpec, columns: Columns | None) -> Iterator[Finding]:
    """Settings for texts that have no text to act on when the rows are written, or would make two keys one."""
    keys = {key for output in spec.outputs if output.load is not None for key in output.load.keys}
    for name, column in spec.schema_.items():
        path = ("schema", name, "too_long")
        if "too_long" in column.model_fields_set and columns is not None and name not in columns:
            yield path, f"transform renames or drops {name!r}, so that nothing is left to be too long; leave it out"
        if column.too_long == "cut" and name in keys:
            yield path, f"{name!r} is a key, and cut keys may be the same; write reject or fail"


def _after(step: Step, columns: Columns) -> tuple[Columns | None, list[str]]:
    """Columns after a step, and what is wrong with it.

    A step tells one missing column at a time. Each text in the step is tried as a column until there is nothing more to
    tell, so that all of them are told, and later steps are judged as if they were there.
    """
    told: list[str] = []
    for name in [None, *(name for name in _texts(step.model_dump()) if name not in columns)]:
        trial = columns if name is None else {**columns, name: None}
        try:
            return step.columns_after(trial), told
        except ValueError as exc:
            # What comes after `;` lists columns, the tried one among them.
            heads = [message.partition(";")[0] for message in told]
            if str(exc).partition(";")[0] not in heads:
                columns = trial
                told.append(str(exc))
    return None, told


def _texts(value: object) -> Iterator[str]:
    """Every text in the settings of a step, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from (str(key), *_texts(item))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)


def _check(check: Check, columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    yield from missing(check.columns_used, columns, path)
    yield from _expressions(check.expressions, columns, path)
    yield from _folding(check.expressions, path)
    if columns is not None:
        yield from ((path, problem) for problem in check.type_problems(columns))


def _output(output: OutputSpec, columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    if output.aggregate is not None:
        yield from _aggregate(output, columns, (*path, "aggregate"))
    else:
        yield from missing(output.columns, columns, (*path, "columns"))
    if output.aggregate is not None and output.columns:
        yield (*path, "columns"), "an aggregate publishes its groups and metrics; leave columns out"
    yield from _twice(output.columns, (*path, "columns"))
    yield from _twice(output.partition_by, (*path, "partition_by"))
    available = _columns_of(output, columns)
    yield from missing(output.partition_by, available, (*path, "partition_by"))
    yield from _load(output, available, (*path, "load"))


def _load(output: OutputSpec, available: Columns | None, path: YamlPath) -> Iterator[Finding]:
    load = output.load
    if load is None:
        return
    yield from missing(load.keys, available, (*path, "keys"))
    yield from _twice(load.keys, (*path, "keys"))
    # The columns that scd2 adds may be laid out and commented like any other.
    stored = {**available, **dict.fromkeys(_SCD2_COLUMNS)} if available and load.mode == "scd2" else available
    yield from missing(load.sortkey, stored, (*path, "sortkey"))
    yield from _twice(load.sortkey, (*path, "sortkey"))
    yield from missing([load.distkey] if load.distkey else [], stored, (*path, "distkey"))
    yield from missing(load.encode, stored, (*path, "encode"))
    yield from missing(load.comments, stored, (*path, "comments"))
    for name in _SCD2_COLUMNS if load.mode == "scd2" else ():
        if name in (available or {}):
            yield (*path, "mode"), f"scd2 makes the column {name!r} itself; rename the one that is there"


def _aggregate(output: OutputSpec, columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    spec = output.aggregate
    if spec is None:
        return
    yield from missing(spec.group_by, columns, (*path, "group_by"))
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
            yield from missing([name for name in named if name.lower() not in known], columns, path)


def _folding(expressions: tuple[str, ...], path: YamlPath) -> Iterator[Finding]:
    """Expressions that make one value of many rows, where each row has its own."""
    for expression in expressions:
        try:
            folds = folds_rows(expression)
        except ValueError:
            continue  # said by `_expressions`
        if folds:
            yield path, f"{expression!r} folds rows; fold them with aggregate, or write a window: ... over (...)"


def _twice(names: tuple[str, ...], path: YamlPath) -> Iterator[Finding]:
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield path, f"column {name!r} stands here twice"
