import re
from collections.abc import Mapping
from typing import ClassVar

import pytest
from pydantic import Field

from cloud_etl import backends
from cloud_etl.config.config import load_project
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import LoadSpec, StepSpec
from cloud_etl.errors import ConfigError
from cloud_etl.pipeline.check import check_project
from cloud_etl.transform.port import Step

HEAD = """\
pipeline: sales
source: {path: raw, format: csv}
schema:
  order_id: {type: string}
  amount: {type: "decimal(12,2)"}
  at: {type: timestamp}
"""
OUTPUT = """\
outputs:
  - name: sales_fact
    load: {table: shop.sales_fact}
"""


class Keep(Step):
    """Keeps some columns; none of these is registered before a test asks for it."""

    wrap: ClassVar[str] = "columns"
    columns: tuple[str, ...] = Field(description="Columns.")

    def apply(self, frame, context):
        return frame

    def columns_after(self, columns: Mapping[str, ColumnType | None]):
        known = list(columns)
        for name in self.columns:
            if name not in known:
                raise ValueError(f"there is no column {name!r}{did_you_mean(name, known)}")
        return {name: columns[name] for name in self.columns}


class Make(Step):
    """Makes columns by expressions."""

    wrap: ClassVar[str] = "made"
    made: dict[str, str] = Field(description="Expressions.")

    @property
    def expressions(self):
        return tuple(self.made.values())

    def apply(self, frame, context):
        return frame

    def columns_after(self, columns):
        return {**columns, **dict.fromkeys(self.made)}


class Read(Step):
    """Reads a reference, after which the columns cannot be told."""

    table: str

    @property
    def references(self):
        return (self.table,)

    def apply(self, frame, context):
        return frame

    def columns_after(self, columns):
        return None


@pytest.fixture(autouse=True)
def steps(monkeypatch):
    """The tiny steps in place of the product's."""
    backends.register_families()
    made = {"keep": Keep, "make": Make, "read": Read}
    monkeypatch.setattr(StepSpec, "registry", made)
    for kind, step in made.items():
        monkeypatch.setattr(step, "kind", kind)


@pytest.fixture
def findings(tmp_path, monkeypatch, small_project):
    """Check a project of these pipelines; gives its findings as text."""
    monkeypatch.chdir(tmp_path)

    def findings(*pipelines: str, project: str = small_project) -> list[str]:
        (tmp_path / "cloud-etl.yaml").write_text(project)
        (tmp_path / "pipelines").mkdir(exist_ok=True)
        for number, text in enumerate(pipelines):
            (tmp_path / "pipelines" / f"{number}.yaml").write_text(text)
        loaded = load_project(tmp_path, None, {})
        try:
            check_project(loaded)
        except ConfigError as exc:
            return [str(problem).removeprefix("pipelines/") for problem in exc.problems]
        return []

    return findings


def other(name: str, extra: str = "") -> str:
    return (
        f"pipeline: {name}\nsource: {{path: raw, format: csv}}\nschema: {{id: {{type: integer}}}}\n"
        f"outputs:\n  - name: {name}_out\n    load: {{table: shop.{name}}}\n{extra}"
    )


def test_a_project_that_fits_together_has_no_findings(findings):
    text = HEAD + (
        "transform:\n  - make: {total: amount * 2}\n  - keep: [order_id, total, at]\n"
        "quality:\n  checks:\n    - not_null: {columns: [total]}\n"
        "    - references: {column: order_id, to: shop.a, key: id}\n"
        "outputs:\n  - name: x\n    partition_by: [at]\n    load: {table: s.x, mode: upsert, keys: [order_id]}\n"
        "  - name: y\n    aggregate: {group_by: [at], metrics: {n: count(*), sum: sum(TOTAL)}}\n"
        "    load: {table: s.y, keys: [at], sortkey: [n], distkey: sum}\n"
    )
    assert findings(text, other("a")) == []


@pytest.mark.parametrize("schema", ["temp", "System", "memory", "pg_catalog", "information_schema"])
def test_schemas_that_duckdb_keeps_for_itself_are_refused(findings, schema):
    (problem,) = findings(HEAD + OUTPUT.replace("shop.", f"{schema}."))
    assert f"schema '{schema.lower()}' cannot be used" in problem


@pytest.mark.parametrize("path", ["what?.duckdb", "./a?b=c/w.duckdb"])
def test_a_duckdb_file_with_a_question_mark_in_its_path_is_refused(findings, small_project, path):
    project = re.sub(r"path: [^}\s]+", f'path: "{path}"', small_project)
    assert any("holds a `?` in its path" in problem for problem in findings(HEAD + OUTPUT, project=project))


