"""What executors write appears in S3 by the magic committer: no file is copied to its place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.s3a import s3a_jars, s3a_settings
from cloud_etl.engines.spark_manager import SparkManager

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cluster")]


def write_rows(settings: dict, config: dict, url: str, folder: str) -> None:
    spec = EngineSpec(name="spark", master="local[2]", memory="1GB", config=config)
    with SparkManager(spec, 2, Path(folder), settings) as manager:
        rows = manager.session.range(0, 1000, 1, 4).selectExpr("id", "id % 3 AS part")
        rows.write.partitionBy("part").parquet(url.replace("s3://", "s3a://"))
        assert manager.session.read.parquet(url.replace("s3://", "s3a://")).count() == 1000


def test_rows_are_committed_by_the_magic_committer(moto_server, tmp_path):
    url = moto_server.new_url()
    settings = {**s3a_settings(moto_server.spec), **s3a_jars(EngineSpec(name="spark"))}
    # Its own account of the job, which nobody reads in a run.
    config = {"spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": True}
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"from test_committer import write_rows; write_rows({settings!r}, {config!r}, {url!r}, {str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    account = json.loads(moto_server.client().get_object(Bucket=bucket, Key=f"{prefix}/_SUCCESS")["Body"].read())
    assert account["committer"] == "magic"
    listed = moto_server.client().list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert len([item for item in listed if item["Key"].endswith(".parquet")]) == 12
