"""Whatever is done to a valid project, loading it ends in a project or in findings with a place."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.config.config import load_project
from cloud_etl.errors import ConfigError
from cloud_etl.pipeline.check import check_project

PROJECT = """\
project: shop
default_environment: dev
environments:
  local:
    store: ./data
    engine: {name: sail, cores: 2}
    warehouse: {duckdb: {path: ./shop.duckdb}}
  dev:
    extends: local
    store: "s3://${env:BUCKET:-dev}"
    s3: {secret_access_key: "${secret:shop/key}", path_style: true}
"""
PIPELINE = """\
pipeline: sales
source:
  path: raw/sales
  format: csv
  csv: {delimiter: ",", null_words: ["", NA]}
schema:
  order_id: {type: string, required: true, rename_from: [order, id]}
  amount: {type: "decimal(12,2)", default: 0}
  at: {type: timestamp, format: "%Y-%m-%d", zone: Europe/Paris}
quality:
  checks:
    - not_null: {columns: [order_id], on_fail: reject}
    - range: {column: amount, min: 0, max: 100}
    - expression: {that: "amount > 0"}
  fail_when: {score_below: 90, rejected_above: "5%"}
outputs:
  - name: sales_fact
    partition_by: [at]
    load: {table: shop.sales_fact, mode: upsert, keys: [order_id]}
  - name: daily
    aggregate: {group_by: [at], metrics: {n: "count(*)"}}
"""
FRAGMENTS = st.one_of(
    st.sampled_from(
        ["null", "[]", "{}", "-", "- ", "x", "5", "-1", "1e3", "true", "yes", "''", '"', "'", ":", "\t", "&a ",
         "*a", "|", "!!int ",
         "${", "${secret:x}", "%", "#", "@", "\x00", "\ud800", "9" * 40, "{a: {b: [c]}}", "<<: *a", "extends: dev",
         "\n", "---\n"]
    ),
    st.text(max_size=6),
)  # fmt: skip


@st.composite
def mutated(draw, text: str) -> str:
    """The text with a few tokens replaced, removed, doubled or moved."""
    for _ in range(draw(st.integers(1, 3))):
        lines = text.split("\n")
        number = draw(st.integers(0, len(lines) - 1))
        words = lines[number].split(" ")
        place = draw(st.integers(0, len(words) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                words[place] = draw(FRAGMENTS)
            case 1:
                words[place] += draw(FRAGMENTS)
            case 2:
                del words[place]
            case 3:
                words.insert(0, " ")
            case 4:
                lines.insert(number, lines[draw(st.integers(0, len(lines) - 1))])
            case 5:
                cut = draw(st.integers(0, len(words[place])))
                words[place] = words[place][:cut] + words[place][cut + 1 :]
        lines[number] = " ".join(words)
        text = "\n".join(lines)
    return text


def load_or_refuse(folder: Path, project: str, pipeline: str) -> None:
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "cloud-etl.yaml").write_bytes(project.encode("utf-8", "surrogatepass"))
    (folder / "pipelines" / "sales.yaml").write_bytes(pipeline.encode("utf-8", "surrogatepass"))
    try:
        check_project(load_project(folder, None, {}))
    except ConfigError as exc:
        assert exc.problems
        for problem in exc.problems:
            assert problem.file, problem
            assert problem.line, problem
            assert "pydantic" not in problem.message
            assert "hunter2" not in problem.message


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pipeline=mutated(PIPELINE))
def test_a_mutated_pipeline_loads_or_is_refused_with_places(tmp_path, pipeline):
    load_or_refuse(tmp_path, PROJECT, pipeline)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(project=mutated(PROJECT.replace("${secret:shop/key}", "hunter2")))
def test_a_mutated_project_loads_or_is_refused_with_places_and_keeps_its_secret(tmp_path, project):
    load_or_refuse(tmp_path, project, PIPELINE)