def test_a_column_that_a_step_took_away_is_missed_later(findings):
    text = HEAD + "transform:\n  - keep: [order_id]\n  - make: {x: amont + 1}\n  - make: {y: x + amount}\n" + OUTPUT
    assert findings(text) == [
        "0.yaml:9: transform[1].make: there is no column 'amont' here; known: order_id, x",
        "0.yaml:10: transform[2].make: there is no column 'amount' here; known: order_id, x, y",
    ]


def test_after_a_step_that_names_a_missing_column_the_rest_is_judged_as_if_it_were_there(findings):
    text = (
        HEAD + "transform:\n  - keep: [order_i, at, amont]\n  - make: {x: order_i}\n  - keep: [order_i, att]\n" + OUTPUT
    )
    assert findings(text) == [
        "0.yaml:8: transform[0].keep: there is no column 'order_i'; did you mean 'order_id'?",
        "0.yaml:8: transform[0].keep: there is no column 'amont'; did you mean 'amount'?",
        "0.yaml:10: transform[2].keep: there is no column 'att'; did you mean 'at'?",
    ]


def test_after_a_step_whose_columns_cannot_be_told_nothing_is_judged(findings):
    text = (
        HEAD
        + "transform:\n  - read: {table: a}\n  - keep: [whatever]\n"
        + OUTPUT.replace("load:", "partition_by: [anything]\n    load:")
    )
    assert findings(text, other("a")) == []


def test_an_expression_that_cannot_be_read_is_told(findings):
    text = HEAD + "transform:\n  - make: {x: amount +}\n" + OUTPUT
    assert findings(text) == [
        "0.yaml:8: transform[0].make: 'amount +' is no Spark SQL expression: it cannot be read at '+', character 8"
    ]


def test_checks_are_judged_by_columns_expressions_and_types(findings):
    text = HEAD + (
        "quality:\n  checks:\n    - not_null: {columns: [order_idd]}\n    - expression: {that: amont > 0}\n"
        "    - range: {column: amount, min: one}\n"
    ) + OUTPUT  # fmt: skip
    found = findings(text)
    assert found[:2] == [
        "0.yaml:9: quality.checks[0].not_null: there is no column 'order_idd' here; did you mean 'order_id'?",
        "0.yaml:10: quality.checks[1].expression: there is no column 'amont' here; did you mean 'amount'?",
    ]
    assert found[2].startswith("0.yaml:11: quality.checks[2].range: ")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("partition_by: [regon]", "partition_by: there is no column 'regon' here"),
        ("partition_by: [at, at]", "partition_by: column 'at' stands here twice"),
        ("columns: [order_id, amout]", "columns: there is no column 'amout' here; did you mean 'amount'?"),
        ("columns: [amount]\n    partition_by: [at]", "partition_by: there is no column 'at' here; known: amount"),
        ("load: {table: s.x, mode: upsert, keys: [id]}", "load.keys: there is no column 'id' here; known: amount"),
        ("load: {table: s.x, distkey: x}", "load.distkey: there is no column 'x' here"),
        ("load: {table: s.x, sortkey: [x]}", "load.sortkey: there is no column 'x' here"),
        ("load: {table: s.x, sortkey: [at, at]}", "load.sortkey: column 'at' stands here twice"),
        ("load: {table: s.x, encode: {x: zstd}}", "load.encode: there is no column 'x' here"),
        ("load: {table: s.x, comments: {x: text}}", "load.comments: there is no column 'x' here"),
        ("aggregate: {group_by: [x], metrics: {n: count(*)}}", "aggregate.group_by: there is no column 'x' here"),
        ("aggregate: {group_by: [at], metrics: {n: sum(x)}}", "aggregate.metrics.n: there is no column 'x' here"),
        ("aggregate: {group_by: [at], metrics: {n: amount}}", "aggregate.metrics.n: 'amount' does not fold rows"),
        (
            "aggregate: {group_by: [at], metrics: {at: count(*)}}",
            "aggregate.metrics.at: the name 'at' is taken already",
        ),
        (
            "columns: [at]\n    aggregate: {group_by: [at], metrics: {n: count(*)}}",
            "columns: an aggregate publishes its",
        ),
        (
            "aggregate: {group_by: [at], metrics: {n: count(*)}}\n"
            "    load: {table: s.x, mode: upsert, keys: [order_id]}",
            "load.keys: there is no column 'order_id' here; known: at, n",
        ),
    ],
)
def test_outputs_name_columns_that_are_there(findings, output, said):
    found = findings(HEAD + f"outputs:\n  - name: x\n    {output}\n")
    assert len(found) == 1
    assert f"outputs[0].{said}" in found[0]


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("expression: {that: \"order_id rlike '(a+)+'\"}", "the pattern '(a+)+' can read one text in ever more ways"),
        ("expression: {that: \"order_id rlike 'a*a*a*a*a*a*b'\"}", "has too many repeats in a row"),
    ],
)
def test_patterns_that_explode_are_refused_wherever_they_stand(findings, check, said):
    found = findings(HEAD + f"quality: {{checks: [{{{check}}}]}}\n" + OUTPUT)
    assert said in found[0]


