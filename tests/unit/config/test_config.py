import pytest

from cloud_etl import backends
from cloud_etl.config.config import DEFAULT, find_project, load_project, survey_project
from cloud_etl.errors import ConfigError, UsageError

ENVIRONMENTS = """\
project: shop
environments:
  local:
    store: ./data
    engine: {name: sail, cores: 2}
    warehouse: {duckdb: {path: ./shop.duckdb}}
  dev:
    extends: local
    store: s3://dev
    s3: {region: eu-west-1}
  prod:
    extends: dev
    engine: {cores: 8}
"""


def lines_of(load, *args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load(*args, **kwargs)
    return str(caught.value).splitlines()


def pipeline(name="sales", output="sales_fact", table="shop.sales_fact"):
    return (
        f"pipeline: {name}\nsource: {{path: raw, format: csv}}\nschema: {{id: {{type: string}}}}\n"
        f"outputs:\n  - name: {output}\n    load: {{table: {table}}}\n"
    )


def test_a_small_project_loads_with_defaults(load):
    loaded = load()
    assert loaded.environment_name == "local"
    assert loaded.environment.engine.name == "sail"
    assert loaded.pipelines["sales"].outputs[0].name == "sales_fact"
    assert loaded.warnings == ()


def test_pipelines_come_in_the_order_of_their_files(load):
    loaded = load(b=pipeline("x", "x", "s.x"), a=pipeline("y", "y", "s.y"))
    assert list(loaded.pipelines) == ["y", "x"]


def test_environments_are_merged_along_extends(load):
    prod = load(ENVIRONMENTS, env="prod").environment
    assert (prod.store, prod.s3.region, prod.engine.name, prod.engine.cores) == ("s3://dev", "eu-west-1", "sail", 8)
    assert prod.warehouse.duckdb.path == "./shop.duckdb"


def test_each_setting_says_where_it_comes_from(load):
    environ = {"CLOUD_ETL__ENVIRONMENTS__PROD__S3__REGION": "us-east-1"}
    loaded = load(ENVIRONMENTS, env="prod", environ=environ)
    origins = {
        key: str(loaded.origin(f"environments.prod.{key}"))
        for key in ("store", "s3.region", "engine.name", "engine.cores", "keep_reports")
    }
    assert origins == {
        "store": "cloud-etl.yaml:9",
        "s3.region": "CLOUD_ETL__ENVIRONMENTS__PROD__S3__REGION",
        "engine.name": "cloud-etl.yaml:5",
        "engine.cores": "cloud-etl.yaml:13",
        "keep_reports": str(DEFAULT),
    }


def test_each_value_of_a_pipeline_knows_its_line(load):
    loaded = load()
    assert str(loaded.place("sales", ("outputs", 0, "load", "keys"))) == "pipelines/sales.yaml:8"


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ({"a": "b", "b": "a"}, "cloud-etl.yaml:3: environments extend one another in a circle: a -> b -> a"),
        ({"a": "a"}, "cloud-etl.yaml:3: environments extend one another in a circle: a -> a"),
        ({"c": "a", "a": "b", "b": "a"}, "cloud-etl.yaml:4: environments extend one another in a circle: a -> b -> a"),
        (
            {"staging": "prod1", "prod": "x"},
            "cloud-etl.yaml:3: environment staging extends 'prod1', which is not there",
        ),
        ({"a": "5"}, "cloud-etl.yaml:3: environments.a.extends: wants the name of an environment, not a number"),
    ],
)
def test_extends_that_lead_nowhere_are_told_with_the_way(load, extends, message):
    text = "project: shop\nenvironments:\n" + "".join(
        f"  {name}: {{extends: {base}}}\n" for name, base in extends.items()
    )
    found = lines_of(load, text)
    assert found[0].startswith(message)


