"""What `validate` and `plan` learn from the engine without a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_etl.errors import ConfigError
from cloud_etl.pipeline.project import Project


def with_transform(shop: Path, lines: str) -> Project:
    """The project, with a pipeline of its own for these lines of a transform."""
    (shop / "pipelines/extra.yaml").write_text(
        "pipeline: extra\nsource: {path: raw-data/orders/, format: csv}\nschema: {a: {type: integer}}\n"
        f"transform:\n{lines}outputs: [{{name: extra, load: {{table: analytics.extra}}}}]\n"
    )
    return Project.open(shop)


def test_types_that_only_the_engine_has_are_planned_as_the_table_takes_them(shop: Path) -> None:
    project = with_transform(
        shop, '  - derive: {t: "cast(a as tinyint)", s: "cast(a as smallint)", f: "cast(a as float)"}\n'
    )
    project.validate()
    (table,) = project.plan(["extra"]).pipelines[0].tables
    assert '"t" INTEGER, "s" INTEGER, "f" DOUBLE' in table.statements[1]


def test_a_type_that_no_table_takes_is_a_finding(shop: Path) -> None:
    with pytest.raises(ConfigError, match=r"extra\.yaml:\d+: .*column x has type array<int>, which no table takes"):
        with_transform(shop, '  - derive: {x: "array(1, 2)"}\n').validate()