def test_columns_that_scd2_makes_may_be_laid_out(findings):
    load = "mode: scd2, keys: [order_id], sortkey: [valid_from], encode: {valid_to: raw}, comments: {is_current: now}"
    assert findings(HEAD + OUTPUT.replace("}", f", {load}}}")) == []


def test_scd2_refuses_columns_that_it_makes_itself(findings):
    text = HEAD.replace("  at:", "  valid_from:") + OUTPUT.replace("}", ", mode: scd2, keys: [order_id]}")
    assert findings(text) == [
        "0.yaml:9: outputs[0].load.mode: scd2 makes the column 'valid_from' itself; rename the one that is there"
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("a", None),
        ("a_out", None),
        ("shop.a", None),
        ("reference.countries", None),
        ("b", "there is no pipeline, output or table 'b'; known: "),
        ("a_uot", "there is no pipeline, output or table 'a_uot'; did you mean 'a_out'?"),
        ("shopp.a", "no output loads into table 'shopp.a'; did you mean 'shop.a'?"),
    ],
)
def test_references_lead_to_a_pipeline_an_output_or_a_table(findings, table, said):
    found = findings(HEAD + f"transform:\n  - read: {{table: {table}}}\n" + OUTPUT, other("a"))
    assert [text.split(": ", 2)[2].startswith(said or "") for text in found] == [True] * (said is not None)


def test_a_foreign_key_names_a_column_of_the_output_it_refers_to(findings):
    text = HEAD + "quality:\n  checks:\n    - references: {column: order_id, to: a, key: idd}\n" + OUTPUT
    assert findings(text, other("a")) == [
        "0.yaml:9: quality.checks[0].references: a: there is no column 'idd' here; did you mean 'id'?"
    ]


def test_pipelines_that_read_one_another_are_shown_as_a_circle(findings):
    read = "transform:\n  - read: {{table: {}}}\n"
    found = findings(
        other("a", read.format("b_out")), other("b", read.format("shop.c")), other("c", read.format("a")), other("d")
    )
    assert len(found) == 1
    place, message = found[0].split(": ", 1)
    circle = message.removeprefix("pipelines read one another in a circle: ").split(" -> ")
    assert circle[0] == circle[-1]
    assert [("abc" * 2)["abc".index(name) + 1] for name in circle[:-1]] == circle[1:]
    assert place == f"{'abc'.index(circle[0])}.yaml:8"


def test_a_pipeline_may_read_its_own_table(findings):
    assert findings(other("a", "transform:\n  - read: {table: shop.a}\n")) == []


def test_an_engine_that_is_not_there_is_told_where_it_is_named(findings, small_project):
    text = small_project + "    engine: {name: sial}\n"
    assert findings(other("a"), project=text)[0].startswith(
        "cloud-etl.yaml:6: environments.local.engine.name: there is no engine 'sial'"
    )


@pytest.mark.parametrize(
    ("verify", "said"), [("duckdb", "there is no engine 'duckdb'"), ("sail", "sail is the first engine already")]
)
def test_the_engine_that_verifies_is_another_one_that_is_there(findings, small_project, verify, said):
    text = small_project + f"    engine: {{name: sail, verify: {verify}}}\n"
    [found] = findings(other("a"), project=text)
    assert found.startswith(f"cloud-etl.yaml:6: environments.local.engine.verify: {said}")