def test_an_unknown_base_has_a_did_you_mean(load):
    text = ENVIRONMENTS.replace("extends: dev", "extends: dve")
    assert lines_of(load, text) == [
        "cloud-etl.yaml:12: environment prod extends 'dve', which is not there; did you mean 'dev'?"
    ]


def test_an_error_in_a_base_is_told_once(load):
    assert lines_of(load, ENVIRONMENTS.replace("cores: 2", "cores: two")) == [
        "cloud-etl.yaml:5: environments.local.engine.cores: wants a whole number, not text"
    ]


def test_a_value_that_stands_too_close_to_its_key_is_not_told(load):
    close = ENVIRONMENTS.replace("{region: eu-west-1}", '{secret_access_key:null "hunter2"}')
    found = "\n".join(lines_of(load, close))
    assert "s3.secret_access_key:...: this key is not known; put a blank between colon and value" in found
    assert "hunter2" not in found


def test_every_finding_in_every_file_is_told_with_its_line(load):
    project = ENVIRONMENTS.replace("store: s3://dev", "stroe: s3://dev")
    broken = (
        "pipeline: sales\nsource: {path: raw, format: csw, csv: {skip_lines: -1, quote: '--'}}\n"
        "schema:\n  a: {type: integr}\n  b: {required: 5}\ntransfrom: []\n"
        "outputs:\n  - load: {table: fact, mode: upsert}\n    name: 7\n"
    )
    assert lines_of(load, project, sales=broken, other="a: [") == [
        "cloud-etl.yaml:9: environments.dev.stroe: this key is not known; did you mean 'store'?",
        "pipelines/other.yaml:1: not valid YAML: expected the node content, but found '<stream end>', "
        "while parsing a flow node of line 1",
        "pipelines/sales.yaml:2: source.format: 'csw' is none of csv, json, parquet; did you mean 'csv'?",
        "pipelines/sales.yaml:2: source.csv.quote: must have at most 1 character",
        "pipelines/sales.yaml:2: source.csv.skip_lines: must be at least 0",
        "pipelines/sales.yaml:4: schema.a.type: unknown type 'integr'; the types are string, integer, bigint, double, "
        "decimal(p,s), boolean, date, timestamp, json",
        "pipelines/sales.yaml:5: schema.b: key 'type' is missing (string, integer, bigint, double, decimal(p,s), "
        "boolean, date, timestamp, json)",
        "pipelines/sales.yaml:5: schema.b.required: wants true or false, not a number",
        "pipelines/sales.yaml:6: transfrom: this key is not known; did you mean 'transform'?",
        "pipelines/sales.yaml:8: outputs[0].load.table: write the table as schema.table",
        "pipelines/sales.yaml:9: outputs[0].name: wants text, not a number; put it in quotes",
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("rename_from: 5", "schema.a.rename_from: wants text or a list of texts, not a number"),
        ("rename_from: [1]", "schema.a.rename_from[0]: wants text, not a number"),
        ("default: [1]", "schema.a.default: wants text, a number or true or false, not a list"),
        ("default: {}", "schema.a.default: wants text, a number or true or false, not keys with values"),
        ("format:", None),
        ("zone:", "schema.a.zone: wants text, not an empty value"),
    ],
)
def test_wrong_types_name_what_is_wanted_and_what_is_given(load, written, said):
    text = pipeline().replace("{id: {type: string}}", f"{{a: {{type: string, {written}}}}}")
    if said is None:
        load(sales=text)
    else:
        found = lines_of(load, sales=text)
        assert found[0].startswith(f"pipelines/sales.yaml:3: {said.split(':')[0].split('[')[0]}")
        assert said.split(": ", 1)[1] in found[0] or "rename_from" in said


def test_true_is_no_number(load):
    text = pipeline().replace("format: csv", "format: csv, csv: {skip_lines: true}")
    assert lines_of(load, ENVIRONMENTS.replace("cores: 8", "cores: false"), sales=text) == [
        "cloud-etl.yaml:13: environments.prod.engine.cores: wants a whole number, not true or false",
        "cloud-etl.yaml:13: environments.prod.engine.cores: must be at least 1",
        "pipelines/sales.yaml:2: source.csv.skip_lines: wants a whole number, not true or false",
    ]


