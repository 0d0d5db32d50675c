"""The same run through Spark Connect, and into a warehouse that reads S3 itself."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cluster")]

ROWS = {
    "analytics.sales_fact": 2737, "analytics.daily_sales": 15, "analytics.customer_dim": 385,
    "analytics.product_dim": 144,
}  # fmt: skip
TOLD = """
import json, sys
from cloud_etl.cli.main import main
from cloud_etl.storage.s3_store import S3Store

keys, honest = [], S3Store.download

def told(self, ref, *rest):
    keys.append(ref.uri)
    return honest(self, ref, *rest)

S3Store.download = told
sys.argv = ["cloud-etl", "run", "--all", "--quiet"]
try:
    main()
finally:
    json.dump(keys, open("downloaded.json", "w"))
"""


def loaded(report) -> dict[str, int]:
    return {table.table: table.rows_after for one in report.pipelines for table in one.tables}


def test_a_run_through_spark_connect_loads_the_same_rows(seaweed_server, connect_server, new_far_project):
    project = new_far_project(seaweed_server, connect_server)
    report = project.report()
    assert loaded(report) == ROWS
    assert all(one.ledger is not None and one.ledger.reconciles for one in report.pipelines)
    assert project.work_keys == []


def test_redshift_copies_what_the_executors_published_and_the_driver_downloads_nothing(
    moto_server, redshift_server, master, new_far_project
):
    project = new_far_project(moto_server, master)
    server = {
        "host": redshift_server.host, "port": redshift_server.port, "database": redshift_server.database,
        "user": redshift_server.user, "auth": {"password": redshift_server.password},
        "tls": {"ca_file": str(redshift_server.certificate_path)},
    }  # fmt: skip
    project.environment(warehouse={"redshift": server})
    done = project.run(code=TOLD)
    assert done.returncode == 0, done.stderr
    assert json.loads((project.root / "downloaded.json").read_text()) == []
    reports = [info.key for info in project.store.list("runs") if info.key.endswith("/report.json")]
    body = json.loads(project.store.read(reports[0]))
    assert {table["table"]: table["rows_after"] for one in body["pipelines"] for table in one["tables"]} == ROWS
    assert all(one["ledger"]["reconciles"] for one in body["pipelines"])
