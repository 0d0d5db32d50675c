from __future__ import annotations

import ast
import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cloud_etl.cli.scaffold import write_example
from cloud_etl.domain.run import PipelineReport, RunReport
from cloud_etl.pipeline.project import Project

RETAIL = Path(__file__).parents[2] / "examples" / "retail"
EXPECTED = RETAIL / "expected"
LEDGERS = json.loads((EXPECTED / "ledger.json").read_text("utf-8"))
TABLES = ("sales_fact", "daily_sales", "customer_dim", "product_dim")
PIPELINES = tuple(LEDGERS)
NULL = "\\N"
# One run serves all tests of this module: they stay in one worker.
pytestmark = pytest.mark.xdist_group("retail")
# With all other tests on Spark, so that they share a JVM.
ON_SPARK = pytest.param("spark", marks=pytest.mark.xdist_group("spark"))


@pytest.fixture(scope="module", params=["sail", ON_SPARK])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retail") / "project"
    write_example("retail", folder)
    return folder


@pytest.fixture(scope="module")
def run(project: Path, engine: str) -> RunReport:
    return Project.open(project, env="local").with_engine(engine).run()


def _pipeline(run: RunReport, name: str) -> PipelineReport:
    return next(report for report in run.pipelines if report.pipeline == name)


def _read_csv(name: str) -> tuple[list[str], list[list[str]]]:
    with (EXPECTED / name).open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    return header, rows


def _cell(value: object, kind: str) -> str:
    if value is None:
        return NULL
    if kind == "JSON":
        return json.dumps(json.loads(str(value)), ensure_ascii=False, sort_keys=True)
    return str(value)


def _table(project: Path, name: str, columns: list[str]) -> list[list[str]]:
    with duckdb.connect(str(project / "data/warehouse.duckdb"), read_only=True) as connection:
        described = connection.execute(f"DESCRIBE analytics.{name}").fetchall()
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM analytics.{name}").fetchall()
    kinds = {column: str(kind) for column, kind, *_ in described}
    assert set(kinds) - set(columns) <= {"valid_from", "valid_to", "is_current"}
    return sorted([_cell(value, kinds[column]) for value, column in zip(row, columns, strict=True)] for row in rows)


def test_pipelines_run_after_those_they_refer_to(run: RunReport) -> None:
    order = [report.pipeline for report in run.pipelines]
    assert sorted(order) == sorted(PIPELINES)
    assert order[-1] == "sales_data"


def test_the_run_ends_well_with_everything_loaded(run: RunReport) -> None:
    assert run.exit_code == 0, [report.error for report in run.pipelines]
    assert {report.outcome for report in run.pipelines} == {"loaded"}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_holds_exactly_the_expected_rows(run: RunReport, project: Path, table: str) -> None:
    columns, rows = _read_csv(f"{table}.csv")
    assert _table(project, table, columns) == rows


def test_all_customers_are_current_after_the_first_load(run: RunReport, project: Path) -> None:
    with duckdb.connect(str(project / "data/warehouse.duckdb"), read_only=True) as connection:
        current = "is_current AND valid_to IS NULL AND valid_from IS NOT NULL"
        rows = connection.execute(f"SELECT count(*) FROM analytics.customer_dim WHERE {current}").fetchall()
        assert rows == [(LEDGERS["customer_data"]["output"],)]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_ledger_counts_every_record_of_every_file(run: RunReport, pipeline: str) -> None:
    ledger = _pipeline(run, pipeline).ledger
    assert ledger is not None
    counted = {
        file.uri.rsplit("/", 1)[-1]: {
            "records_read": file.records_read, "staged": file.staged, "rejected": file.rejected,
            "codes": dict(sorted(file.codes.items())),
        }
        for file in ledger.files
    }  # fmt: skip
    assert counted == LEDGERS[pipeline]["files"]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_ledger_says_why_rows_went(run: RunReport, pipeline: str) -> None:
    ledger, expected = _pipeline(run, pipeline).ledger, LEDGERS[pipeline]
    assert ledger is not None and ledger.reconciles
    fates = Counter[str]()
    for step in ledger.steps:
        fates[step.status] += step.rows
    wanted = Counter[str]()
    for fate, rows in expected["fates"].items():
        wanted[fate.split(":")[0]] += rows
    assert +fates == +wanted
    rejected = {
        f"rejected: {step.reason}": step.rows for step in ledger.steps if step.status == "rejected" and step.rows
    }
    assert rejected == {fate: rows for fate, rows in expected["fates"].items() if fate.startswith("rejected") and rows}
    assert (ledger.staged_footers, ledger.output) == (expected["staged"], expected["output"])


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_ledger_counts_the_rows_of_every_table(run: RunReport, pipeline: str) -> None:
    tables = {table.table: table.rows_after for table in _pipeline(run, pipeline).tables}
    assert tables == LEDGERS[pipeline]["tables"]