def test_an_unknown_step_has_a_did_you_mean_with_the_line_of_the_entry(load):
    text = (
        pipeline() + "quality:\n  checks:\n    - not_nul: {columns: [id]}\n    - range: {colum: id, min: 1}\n    - 5\n"
    )
    found = lines_of(load, sales=text)
    assert found[0] == "pipelines/sales.yaml:9: quality.checks[0]: unknown check 'not_nul'; did you mean 'not_null'?"
    assert (
        "pipelines/sales.yaml:10: quality.checks[1].range.colum: this key is not known; did you mean 'column'?" in found
    )
    assert found[-1].startswith("pipelines/sales.yaml:11: quality.checks[2]: write one of ")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            {"output": "a", "table": "s.a"},
            {"output": "b", "table": "s.b"},
            "pipelines/b.yaml:1: pipeline 'sales' is taken already: pipelines/a.yaml:1",
        ),
        (
            {"name": "p", "table": "s.a"},
            {"name": "q", "table": "s.b"},
            "pipelines/b.yaml:5: output 'sales_fact' is taken already: pipelines/a.yaml:5",
        ),
        (
            {"name": "p", "output": "a"},
            {"name": "q", "output": "b", "table": "Shop.Sales_Fact"},
            "pipelines/b.yaml:6: table 'Shop.Sales_Fact' is taken already: pipelines/a.yaml:6",
        ),
    ],
)
def test_names_that_two_pipelines_share_are_told_with_both_places(load, first, second, message):
    assert lines_of(load, a=pipeline(**first), b=pipeline(**second)) == [message]


def test_a_variable_overrides_a_value_and_environments_that_extend_it_inherit_it(load):
    environ = {
        "CLOUD_ETL__ENVIRONMENTS__LOCAL__STORE": "./elsewhere",
        "CLOUD_ETL__environments__Local__Engine": "{memory: 3GB}",
        "CLOUD_ETL__ENVIRONMENTS__LOCAL__KEEP_REPORTS": "7",
        "CLOUD_ETL__PIPELINES__SALES__NEW_COLUMNS": "ignore",
        "CLOUD_ETL__PIPELINES__SALES__SOURCE__CSV__NULL_WORDS": "['', NA]",
    }
    loaded = load(ENVIRONMENTS, env="dev", environ=environ)
    local, dev = loaded.spec.environments["local"], loaded.environment
    assert local.store == "./elsewhere"
    assert (dev.store, dev.keep_reports) == ("s3://dev", 7)
    assert (dev.engine.memory, dev.engine.cores) == ("3GB", 2)
    assert loaded.pipelines["sales"].new_columns == "ignore"
    assert loaded.pipelines["sales"].source.csv.null_words == ("", "NA")
    assert str(loaded.place("sales", ("new_columns",))) == "CLOUD_ETL__PIPELINES__SALES__NEW_COLUMNS"