def test_redshift_needs_a_store_that_it_can_read(findings, small_project):
    redshift = "{database: dev, host: h, user: u, auth: {password: p}}"
    text = small_project.replace("{duckdb: {path: ./shop.duckdb}}", f"{{redshift: {redshift}}}")
    assert findings(other("a"), project=text) == [
        "cloud-etl.yaml:4: environments.local.store: './data' is no s3:// url, and warehouse.redshift loads by COPY, "
        "which reads S3 only; write s3://bucket or s3://bucket/prefix"
    ]
    assert findings(other("a"), project=text.replace("./data", "s3://bucket/x")) == []
    assert findings(other("a"), project=text.replace("./data", "${env:STORE}")) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("format: csv, csv: {quote: ','}", "csv.quote: delimiter and quote are the same character"),
        ("format: csv, csv: {encoding: utf8x}", "csv.encoding: there is no encoding 'utf8x'; did you mean"),
        ("format: csv, csv: {encoding: rot13}", "csv.encoding: there is no encoding 'rot13'"),
        ("format: json, json: {encoding: latin-9x}", "json.encoding: there is no encoding 'latin-9x'"),
        ("format: json, csv: {header: true}", "csv: the format is json; leave the csv options out"),
        ("format: parquet, json: {}", "json: the format is parquet; leave the json options out"),
        ("format: parquet, compression: gz", "compression: Parquet files hold their compression themselves"),
        ('format: csv, csv: {delimiter: "a\\n"}', "csv.delimiter: a line break cannot be the delimiter"),
        ("format: csv, csv: {comment: ',#'}", "csv.comment: a comment would begin with the delimiter"),
        ("format: csv, csv: {comment: '\"'}", "csv.comment: a comment would begin with the quote"),
        (
            'format: csv, csv: {escape: backslash, quote: "\\\\"}',
            "csv.escape: \\ is the quote already",
        ),
    ],
)
def test_source_options_that_make_no_sense_are_told(findings, source, said):
    found = findings(HEAD.replace("format: csv", source) + OUTPUT)
    assert len(found) == 1
    assert found[0].startswith(f"0.yaml:2: source.{said}")


@pytest.mark.parametrize(
    "source", ["format: csv, csv: {encoding: cp1252}", "format: json, json: {}", "format: parquet"]
)
def test_source_options_that_make_sense_pass(findings, source):
    assert findings(HEAD.replace("format: csv", source) + OUTPUT) == []


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("x: {type: integer, format: '%Y'}", "x.format: a format is for dates and timestamps, the column is integer"),
        ("x: {type: date, format: yyyy-MM-dd}", "x.format: 'yyyy-MM-dd' is no strptime format"),
        ("x: {type: date, format: '%Y-%Q'}", "x.format: '%Q' is no part of a strptime format"),
        ("x: {type: timestamp, format: '%s'}", "x.format: '%s' is no part of a strptime format"),
        ("x: {type: date, format: '%-Y-%m-%d'}", "x.format: '%-Y' is no part of a strptime format"),
        (
            "x: {type: timestamp, zone: Europe/Pari}",
            "x.zone: there is no time zone 'Europe/Pari'; did you mean 'Europe/Par",
        ),
        ("x: {type: timestamp, zone: ../etc}", "x.zone: there is no time zone '../etc'"),
        ("x: {type: integer, too_long: cut}", "x.too_long: too_long is for texts, the column is integer"),
        ("x: {type: json, too_long: cut}", "x.too_long: half a JSON text is none; write reject or fail"),
        ("x: {type: string, zone: UTC}", "x.zone: a zone is for timestamps, the column is string"),
        ("_row_id: {type: string}", "_row_id: the name '_row_id' is kept for lineage"),
        ("Amount: {type: string}", "Amount: columns 'amount' and 'Amount' differ in case only"),
        ("x: {type: string, rename_from: amount}", "x: column 'amount' of the files goes to 'amount' already"),
    ],
)
def test_columns_that_make_no_sense_are_told(findings, column, said):
    found = findings(HEAD + f"  {column}\n" + OUTPUT)
    assert len(found) == 1
    assert found[0].startswith(f"0.yaml:7: schema.{said}")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", "5", "x"), ("integer", "-2147483648", "2147483648"), ("integer", "0", "true"),
        ("bigint", "2147483648", "1.5"),
        ("double", "1e300", "'1'"), ("decimal(5,2)", "999.99", "9999"), ("decimal(5,2)", "'0.10'", "0.123"),
        ("decimal(2,2)", "0", "1"), ("decimal(38,0)", "12345678901234567890123456789012345678", ".nan"),
        ("boolean", "false", "0"), ("string", "'007'", "7"), ("string", "no", "true"),
        ("date", "2024-12-31", "2024-13-31"),
        ("date", "31.12.2024, format: '%d.%m.%Y'", "'12'"), ("timestamp", "'2024-12-31 23:59:59'", "now"),
        ("json", "'{\"a\": 1}'", "'{a'"),
    ],
)  # fmt: skip
def test_a_default_must_fit_its_type(findings, kind, good, bad):
    def column(default: str) -> str:
        return HEAD + f'  x: {{type: "{kind}", default: {default}}}\n' + OUTPUT

    assert findings(column(good)) == []
    found = findings(column(bad))
    assert len(found) == 1
    assert found[0].startswith(f"0.yaml:7: schema.x.default: the default does not fit the type {kind}")


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "transform:\n  - make: {x: sum(amount)}\n" + OUTPUT,
        HEAD + "quality:\n  checks:\n    - expression: {that: sum(amount) > 1}\n" + OUTPUT,
    ],
)
def test_an_expression_of_one_row_may_not_fold_rows(findings, text):
    (finding,) = findings(text)
    assert "folds rows; fold them with aggregate, or write a window: ... over (...)" in finding


