"""The spark engine in a process that spark-submit has started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.integration
SCRIPT = """\
import json, sys
from pathlib import Path
from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_manager import SparkManager

written = {"spark.executor.memory": "9g", "spark.driver.memory": "9g", "spark.sql.codegen.wholeStage": False}
spec = EngineSpec(name="spark", memory="1GB", master="spark://nowhere:7077", config=written)
with SparkManager(spec, 1, Path(sys.argv[1])) as manager:
    names = ("spark.master", "spark.app.name", "spark.executor.memory", "spark.driver.memory",
             "spark.sql.session.timeZone", "spark.sql.ansi.enabled", "spark.sql.codegen.wholeStage")
    found = {name: manager.session.conf.get(name, None) for name in names}
    found["rows"] = manager.session.range(3).count()
print(json.dumps(found))
"""


def test_a_run_that_spark_submit_started_keeps_its_master_and_sizes(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    home = next(iter(find_spec("pyspark").submodule_search_locations))
    command = [f"{home}/bin/spark-submit", "--master", "local[1]", "--name", "mine", "--driver-memory", "512m"]
    command += ["--conf", "spark.executor.memory=600m", "--conf", "spark.ui.enabled=false"]
    environ = {**os.environ, "SPARK_HOME": home, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [*command, str(tmp_path / "script.py"), str(tmp_path)], env=environ, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "spark.master": "local[1]", "spark.app.name": "mine", "spark.executor.memory": "600m",
        "spark.driver.memory": "512m", "spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true",
        "spark.sql.codegen.wholeStage": "false", "rows": 3,
    }  # fmt: skip
