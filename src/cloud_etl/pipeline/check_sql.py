"""Check the SQL of a pipeline's steps, checks and outputs: what it reads, and how long its patterns may take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cloud_etl.quality.port import Check
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from cloud_etl.config.yaml_positions import YamlPath
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.pipeline.check_source import Finding

_MOST_SHOWN = 100


def reads_outside(spec: PipelineSpec) -> Iterator[Finding]:
    """What expressions and queries would read beside their rows."""
    for path, text, query in _texts(spec):
        # Importing the parser takes long, and most projects are checked without it.
        from cloud_etl.engines.sql.outside import outside, reads_more

        if (found := outside(text, query=query)) is not None:
            yield path, reads_more(found)


def endless_patterns(spec: PipelineSpec) -> Iterator[Finding]:
    """Patterns in expressions and queries that can take without bound on an engine."""
    for path, text, query in _texts(spec):
        from cloud_etl.engines.sql.patterns import literal_patterns
        from cloud_etl.quality.regex.cost import java_regex_problem

        for pattern in literal_patterns(text, query=query):
            if (problem := java_regex_problem(pattern)) is not None:
                shown = pattern if len(pattern) <= _MOST_SHOWN else f"{pattern[:_MOST_SHOWN]}..."
                yield path, f"the pattern {shown!r} {problem}; say what stands between the parts, such as [^,]* for .*"


def _texts(spec: PipelineSpec) -> Iterator[tuple[YamlPath, str, bool]]:
    """Each expression, and each query as such."""
    for number, step in enumerate(spec.transform):
        if isinstance(step, Step):
            path: YamlPath = ("transform", number, step.kind)
            yield from _at(path, step.expressions)
            yield from ((path, text, True) for text in step.queries)
    for number, check in enumerate(spec.quality.checks):
        if isinstance(check, Check):
            yield from _at(("quality", "checks", number, check.kind), check.expressions)
    for number, output in enumerate(spec.outputs):
        if output.aggregate is not None:
            yield from _at(("outputs", number, "aggregate", "metrics"), output.aggregate.metrics.values())


def _at(path: YamlPath, texts: Iterable[str]) -> Iterator[tuple[YamlPath, str, bool]]:
    return ((path, text, False) for text in texts)
