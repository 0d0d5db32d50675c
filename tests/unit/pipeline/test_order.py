from __future__ import annotations

import pytest

from cloud_etl import backends
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import ConfigError, UsageError
from cloud_etl.pipeline.order import find_output, in_order, upstream

backends.register_families()


def _pipeline(name: str, *reads: str) -> PipelineSpec:
    checks = [{"references": {"column": "a", "to": other, "key": "a", "name": other}} for other in reads]
    return PipelineSpec.model_validate(
        {
            "pipeline": name,
            "source": {"path": "raw", "format": "csv"},
            "schema": {"a": {"type": "integer"}},
            "quality": {"checks": checks},
            "outputs": [{"name": f"{name}_out", "load": {"table": f"analytics.{name}"}}],
        }
    )


def _project(**reads: tuple[str, ...]) -> dict[str, PipelineSpec]:
    return {name: _pipeline(name, *others) for name, others in reads.items()}


def test_a_pipeline_comes_after_those_it_reads() -> None:
    project = _project(a=("b", "c"), b=("c",), c=())
    assert in_order(project, project) == ("c", "b", "a")


def test_only_the_named_pipelines_are_run() -> None:
    project = _project(a=("b",), b=("c",), c=())
    assert in_order(["a", "b", "a"], project) == ("b", "a")


@pytest.mark.parametrize("name", ["b", "b_out", "analytics.b"])
def test_a_reference_names_a_pipeline_an_output_or_a_table(name: str) -> None:
    project = _project(a=(name,), b=())
    assert upstream("a", project) == {"b"}
    found = find_output(name, project)
    assert found is not None
    assert found[1].name == "b_out"


def test_an_unknown_pipeline_gets_a_hint() -> None:
    project = _project(sales_data=())
    with pytest.raises(UsageError, match="did you mean 'sales_data'"):
        in_order(["sales_dta"], project)


def test_a_circle_is_shown() -> None:
    project = _project(a=("b",), b=("a",))
    with pytest.raises(ConfigError, match=r"a -> b -> a|b -> a -> b"):
        in_order(project, project)
