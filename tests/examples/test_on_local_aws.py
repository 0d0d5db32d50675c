"""Both examples on a local AWS end in the tables they end in on a laptop, compared row by row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from cloud_etl.cli.scaffold import write_example
from cloud_etl.config.config import load_project
from cloud_etl.config.project_files import LOCAL_ENVIRONMENT, LOCAL_ENVIRONMENT_FILE
from cloud_etl.local_aws import environment, resources
from cloud_etl.local_aws.stack import Addresses, LocalAws
from cloud_etl.pipeline.project import Project
from cloud_etl.storage.object_store import ObjectStore

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("local_aws")]
# When a version became valid is the time of the run.
VARYING = ("valid_from", "valid_to")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    stack = LocalAws(tmp_path_factory.mktemp("examples") / "aws")
    try:
        yield stack.up()
    finally:
        stack.down()


@pytest.mark.parametrize("example", ["retail", "flights"])
def test_an_example_ends_in_the_same_rows(
    example: str, addresses: Addresses, tmp_path: Path, load_script: Callable[[Path], ModuleType]
) -> None:
    root, bucket = tmp_path / example, f"{example}-rows"
    write_example(example, root)
    if (root / "prepare.py").exists():
        load_script(root / "prepare.py").prepare(root)
    resources.make_resources(addresses, example, bucket)
    resources.copy_raw_files(load_project(root, None, {}), addresses, bucket)
    settings = environment.environment_of(addresses, bucket)
    environment.write_environment(root / LOCAL_ENVIRONMENT_FILE, LOCAL_ENVIRONMENT, settings)
    reports = [Project.open(root, env=env).run() for env in ("local", LOCAL_ENVIRONMENT)]
    assert [report.exit_code for report in reports] == [0, 0], reports[1].pipelines
    tables = sorted({table.table for one in reports[0].pipelines for table in one.tables})
    assert len(tables) >= 4
    unloaded = _unload(addresses, bucket, tables, tmp_path / "unloaded")
    with duckdb.connect(str(root / "data/warehouse.duckdb"), read_only=True) as warehouse:
        warehouse.create_function("canonical", _canonical, ["VARCHAR"], "VARCHAR")
        for table in tables:
            assert _differing(warehouse, table, unloaded / table) == (0, 0), table


def _unload(addresses: Addresses, bucket: str, tables: list[str], folder: Path) -> Path:
    import redshift_connector

    store = ObjectStore.open(f"s3://{bucket}", resources.s3_spec(addresses), folder)
    with redshift_connector.connect(
        host="127.0.0.1", port=addresses.redshift_port, database=addresses.redshift_database,
        user=addresses.redshift_user, password=addresses.redshift_password, ssl=False,
    ) as connection:  # fmt: skip
        for table in tables:
            target = f"s3://{bucket}/unloaded/{table}/"
            connection.cursor().execute(f"unload ('select * from {table}') to '{target}' iam_role default parquet")
            for info in store.list(f"unloaded/{table}"):
                store.download(store.ref(info), folder / table / info.key.rpartition("/")[2])
    return folder


def _differing(warehouse: duckdb.DuckDBPyConnection, table: str, folder: Path) -> tuple[int, int]:
    """Rows that one side has more often than the other."""
    described = warehouse.execute(f"describe {table}").fetchall()
    columns = ", ".join(_compared(name, kind) for name, kind, *_ in described if name not in VARYING)
    here, there = f"select {columns} from {table}", f"select {columns} from read_parquet('{folder}/*.parquet')"
    count = "select count(*) from (({}) except all ({}))"
    counts = [warehouse.execute(count.format(*pair)).fetchall()[0][0] for pair in ((here, there), (there, here))]
    return counts[0], counts[1]


def _compared(name: str, kind: str) -> str:
    # Redshift's SUPER keeps no blanks, and no order of keys.
    value = f'canonical("{name}"::varchar)' if kind == "JSON" else f'cast("{name}" as {kind})'
    return f'{value} as "{name}"'


def _canonical(text: str) -> str:
    value = json.loads(text)
    # A file's text goes into SUPER as a string, as on Redshift.
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)
