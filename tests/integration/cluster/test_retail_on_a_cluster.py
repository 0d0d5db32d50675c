"""The retail example on a cluster whose executors share no disk with the driver ends as it does on a laptop."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import duckdb
import pytest

from cloud_etl.cli.scaffold import write_example
from cloud_etl.domain.run import PipelineReport, RunReport
from cloud_etl.pipeline.project import Project

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cluster")]

PIPELINES = ("customer_data", "product_data", "sales_data")
TABLES = ("sales_fact", "daily_sales", "customer_dim", "product_dim")
# When a version became valid is the time of the run.
VARYING = ("valid_from", "valid_to")
REJECT_COLUMNS = (
    "regexp_extract(source_uri, '[^/]*$') AS file, line, byte_position, \"column\", code, message, raw_text, "
    "raw_bytes, stage"
)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunReport]:
    root = tmp_path_factory.mktemp("laptop") / "retail"
    write_example("retail", root)
    return root, Project.open(root, env="local").run()


@pytest.fixture(scope="module")
def cluster(seaweed_server, master, new_far_project):
    project = new_far_project(seaweed_server, master)
    return project, project.report()


def _of(report: RunReport, pipeline: str) -> PipelineReport:
    return next(one for one in report.pipelines if one.pipeline == pipeline)


def _account(report: RunReport, pipeline: str) -> dict[str, object]:
    """A ledger without what names the run and the store."""
    ledger = _of(report, pipeline).ledger
    assert ledger is not None and ledger.reconciles
    files = [
        (file.uri.rsplit("/", 1)[-1], file.size_bytes, file.records_read, file.staged, file.rejected, dict(file.codes))
        for file in ledger.files
    ]
    equations = [(one.name, one.left, one.right, one.terms) for one in ledger.equations()]
    return {
        "files": files, "steps": ledger.steps, "barriers": ledger.barriers, "outputs": ledger.outputs,
        "tables": ledger.tables, "output": ledger.output, "equations": equations,
    }  # fmt: skip


def _same_tables(one: Path, two: Path) -> None:
    with duckdb.connect() as both:
        for name, root in (("one", one), ("two", two)):
            both.execute(f"ATTACH '{root}/data/warehouse.duckdb' AS {name} (READ_ONLY)")
        for table in TABLES:
            kinds = [both.execute(f"DESCRIBE {side}.analytics.{table}").fetchall() for side in ("one", "two")]
            assert kinds[0] == kinds[1]
            names = ", ".join(f'"{name}"' for name, *_ in kinds[0] if name not in VARYING)
            sides = [f"(SELECT {names} FROM {side}.analytics.{table})" for side in ("one", "two")]
            for here, there in (sides, sides[::-1]):
                surplus = both.execute(f"SELECT count(*) FROM (FROM {here} EXCEPT ALL FROM {there})").fetchone()
                assert surplus == (0,), table


def _fetched(project, prefix: str, folder: Path) -> list[Path]:
    paths = []
    for number, info in enumerate(project.store.list(prefix)):
        paths.append(folder / f"{number}.parquet")
        project.store.download(project.store.ref(info), paths[-1])
    return paths


def _rows(columns: str, files: list[Path] | str) -> list[tuple]:
    pattern = files if isinstance(files, str) else [str(path) for path in files]
    with duckdb.connect() as connection:
        return sorted(connection.execute(f"SELECT {columns} FROM read_parquet(?)", [pattern]).fetchall(), key=repr)


def test_the_tables_are_those_of_a_laptop(cluster, laptop):
    _same_tables(cluster[0].root, laptop[0])


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_ledger_is_that_of_a_laptop(cluster, laptop, pipeline):
    assert _account(cluster[1], pipeline) == _account(laptop[1], pipeline)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_score_and_the_profile_are_those_of_a_laptop(cluster, laptop, pipeline):
    there, here = (_of(report, pipeline).quality for report in (cluster[1], laptop[1]))
    assert there is not None and here is not None
    assert (there.score, there.checks, there.warnings) == (here.score, here.checks, here.warnings)
    shapes = [[(c.column, c.type, c.rows, c.nulls, c.minimum, c.maximum) for c in one.profile] for one in (there, here)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_quarantine_is_that_of_a_laptop(cluster, laptop, pipeline, tmp_path):
    there = _rows(REJECT_COLUMNS, _fetched(cluster[0], f"quarantine/{pipeline}", tmp_path))
    assert there == _rows(REJECT_COLUMNS, f"{laptop[0]}/data/quarantine/{pipeline}/*/*.parquet")
    assert there


def test_the_dropped_rows_are_those_of_a_laptop(cluster, laptop, tmp_path):
    there = _rows("_row_id", _fetched(cluster[0], "dropped-rows/sales_data", tmp_path))
    assert there == _rows("_row_id", f"{laptop[0]}/data/dropped-rows/sales_data/**/*.parquet")
    assert there


TOLD = """
import json, sys
from cloud_etl.cli.main import main
from cloud_etl.storage.s3_store import S3Store