@pytest.mark.parametrize("text", ["123", "true", "{a", "'x", "*x", "a: b", "null and void"])
def test_a_variable_for_a_text_is_taken_as_it_stands(load, text):
    loaded = load(environ={"CLOUD_ETL__ENVIRONMENTS__LOCAL__S3__SECRET_ACCESS_KEY": text})
    assert loaded.environment.s3.secret_access_key.get_secret_value() == text


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ENVIRONMENTS__LOCAL__ENGIN__CORES", "1", "environments.local has no key 'engin'; did you mean 'engine'?"),
        ("ENVIRONMENTS__LOCL__STORE", "x", "environments has no key 'locl'; did you mean 'local'?"),
        ("PROJET", "x", "the project has no key 'projet'; did you mean 'project'?"),
        ("ENVIRONMENTS__LOCAL__STORE__X", "x", "environments.local.store has no keys; set it as a whole"),
        (
            "ENVIRONMENTS__LOCAL__ENGINE__CORES",
            "many",
            "environments.local.engine.cores: wants a whole number, not text",
        ),
        (
            "ENVIRONMENTS__LOCAL__ENGINE",
            "{cores: [",
            "not valid YAML: expected the node content, but found '<stream end>', ",
        ),
        (
            "PIPELINES__SALS__NEW_COLUMNS",
            "x",
            "name a pipeline and a key: CLOUD_ETL__PIPELINES__<PIPELINE>__<KEY>; did",
        ),
        ("PIPELINES__SALES__OUTPUTS__0", "x", "outputs has no keys; set it as a whole"),
        ("PIPELINES", "x", "name a pipeline and a key"),
        ("", "x", "the project has no key ''"),
    ],
)
def test_a_variable_that_leads_nowhere_is_named(load, variable, value, message):
    found = lines_of(load, environ={f"CLOUD_ETL__{variable}": value})
    assert found[0].startswith(f"CLOUD_ETL__{variable}: {message}")


def test_the_environment_is_chosen_by_option_then_variable_then_file(load):
    environ = {"CLOUD_ETL_ENV": "dev"}
    text = ENVIRONMENTS + "default_environment: prod\n"
    assert load(text, env="local", environ=environ).environment_name == "local"
    assert load(text, environ=environ).environment_name == "dev"
    assert load(text).environment_name == "prod"


def test_an_environment_that_is_not_there_is_told_by_who_named_it(load):
    with pytest.raises(UsageError, match="there is no environment 'prd'; did you mean 'prod'"):
        load(ENVIRONMENTS, env="prd")
    assert lines_of(load, ENVIRONMENTS, environ={"CLOUD_ETL_ENV": "prd"})[0].startswith("CLOUD_ETL_ENV: there is no")
    assert lines_of(load, ENVIRONMENTS + "default_environment: prd\n")[0].startswith("cloud-etl.yaml:14: there is no")


def test_the_project_is_found_from_a_folder_inside_it(write):
    root = write()
    assert find_project(root / "pipelines") == root
    assert find_project(root) == root


def test_no_project_says_how_to_begin_one(tmp_path):
    with pytest.raises(UsageError, match="cloud-etl init"):
        find_project(tmp_path)


def test_a_project_without_pipelines_or_file_is_refused(write, tmp_path):
    root = write()
    (root / "pipelines" / "sales.yaml").unlink()
    with pytest.raises(ConfigError, match=r"^cloud-etl.yaml:1: no pipelines"):
        load_project(root, None, {})
    (root / "cloud-etl.yaml").unlink()
    with pytest.raises(ConfigError, match=r"cloud-etl.yaml:1: the file cannot be read"):
        load_project(root, None, {})


def test_pipeline_files_in_subfolders_are_warned_about(write):
    root = write()
    (root / "pipelines" / "old").mkdir()
    (root / "pipelines" / "old" / "x.yaml").write_text("a: 1")
    assert [str(warning) for warning in load_project(root, None, {}).warnings] == [
        "pipelines/old/x.yaml: not read: pipeline files stand in pipelines/ itself"
    ]


