"""Check what pipelines read of one another: names that lead nowhere, columns that are not there, circles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

from cloud_etl.config.config import LoadedProject
from cloud_etl.config.yaml_positions import YamlPath
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import Problem
from cloud_etl.pipeline.check_source import Finding
from cloud_etl.pipeline.order import find_output, upstream
from cloud_etl.quality.port import Check
from cloud_etl.transform.port import Step

Columns = Mapping[str, ColumnType | None]
# How alike a table must be to one of the project's to be taken for a slip and not for a table of somebody else.
_SLIP = 0.85


def missing(names: Iterable[str], columns: Columns | None, path: YamlPath) -> Iterator[Finding]:
    """A finding for each name that is no column; none where the columns cannot be told."""
    if columns is None:
        return
    for name in names:
        if name not in columns:
            yield path, f"there is no column {name!r} here{did_you_mean(name, columns)}"


def _reading(spec: PipelineSpec) -> Iterator[tuple[YamlPath, Step | Check]]:
    """Steps and checks that read something, with their paths."""
    for number, step in enumerate(spec.transform):
        if isinstance(step, Step) and step.references:
            yield ("transform", number, step.kind), step
    for number, check in enumerate(spec.quality.checks):
        if isinstance(check, Check) and check.references:
            yield ("quality", "checks", number, check.kind), check


def check_references(
    spec: PipelineSpec,
    pipelines: Mapping[str, PipelineSpec],
    outputs: Mapping[str, Columns | None],
    unread: Collection[str] = (),
) -> Iterator[Finding]:
    """Names of pipelines, outputs and tables that lead nowhere, and columns that are not there.

    Args:
        spec: the pipeline that reads.
        pipelines: all there are.
        outputs: columns by output.
        unread: names in files of which nothing can be judged; they may well be there.
    """
    for path, reader in _reading(spec):
        for name in reader.references:
            found = find_output(name, pipelines)
            if found is not None:
                columns = outputs[found[1].name]
                referred = getattr(reader, "referred_columns", ())
                yield from ((path, f"{name}: {message}") for _, message in missing(referred, columns, path))
            elif name not in unread and (wrong := _unknown(name, pipelines)) is not None:
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


def circles(loaded: LoadedProject) -> Iterator[tuple[str, Problem]]:
    """Pipelines that read one another in a circle, told at the first of them."""
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
                yield first, loaded.place(first, path).problem(message)
                return
