from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from cloud_etl.cli.scaffold import write_example
from cloud_etl.domain.run import RunReport
from cloud_etl.pipeline.project import Project

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
Load = Callable[[Path], ModuleType]
# One run serves all tests of this module: they stay in one worker.
pytestmark = pytest.mark.xdist_group("flights")
# With all other tests on Spark, so that they share a JVM.
ON_SPARK = pytest.param("spark", marks=pytest.mark.xdist_group("spark"))
SUMMARY = json.loads((FLIGHTS / "expected" / "summary.json").read_text())
TABLES = ("airlines_dim", "airports_dim", "planes_dim", "weather_fact", "flights_fact", "daily_flights")


@pytest.fixture(scope="module", params=["sail", ON_SPARK])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(engine: str, tmp_path_factory: pytest.TempPathFactory, load_script: Load) -> Path:
    folder = tmp_path_factory.mktemp("flights") / "project"
    write_example("flights", folder)
    load_script(folder / "prepare.py").prepare(folder)
    return folder


@pytest.fixture(scope="module")
def run(project: Path, engine: str) -> RunReport:
    return Project.open(project, env="local").with_engine(engine).run()


@pytest.fixture(scope="module")
def expected(load_script: Load) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as connection:
        load_script(FLIGHTS / "expected.py").expected_tables(connection)
        yield connection


@pytest.fixture(scope="module")
def both(run: RunReport, project: Path, expected: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    expected.execute(f"ATTACH '{project / 'data/warehouse.duckdb'}' AS warehouse (READ_ONLY)")
    yield expected
    expected.execute("DETACH warehouse")


def test_the_published_figures_are_those_of_the_package(expected: duckdb.DuckDBPyConnection, load_script: Load) -> None:
    assert load_script(FLIGHTS / "expected.py").summary(expected) == SUMMARY


def test_the_run_ends_well_with_everything_loaded(run: RunReport) -> None:
    assert run.exit_code == 0, [report.error for report in run.pipelines]
    assert {report.outcome for report in run.pipelines} == {"loaded"}
    assert [report.pipeline for report in run.pipelines][-1] == "flights"


@pytest.mark.parametrize("table", TABLES)
def test_a_table_holds_exactly_the_rows_of_the_package(both: duckdb.DuckDBPyConnection, table: str) -> None:
    columns = [name for name, *_ in both.execute(f"DESCRIBE {table}").fetchall()]
    assert columns == [name for name, *_ in both.execute(f"DESCRIBE warehouse.analytics.{table}").fetchall()]
    ours, theirs = f"FROM warehouse.analytics.{table}", f"FROM {table}"
    for left, right in ((ours, theirs), (theirs, ours)):
        assert both.execute(f"SELECT count(*) FROM ({left} EXCEPT ALL {right})").fetchall() == [(0,)]
    assert both.execute(f"SELECT count(*) {ours}").fetchall() == [(SUMMARY[f"rows_{table}"],)]


def test_no_record_is_rejected_and_every_ledger_reconciles(run: RunReport) -> None:
    for report in run.pipelines:
        assert report.ledger is not None and report.ledger.reconciles
        assert report.ledger.records_read == report.ledger.output


def test_the_real_gaps_are_counted_as_warnings(run: RunReport) -> None:
    quality = run.pipelines[-1].quality
    assert quality is not None
    failed = {check.name: check.rows_failed for check in quality.checks if not check.passed}
    assert failed == {
        "references.dest": SUMMARY["unknown_dest"],
        "references.tailnum": SUMMARY["unknown_tailnum"],
        "references.origin+time_hour": SUMMARY["without_weather"],
    }
