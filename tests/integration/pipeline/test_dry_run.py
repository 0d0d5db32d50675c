"""What `validate` and `plan` learn from the engine without a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.errors import ConfigError
from cloud_etl.pipeline.dry_run import _small
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


@pytest.mark.parametrize(
    ("line", "text", "finding"),
    [
        (5, "  - filter: {r: 'summ(a) > 1'}\n", "transform[0].filter: filter.r: unknown function: summ"),
        (
            6,
            "  - drop_nulls: [a]\n  - sql: 'select nope from input'\n",
            "transform[1].sql: sql: there is no column 'nope'",
        ),
    ],
)
def test_what_the_engine_refuses_is_told_at_the_line_of_the_step(
    shop: Path, line: int, text: str, finding: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        with_transform(shop, text).validate()
    (problem,) = raised.value.problems
    assert (problem.line, problem.message.partition(";")[0]) == (line, finding)


def test_what_the_engine_refuses_is_told_at_the_line_of_the_check_and_of_the_output(shop: Path) -> None:
    text = (shop / "pipelines/orders.yaml").read_text()
    (shop / "pipelines/orders.yaml").write_text(text.replace("sum(amount)", "summ(amount)"))
    (shop / "pipelines/customers.yaml").write_text(
        (shop / "pipelines/customers.yaml").read_text() + "quality:\n  checks:\n    - expression: {that: 'name'}\n"
    )
    with pytest.raises(ConfigError) as raised:
        Project.open(shop).validate()
    assert [(one.line, one.message.partition(": ")[0]) for one in raised.value.problems] == [
        (12, "quality.checks[0].expression"), (23, "outputs[1]"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("that", "finding"), [("name", "gives string, not true or false"), ("summ(name)", "unknown function: summ")]
)
def test_a_check_that_only_warns_is_analysed_too(shop: Path, that: str, finding: str) -> None:
    customers = shop / "pipelines/customers.yaml"
    check = f"quality:\n  checks:\n    - expression: {{that: {that}, on_fail: warn}}\n"
    customers.write_text(customers.read_text() + check)
    with pytest.raises(ConfigError, match=rf"customers\.yaml:12: quality\.checks\[0\]\.expression: .*{finding}"):
        Project.open(shop).validate()


def test_files_meaning_and_engine_are_told_in_one_round(shop: Path) -> None:
    settings = (shop / "cloud-etl.yaml").read_text()
    (shop / "cloud-etl.yaml").write_text(settings + "  prod: {extends: local, stroe: x}\n")
    head = "source: {path: raw-data/orders/, format: csv}\nschema: {a: integer}\n"
    for name, transform in {
        "shape": "transform: [{fill_nulls: {a: [1]}}]\nquality: {checks: [{not_null: {columns: [nope]}}]}\n",
        "meaning": "transform: [{drop_nulls: [b]}]\n",
        "engine": "transform: [{filter: {r: 'summ(a) > 1'}}]\n",
    }.items():
        outputs = f"outputs: [{{name: {name}, load: {{table: analytics.{name}}}}}]\n"
        (shop / f"pipelines/{name}.yaml").write_text(f"pipeline: {name}\n{head}{transform}{outputs}")
    with pytest.raises(ConfigError) as raised:
        Project.examine(shop)
    told = [(Path(one.file or "").name, one.message) for one in raised.value.problems]
    assert [file for file, _ in told] == ["cloud-etl.yaml", "engine.yaml", "meaning.yaml", "shape.yaml"]
    for (_, message), words in zip(told, ("stroe", "summ", "'b'", "fill_nulls.a"), strict=True):
        assert words in message


_TRAP = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\ndef tidy(frame):\n    return frame.nope\n"


def test_validate_runs_no_code_of_the_project_unless_it_is_told_to(shop: Path) -> None:
    (shop / "trap.py").write_text(_TRAP)
    project = with_transform(shop, "  - python: trap:tidy\n")
    project.validate()
    assert not (shop / "ran").exists()
    assert project.unrehearsed == ("extra",)
    with pytest.raises(ConfigError, match=r"extra\.yaml:5: .*gave Column, not a DataFrame"):
        project.validate(imports=True)
    assert (shop / "ran").exists()


def test_steps_before_one_that_would_run_code_are_analysed_without_it(shop: Path) -> None:
    (shop / "trap.py").write_text(_TRAP)
    with pytest.raises(ConfigError, match=r"extra\.yaml:5: .*unknown function: summ") as raised:
        with_transform(shop, "  - filter: {r: 'summ(a) > 1'}\n  - python: trap:tidy\n").validate()
    assert len(raised.value.problems) == 1
    with pytest.raises(ConfigError, match=r"extra\.yaml:5: .*has no function 'tydi'; known: tidy"):
        with_transform(shop, "  - python: trap:tydi\n").validate()
    assert not (shop / "ran").exists()


def test_validate_starts_no_program_that_a_setting_or_a_query_names(shop: Path) -> None:
    settings = shop / "cloud-etl.yaml"
    text = settings.read_text()
    settings.write_text(text + "  other: {extends: local, engine: {sql_reads: anything}}\n")
    query = "select transform(a) using 'touch ran' as (a string) from input"
    project = with_transform(shop, f'  - sql: "{query}"\n  - sql: select * from input\n')
    project.validate()
    assert project.unrehearsed == ("extra",)


def test_of_the_settings_of_spark_only_those_of_queries_are_kept_where_nothing_may_run() -> None:
    engine = EngineSpec.model_validate({
        "name": "spark", "jars": "jars",
        "config": {"spark.sql.legacy.x": "1", "spark.sql.extensions": "org.Evil",
                   "spark.plugins": "Evil", "spark.pyspark.python": "./evil"},
    })  # fmt: skip
    small = _small(engine, imports=False)
    assert (dict(small.config), small.jars) == ({"spark.sql.legacy.x": "1"}, None)
    assert _small(engine, imports=True).config == engine.config
