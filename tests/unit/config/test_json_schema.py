import copy

import jsonschema
import pytest
from pydantic import ValidationError

from cloud_etl.config.json_schema import FILES, editor_schema, schema_text
from cloud_etl.config.yaml_positions import parse_yaml
from cloud_etl.domain.spec import PipelineSpec

PIPELINE = """\
pipeline: sales_data
source:
  path: raw-data/sales_data/
  pattern: "*.csv*"
  format: csv
  csv: {delimiter: ",", header: true, encoding: utf-8}
schema:
  order_id:    {type: string, required: true}
  order_ts:    {type: timestamp, format: "%Y-%m-%d %H:%M:%S"}
  unit_price:  {type: "decimal(12,2)"}
  discount:    {type: "decimal(5,4)", default: 0}
new_columns: reject
transform:
  - deduplicate: {keys: [order_id], order_by: "order_ts desc"}
  - drop_nulls: [product_id]
  - fill_nulls: {discount: 0}
  - derive: {amount: "cast(quantity * unit_price * (1 - discount) as decimal(14,2))"}
  - date_parts: {of: order_ts, parts: [date, year, month, day]}
  - filter: {test_orders: "customer_id >= 0"}
quality:
  checks:
    - not_null: {columns: [customer_id], on_fail: reject}
    - range: {column: quantity, min: 1, max: 1000, on_fail: reject}
    - unique: {columns: [order_id], on_fail: fail}
    - freshness: {column: order_ts, within: 2 days}
    - volume_change: {max_change: 50%}
  fail_when: {score_below: 95, rejected_above: "5%"}
outputs:
  - name: sales_fact
    partition_by: [region]
    load: {table: analytics.sales_fact, mode: upsert, keys: [order_id], distkey: customer_id, sortkey: [order_ts_date]}
  - name: daily_sales
    aggregate: {group_by: [order_ts_date, region], metrics: {orders: "count(*)", revenue: "sum(amount)"}}
    load: {table: analytics.daily_sales, mode: upsert, keys: [order_ts_date, region]}
"""
PROJECT = """\
project: retail
environments:
  local:   {store: ./data, engine: {name: sail}, warehouse: {duckdb: {path: ./data/warehouse.duckdb}}}
  staging: {extends: local, store: "s3://retail-staging", warehouse: {duckdb: {memory: 4GB}}}
"""


def valid(name, data):
    schema = editor_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(data)


@pytest.fixture
def pipeline():
    return parse_yaml(PIPELINE, "p.yaml").data


@pytest.fixture
def project():
    return parse_yaml(PROJECT, "cloud-etl.yaml").data


def test_a_pipeline_with_every_part_is_valid(pipeline):
    validator = jsonschema.Draft202012Validator(editor_schema("pipeline"))
    assert [error.message for error in validator.iter_errors(pipeline)] == []
    assert PipelineSpec.model_validate(pipeline).pipeline == "sales_data"


def test_a_project_whose_environments_extend_one_another_is_valid(project):
    assert valid("project", project)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "transfrom", []),
        ((), "new_columns", "rejct"),
        (("source",), "format", "csw"),
        (("source", "csv"), "delimeter", ";"),
        (("schema", "order_id"), "type", "strin"),
        (("schema", "order_id"), "requird", True),
        (("transform", 0), "dedup", {"keys": ["a"]}),
        (("transform", 0, "deduplicate"), "kyes", ["a"]),
        (("transform", 1), "drop_nulls", "product_id"),
        (("quality", "checks", 0), "not_nul", {}),
        (("quality", "checks", 0, "not_null"), "on_fail", "rejct"),
        (("quality", "fail_when"), "rejected_above", "five"),
        (("outputs", 0, "load"), "mode", "upsrt"),
        (("outputs", 0), "nmae", "x"),
    ],
)
def test_a_slip_in_a_pipeline_is_refused_by_schema_and_model(pipeline, path, key, value):
    broken = copy.deepcopy(pipeline)
    here = broken
    for part in path:
        here = here[part]
    here[key] = value
    assert not valid("pipeline", broken)
    with pytest.raises(ValidationError):
        PipelineSpec.model_validate(broken)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "environmets", {}),
        (("environments", "local"), "stor", "x"),
        (("environments", "local", "engine"), "cores", "two"),
        (("environments", "new"), "engine", {}),
    ],
)
def test_a_slip_in_a_project_is_not_valid(project, path, key, value):
    here = project
    for part in path:
        here = here.setdefault(part, {})
    here[key] = value
    assert not valid("project", project)


@pytest.mark.parametrize("name", FILES)
def test_every_key_has_a_description(name):
    schema = editor_schema(name)
    nodes = [schema, *schema["$defs"].values()]
    for node in nodes:
        for key, value in node.get("properties", {}).items():
            described = value if "description" in value else schema["$defs"][value["$ref"].split("/")[-1]]
            assert described["description"], key


def test_the_text_names_the_dialect():
    assert '"$schema": "https://json-schema.org/draft/2020-12/schema"' in schema_text("project")