def _rejects(project: Path, pipeline: str) -> list[dict[str, Any]]:
    files = f"{project}/data/quarantine/{pipeline}/*/*.parquet"
    query = f"SELECT source_uri, line, stage, code, raw_text, raw_bytes FROM '{files}'"
    with duckdb.connect() as connection:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _expected_rejects(pipeline: str) -> list[dict[str, str]]:
    header, rows = _read_csv("rejects.csv")
    return [
        reject for reject in (dict(zip(header, row, strict=True)) for row in rows) if reject["pipeline"] == pipeline
    ]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_reject_is_in_quarantine_with_file_line_and_code(run: RunReport, project: Path, pipeline: str) -> None:
    found = [
        (r["source_uri"].rsplit("/", 1)[-1], r["line"], r["stage"], r["code"]) for r in _rejects(project, pipeline)
    ]
    wanted = [(r["file"], int(r["line"]), r["stage"], r["code"]) for r in _expected_rejects(pipeline)]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("pipeline", ["sales_data", "customer_data"])
def test_the_raw_text_of_a_reject_is_kept_byte_for_byte(run: RunReport, project: Path, pipeline: str) -> None:
    found = {
        (r["source_uri"].rsplit("/", 1)[-1], r["line"]): r["raw_bytes"] or r["raw_text"].encode()
        for r in _rejects(project, pipeline)
        if r["stage"] == "reader"
    }
    wanted = {
        (r["file"], int(r["line"])): ast.literal_eval(r["raw"])
        for r in _expected_rejects(pipeline)
        if r["stage"] == "reader"
    }
    assert {place: raw.rstrip(b"\r\n") for place, raw in found.items()} == wanted


def test_a_second_run_finds_no_new_files_and_changes_nothing(run: RunReport, project: Path) -> None:
    columns, rows = _read_csv("sales_fact.csv")
    again = Project.open(project, env="local").run()
    assert again.exit_code == 0
    assert {report.outcome for report in again.pipelines} == {"no_new_files"}
    assert _table(project, "sales_fact", columns) == rows


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(RETAIL)!r}); import make_data, pathlib; make_data.make(pathlib.Path('.'))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    committed = {path: (RETAIL / path).read_bytes() for path in written}
    assert written == committed


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_readme_states_the_counts_of_the_ledger(pipeline: str) -> None:
    ledger, readme = LEDGERS[pipeline], (RETAIL / "README.md").read_text("utf-8")
    read = sum(file["records_read"] for file in ledger["files"].values())
    by_checks = sum(rows for fate, rows in ledger["fates"].items() if fate.startswith("rejected"))
    counts = f"| {len(ledger['files'])} | {read:,} | {ledger['staged']:,} | {read - ledger['staged']} | {by_checks} |"
    tables = ", ".join(f"{table.split('.')[1]} {rows:,}" for table, rows in ledger["tables"].items())
    assert f"| {pipeline} {counts} {tables} |" in readme
    for check in ("references.customer_id", "references.product_id"):
        rows = LEDGERS["sales_data"]["fates"][f"rejected: {check}"]
        assert f"| {rows} | rejected: `{check}` |" in readme
