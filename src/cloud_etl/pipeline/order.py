"""Which pipeline reads which, and the order that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.spec import OutputSpec, PipelineSpec
from cloud_etl.errors import ConfigError, Problem, UsageError
from cloud_etl.publish.layout import ROOT
from cloud_etl.quality.port import Check
from cloud_etl.transform.port import Step


def references_of(spec: PipelineSpec) -> tuple[str, ...]:
    """Names of pipelines, outputs or tables that the steps and checks of a pipeline read, without repeats."""
    steps = (name for step in spec.transform if isinstance(step, Step) for name in step.references)
    checks = (name for check in spec.quality.checks if isinstance(check, Check) for name in check.references)
    return tuple(dict.fromkeys([*steps, *checks]))


def find_output(name: str, pipelines: Mapping[str, PipelineSpec]) -> tuple[PipelineSpec, OutputSpec] | None:
    """The output that a reference names: by pipeline (its first output), by output, or by table."""
    if name in pipelines:
        return pipelines[name], pipelines[name].outputs[0]
    for spec in pipelines.values():
        for output in spec.outputs:
            if name == output.name or (output.load is not None and name == output.load.table):
                return spec, output
    return None


def in_order(names: Iterable[str], pipelines: Mapping[str, PipelineSpec]) -> tuple[str, ...]:
    """Sort the named pipelines so that each comes after those it reads; nothing is added to them.

    Raises:
        UsageError: a name is no pipeline.
        ConfigError: pipelines read one another in a circle.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in pipelines:
            raise UsageError(f"no pipeline is named {name!r}{did_you_mean(name, pipelines)}")
    graph = {name: sorted(_upstream(pipelines[name], pipelines) & set(wanted)) for name in sorted(wanted)}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as exc:
        circle = " -> ".join(exc.args[1])
        raise ConfigError([Problem(f"pipelines read one another in a circle: {circle}")]) from exc


def turns(names: Sequence[str], pipelines: Mapping[str, PipelineSpec]) -> dict[str, frozenset[str]]:
    """For each of the named pipelines those of them that must be through before it begins.

    These are the ones before it that it reads, and those whose published files one of the two has for its source.

    Args:
        names: in an order in which they can run one after the other.
        pipelines: all of the project.
    """
    found = {}
    for at, name in enumerate(names):
        spec, reads = pipelines[name], upstream(name, pipelines)
        others = [(before, pipelines[before]) for before in names[:at]]
        found[name] = frozenset(
            before
            for before, other in others
            if before in reads or _takes_files_of(spec, other) or _takes_files_of(other, spec)
        )
    return found


def most_at_once(turns: Mapping[str, frozenset[str]]) -> int:
    """How many pipelines it makes sense to have under way at the same time; each comes after those it waits for."""
    levels: dict[str, int] = {}
    for name, before in turns.items():
        levels[name] = 1 + max((levels[one] for one in before), default=0)
    return max(Counter(levels.values()).values(), default=1)


def _takes_files_of(spec: PipelineSpec, other: PipelineSpec) -> bool:
    """Whether the source of a pipeline lies among what another one publishes, or above it."""
    _, is_published, below = f"/{spec.source.path.rstrip('/')}/".rpartition(f"/{ROOT}/")
    folders = [f"{output.name}_" for output in other.outputs] if is_published else []
    return any(folder.startswith(below) or below.startswith(folder) for folder in folders)


def upstream(name: str, pipelines: Mapping[str, PipelineSpec]) -> frozenset[str]:
    """Names of the pipelines whose outputs the named pipeline reads directly."""
    return frozenset(_upstream(pipelines[name], pipelines))


def _upstream(spec: PipelineSpec, pipelines: Mapping[str, PipelineSpec]) -> set[str]:
    found = (find_output(name, pipelines) for name in references_of(spec))
    return {owner.pipeline for owner, _ in filter(None, found) if owner.pipeline != spec.pipeline}