def test_a_window_over_the_rows_gives_each_row_its_own(findings):
    assert findings(HEAD + "transform:\n  - make: {x: sum(amount) over (partition by order_id)}\n" + OUTPUT) == []


@pytest.mark.parametrize("table", ["cloud_etl.etl_load_ledger", "CLOUD_ETL.mine"])
def test_tables_of_cloud_etl_itself_are_refused(table):
    with pytest.raises(ValueError, match="holds what cloud-etl itself remembers"):
        LoadSpec(table=table)


@pytest.mark.parametrize("table", ["shop.sales_fact", "Größe.t 1", "s.a-b$c", 's.t"; drop table x'])
def test_odd_names_of_tables_are_names(table):
    assert LoadSpec(table=table).table == table


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("gs://bucket", "'gs://bucket' has the scheme gs://; known are a folder, file:// and s3://"),
        ("s3://", "'s3://' names no bucket; write s3://bucket or s3://bucket/prefix"),
    ],
)
def test_a_store_that_cannot_be_opened_is_a_finding(findings, small_project, store, message):
    project = small_project.replace("store: ./data", f'store: "{store}"')
    assert project != small_project
    assert [one.partition(": ")[2] for one in findings(other("a"), project=project)] == [
        f"environments.local.store: {message}"
    ]


@pytest.mark.parametrize(
    "body",
    [
        "transform:\n  - make: {a: '(select max(value) from text.`/x`)'}\n",
        "quality:\n  checks:\n    - expression: {that: 'amount in (select 1 from json.`/x`)', name: r}\n",
    ],
)
def test_what_reads_files_is_told_unless_an_environment_allows_it(findings, small_project, body):
    [found] = findings(other("a", body))
    assert "is not among the rows of this pipeline" in found
    assert findings(other("a", body), project=small_project + "    engine: {sql_reads: anything}\n") == []


@pytest.mark.parametrize(
    ("format_", "words"),
    [
        ("%Y-%m-%d %H:%M %Z", "names of zones are not taken"),
        ("%H:%M", "has no year"),
        ("%d.%m.", "has no year"),
        ("%Y-%m-%d %I:%M", "%I together with %p"),
        ("%Y-%m-%d %H:%M %p", "%I together with %p"),
        ("%Y-%m-%d %I:%M %p", None),
        ("%-d.%-m.%y", None),
        ("%Y-%j", None),
        ("%Y %H:%M", "does not name one day"),
        ("%Y-%m", "does not name one day"),
        ("%Y-%m-%d %j", "does not name one day"),
        ("%G-%m-%d", "does not name one day"),
        ("%Y-%U-%u", "does not name one day"),
        ("%d.%m.%Y %y", "does not name one day"),
        ("%d.%m.%Y %d", "%d stands twice"),
        ("%Y-%m-%d :%M", "without the larger"),
        ("%Y-%m-%d %H %S", "without the larger"),
        ("%Y-%m-%d.%f", "without the larger"),
        ("%-d%m%Y", "nothing says where the number of %-d ends"),
        ("%c %H", "says the time twice"),
        ("%x %X.%f", None),
        ("%Y-%m-%d %H:%M:%S.%f%g", "says the fraction twice"),
        ("%Y-%m-%d %H:%M:%S.%n", "nanoseconds would be rounded"),
        ("%z %Y%m%d %H%M", "%z can stand at the end"),
        ("%Y-%m-%d %H:%M:%S %z", None),
        ("%a, %d %b %Y %H:%M:%S", None),
    ],
)
def test_a_format_that_accepts_more_than_it_says_is_refused(format_, words):
    from cloud_etl.pipeline.check_source import _format_problem

    found = _format_problem(format_)
    assert found is None if words is None else words in (found or "")
