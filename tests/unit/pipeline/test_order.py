from __future__ import annotations

import pytest

from cloud_etl import backends
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import ConfigError, UsageError
from cloud_etl.pipeline.order import find_output, in_order, most_at_once, turns, upstream

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


def test_a_pipeline_waits_for_those_that_it_reads_and_that_are_run() -> None:
    project = _project(a=("b", "c"), b=("c",), c=(), d=())
    assert turns(("d", "c", "a"), project) == {"d": frozenset(), "c": frozenset(), "a": {"c"}}


@pytest.mark.parametrize(
    ("path", "waits"),
    [
        ("processed-data/b_out_20260131/", True),
        ("processed-data", True),
        ("s3://lake/processed-data/b_out_{date:%Y%m%d}", True),
        ("processed-data/other_20260131", False),
        ("raw-data/b_out_20260131", False),
    ],
)
def test_a_pipeline_keeps_its_place_beside_one_whose_published_files_it_takes(path: str, waits: bool) -> None:
    project = _project(a=(), b=())
    source = project["a"].source.model_copy(update={"path": path})
    project["a"] = project["a"].model_copy(update={"source": source})
    assert turns(("b", "a"), project)["a"] == ({"b"} if waits else frozenset())
    assert turns(("a", "b"), project)["b"] == ({"a"} if waits else frozenset())


def test_as_many_are_under_way_as_wait_for_nobody_at_some_time() -> None:
    chain = {"a": frozenset[str](), "b": frozenset({"a"}), "c": frozenset({"b"})}
    assert most_at_once(chain) == 1
    assert most_at_once({**chain, "d": frozenset({"a"}), "e": frozenset()}) == 2
    assert most_at_once({}) == 1