moved = {"download": [], "upload": []}
for name, keys in moved.items():
    def told(self, one, other, *rest, honest=getattr(S3Store, name), name=name, keys=keys):
        keys.append(f"{self.url}/{one.key if name == 'download' else other}")
        return honest(self, one, other, *rest)
    setattr(S3Store, name, told)
sys.argv = ["cloud-etl", "run", "--all", "--quiet"]
try:
    main()
finally:
    json.dump(moved, open("moved.json", "w"))
"""


def test_only_small_things_pass_through_the_driver(far_retail, laptop):
    done = far_retail.run(code=TOLD)
    assert done.returncode == 0, done.stderr
    moved = json.loads((far_retail.root / "moved.json").read_text())
    below = {name: {key.removeprefix(f"{far_retail.url}/") for key in keys} for name, keys in moved.items()}
    # What a DuckDB file takes in must be here; that is the warehouse's way, not that of the run.
    assert {key.split("/")[0] for key in below["download"]} == {"processed-data"}
    small = ("probe.parquet", "quality-00000.parquet")
    others = {key for key in below["upload"] if not key.endswith(small) and "/references/" not in key}
    assert others == set()
    _same_tables(far_retail.root, laptop[0])


KILL = """
import os, signal, sys
from cloud_etl.cli.main import main
from cloud_etl.engines.marked_frame import MarkedFrame

honest = MarkedFrame._read_footers

def killed(self, folder, partition_by):
    written = honest(self, folder, partition_by)
    if "/sales_data/" in str(folder) and written.output:
        os.kill(os.getpid(), signal.SIGKILL)
    return written

MarkedFrame._read_footers = killed
sys.argv = ["cloud-etl", "run", "--all", "--quiet"]
main()
"""


def test_after_a_kill_in_the_transform_the_next_run_cleans_up_and_loads_everything_once(far_retail, laptop):
    assert far_retail.run(code=KILL).returncode == -signal.SIGKILL
    left = far_retail.work_keys
    assert any("/work/frame/" in key for key in left)
    assert {key.split("/")[1] for key in left} == {"sales_data"}
    report = far_retail.report()
    assert [(one.pipeline, one.outcome) for one in report.pipelines if one.outcome != "no_new_files"] == [
        ("sales_data", "loaded")
    ]
    assert far_retail.work_keys == []
    _same_tables(far_retail.root, laptop[0])
    assert _account(report, "sales_data") == _account(laptop[1], "sales_data")


def test_nothing_is_left_in_the_work_area(cluster):
    project, _ = cluster
    assert project.work_keys == []
    bucket, _, prefix = project.url.removeprefix("s3://").partition("/")
    listed = project.server.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/.scratch/")
    assert [item["Key"] for item in listed.get("Contents", ())] == []
    assert list(project.driver.glob("cloud-etl-*/run-*")) == []


def test_a_second_run_finds_no_new_files(cluster):
    again = cluster[0].report()
    assert {one.outcome for one in again.pipelines} == {"no_new_files"}