def test_values_of_secret_settings_are_not_in_errors_nor_in_reprs(load):
    text = ENVIRONMENTS.replace("region: eu-west-1", "secret_access_key: [hunter2], region: eu-west-1")
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert "wants text, not a list" in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)
    loaded = load(ENVIRONMENTS.replace("region: eu-west-1", "secret_access_key: hunter2"))
    assert "hunter2" not in repr(loaded)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{id: {type: string}}", "{id: {type: int}}", "3: schema.id.type: unknown type 'int'; did you mean 'integer'?"),
        ("{id: {type: string}}", "{id: {type: decimal(12,2)}}", "3: schema.id.type: unknown type 'decimal(12'; "
         'put it in quotes, "decimal(12,2)": between { and } a comma begins a new key'),
        ("outputs:", "quality: {fail_when: {rejected_above: many}}\noutputs:", "4: quality.fail_when.rejected_above: "
         "write a number of records such as 100, or a share such as 5%"),
        ("outputs:", "transform: [python: tidy]\noutputs:",
         "4: transform[0].python: 'tidy' has the wrong form; write it like cleaning:tidy"),
    ],
)  # fmt: skip
def test_common_slips_are_told_with_what_to_write_instead(load, old, new, said):
    backends.register_families()
    assert f"pipelines/sales.yaml:{said}" in lines_of(load, sales=pipeline().replace(old, new, 1))


def test_a_size_of_memory_is_told_with_an_example(load):
    project = ENVIRONMENTS.replace("cores: 2", "memory: lots")
    assert lines_of(load, project) == [
        "cloud-etl.yaml:5: environments.local.engine.memory: 'lots' has the wrong form; write it like 512MB or 2GB"
    ]


ONE = """\
pipeline: sales
source: {path: raw/sales, pattern: "*.csv", format: csv}
schema:
  order_id: {type: string, required: true}
  amount: {type: "decimal(12,2)"}
outputs:
  - name: sales_fact
    load: {table: shop.sales_fact, mode: upsert, keys: [order_id]}
"""


def test_a_fault_in_another_environment_stops_nothing_but_validate(write) -> None:
    root = write(ENVIRONMENTS.replace("store: s3://dev", "stroe: s3://dev"))
    assert load_project(root, "local", {}).environment_name == "local"
    found = survey_project(root, "local", {})
    assert not found.stops and [problem.message for problem in found.problems]
    with pytest.raises(ConfigError, match="did you mean 'store'"):
        load_project(root, "dev", {})


def test_the_only_environment_needs_no_name(write) -> None:
    settings = "    store: ./data\n    warehouse: {duckdb: {path: w.duckdb}}\n"
    root = write(f"project: shop\nenvironments:\n  night:\n{settings}")
    assert load_project(root, None, {}).environment_name == "night"


def test_a_column_may_be_written_as_its_type(load, small_project) -> None:
    short = ONE.replace('amount: {type: "decimal(12,2)"}', 'amount: "decimal(12,2)"')
    assert load(small_project, sales=short).pipelines == load(small_project, sales=ONE).pipelines
    wrong = short.replace('"decimal(12,2)"', "decimal")
    with pytest.raises(ConfigError, match=r"sales.yaml:5: schema.amount: unknown type 'decimal'"):
        load(small_project, sales=wrong)


def test_what_wants_keys_names_them_with_an_example(load, small_project) -> None:
    wrong = ONE.replace('source: {path: raw/sales, pattern: "*.csv", format: csv}', "source: raw/sales")
    with pytest.raises(
        ConfigError, match=r"source: wants keys with values \(path, format, .*\{path: text, format: csv\}"
    ):
        load(small_project, sales=wrong)


def test_what_is_off_in_a_pipeline_does_not_hide_the_rest_of_it(write, small_project) -> None:
    steps = "transform:\n  - fill_nulls: {amount: [1]}\n  - drop_nulls: [order_id]\n"
    found = survey_project(write(small_project, sales=ONE + steps + "new_colums: ignore\n"), None, {})
    assert found.damaged == {"sales"} and len(found.problems) == 2
    unknown, known = found.loaded.pipelines["sales"].transform
    assert (unknown.kind, known.kind) == ("", "drop_nulls")


def test_names_in_a_file_that_cannot_be_judged_are_known(write, small_project) -> None:
    broken = ONE.replace("source:", "sorce:")
    found = survey_project(write(small_project, sales=broken), None, {})
    assert {"sales", "sales_fact", "shop.sales_fact"} <= found.unread
