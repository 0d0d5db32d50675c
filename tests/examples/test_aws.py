"""Both examples in S3, and in S3 with Redshift, end in the same tables as on a laptop, row by row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import duckdb
import pytest
import yaml

from cloud_etl.cli.scaffold import write_example
from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.resources import Resources
from cloud_etl.pipeline.project import Project
from cloud_etl.pipeline.wiring import open_loader
from cloud_etl.storage.object_store import ObjectStore

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("aws")]
Load = Callable[[Path], ModuleType]


@pytest.fixture(scope="module", params=["retail", "flights"])
def laptop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, load_script: Load) -> Path:
    """The example's project, run on this machine."""
    folder = tmp_path_factory.mktemp(request.param) / "project"
    write_example(request.param, folder)
    if request.param == "flights":
        load_script(folder / "prepare.py").prepare(folder)
    assert Project.open(folder).run().exit_code == 0
    return folder


def with_environment(folder: Path, name: str, store: str, s3: S3Spec, warehouse: dict[str, object]) -> Project:
    """The project with an environment more, whose store holds its raw files."""
    path = folder / "cloud-etl.yaml"
    document = yaml.safe_load(path.read_text())
    settings = s3.model_dump(exclude_defaults=True)
    secret = settings.pop("secret_access_key").get_secret_value()
    document["environments"][name] = {
        "extends": "local",
        "store": store,
        "s3": {**settings, "secret_access_key": secret},
        "warehouse": {"duckdb": None, "redshift": None, **warehouse},
    }
    path.write_text(yaml.safe_dump(document))
    target = ObjectStore.open(store, s3, folder)
    raw = folder / "data/raw-data"
    for file in sorted(raw.rglob("*")):
        if file.is_file():
            target.upload(file, file.relative_to(folder / "data").as_posix())
    return Project.open(folder, env=name)


def tables_of(project: Project) -> list[str]:
    outputs = [output for pipeline in project.loaded.pipelines.values() for output in pipeline.outputs]
    return [output.load.table for output in outputs if output.load is not None]


def differing(left: Project, right: Project, folder: Path) -> dict[str, int]:
    """Rows that one warehouse has and the other lacks, by table; tables that are the same are left out."""
    found = {}
    for table in tables_of(left):
        with duckdb.connect() as connection:
            connection.create_function("canonical", canonical, ["VARCHAR"], "VARCHAR")
            sides = [rows_of(connection, project, table, folder / f"{number}") for number, project in
                     enumerate((left, right))]  # fmt: skip
            assert connection.execute(f"SELECT count(*) FROM ({sides[0]})").fetchone() != (0,)
            for one, other in (sides, sides[::-1]):
                rows = connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchone()[0]
                if rows:
                    found[table] = found.get(table, 0) + rows
    return found


def canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def rows_of(connection: duckdb.DuckDBPyConnection, project: Project, table: str, folder: Path) -> str:
    """A query for a table's rows, as they should be the same in both.

    The times of versions are those of the run: compared is whether they are there. JSON is compared by its values:
    SUPER does not keep the order of keys.
    """
    with open_loader(project.loaded, Resources(1 << 30, 2), read_only=True) as loader:
        (path,) = loader.export(table, folder / table)
        kinds = {column.name: column.type.kind for column in loader.schema_of(table).columns}
    source = f"FROM read_parquet('{path}')"
    changed = [f"{name} IS NULL AS {name}" for name in ("valid_from", "valid_to") if name in kinds]
    changed += [f"canonical({name}) AS {name}" for name, kind in kinds.items() if kind == "json"]
    replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
    return f"SELECT *{replaced} {source}"


@pytest.mark.parametrize("server", ["moto_server", "seaweed_server"])
def test_a_run_against_s3_gives_the_same_tables_as_against_a_folder(laptop, server, request, tmp_path):
    s3 = request.getfixturevalue(server)
    warehouse = {"duckdb": {"path": str(tmp_path / "s3.duckdb")}}
    project = with_environment(laptop, server, s3.new_url(), s3.spec, warehouse)
    report = project.run()
    assert [pipeline.error for pipeline in report.pipelines] == [None] * len(report.pipelines)
    assert differing(Project.open(laptop, env="local"), project, tmp_path) == {}


def test_a_run_into_redshift_gives_the_same_tables_as_into_duckdb(laptop, redshift_server, moto_server, tmp_path):
    server = redshift_server
    redshift = {
        "host": server.host, "port": server.port, "database": server.database, "user": server.user,
        "auth": {"password": server.password}, "tls": {"ca_file": str(server.certificate_path)},
    }  # fmt: skip
    project = with_environment(
        laptop, "local-redshift", moto_server.new_url(), moto_server.spec, {"redshift": redshift}
    )
    report = project.run()
    assert [pipeline.error for pipeline in report.pipelines] == [None] * len(report.pipelines)
    assert all(pipeline.ledger.reconciles for pipeline in report.pipelines)
    assert differing(Project.open(laptop, env="local"), project, tmp_path) == {}
    again = project.run()
    assert {pipeline.outcome for pipeline in again.pipelines} == {"no_new_files"}
    assert differing(Project.open(laptop, env="local"), project, tmp_path / "again") == {}
