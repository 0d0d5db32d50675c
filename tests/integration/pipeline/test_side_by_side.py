"""Pipelines side by side leave what they leave one after the other."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import duckdb

from cloud_etl.monitoring import report as reports
from cloud_etl.pipeline.project import Project

PROJECT = """
project: many
environments:
  local:
    store: ./data
    engine: {name: sail, memory: 2GB, cores: 2}
    warehouse: {duckdb: {path: ./data/w.duckdb}}
"""
PIPELINE = """
pipeline: NAME
source: {path: raw-data/NAME/, pattern: "*.csv", format: csv}
schema:
  id: {type: integer, required: true}
  name: {type: string}
transform:
  - deduplicate: {keys: [id]}
  - sql: "SELECT id, name, length(name) AS size, _row_id FROM input"
quality:
  checks:
    - not_null: {columns: [name], on_fail: reject}
CHECK
  fail_when: {rejected_above: "60%"}
outputs:
  - name: out_NAME
    load: {table: t.NAME, mode: upsert, keys: [id]}
"""
# `bad` has too many rejects, and what reads it is skipped.
READS = {"a": "", "b": "a", "bad": "", "c": "bad", "d": "", "e": "b", "f": "c"}


def _project(root: Path) -> Path:
    (root / "pipelines").mkdir(parents=True)
    (root / "cloud-etl.yaml").write_text(PROJECT)
    for name, read in READS.items():
        check = f"    - references: {{column: id, to: {read}, key: id, on_fail: reject}}" if read else ""
        text = re.sub("NAME", name, PIPELINE).replace("CHECK", check)
        (root / f"pipelines/{name}.yaml").write_text(text)
        folder = root / f"data/raw-data/{name}"
        folder.mkdir(parents=True)
        names = [("" if name == "bad" else f"n{number}") for number in range(9)]
        (folder / "x.csv").write_text(
            "id,name\n" + "".join(f"{at},{one}\n" for at, one in enumerate([*names, "z", ""]))
        )
    return root


def _left(root: Path, jobs: int) -> tuple[object, ...]:
    """What a run reports, and the tables and the books of the warehouse, but for ids, times and places."""
    report = Project.open(root).run(jobs=jobs)
    told = json.loads(reports.to_json(report))["pipelines"]
    for one in told:
        assert all((phase["cpu_seconds"] is None) == (jobs > 1) for phase in one["phases"])
        one["phases"] = [phase["phase"] for phase in one["phases"]]
    text = re.sub(r"[0-9a-f]{32}|part-[\w.-]+parquet", "", json.dumps(told).replace(report.run_id, ""))
    text = text.replace(str(root), "")
    with duckdb.connect(str(root / "data/w.duckdb"), read_only=True) as warehouse:
        tables = {
            name: warehouse.execute(f"SELECT * FROM t.{name} ORDER BY id").fetchall()
            for (name,) in warehouse.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name='t'").fetchall()
        }
        books = warehouse.execute(
            "SELECT pipeline, files, json_extract(tables, '$[*].rows_after') FROM cloud_etl.etl_load_ledger ORDER BY 1"
        ).fetchall()
        files = warehouse.execute("SELECT pipeline, size_bytes FROM cloud_etl.etl_loaded_files ORDER BY 1").fetchall()
    return report.exit_code, text, tables, books, files


def test_three_at_once_leave_what_one_at_a_time_leaves(tmp_path: Path) -> None:
    one, three = _left(_project(tmp_path / "one"), 1), _left(_project(tmp_path / "three"), 3)
    assert one == three
    code, text, tables, _, files = one
    assert code == 3
    outcomes = {each["pipeline"]: each["outcome"] for each in json.loads(text)}
    assert outcomes == {
        "a": "loaded", "b": "loaded", "bad": "failed", "c": "skipped", "d": "loaded", "e": "loaded", "f": "skipped",
    }  # fmt: skip
    assert sorted(tables) == ["a", "b", "d", "e"]
    assert [name for name, _ in files] == ["a", "b", "d", "e"]
    log = max((tmp_path / "three/logs").glob("*.log")).read_text()
    lines = [line for line in log.splitlines() if "load.done" in line]
    assert all(any(f"pipeline={name}" in line or f" {name} " in line for name in tables) for line in lines), log


STOPPED = """
import os, signal, sys, threading
from cloud_etl.transform.transformer import DataTransformer
honest, all_there = DataTransformer.run, threading.Barrier(3, timeout=60)
def interrupted(self, spec, batch):
    if all_there.wait() == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    return honest(self, spec, batch)
DataTransformer.run = interrupted
sys.argv = ["cloud-etl", "run", "a", "bad", "d", "--jobs", "3"]
from cloud_etl.cli.main import main
main()
"""


def test_a_signal_ends_all_that_are_under_way(tmp_path: Path) -> None:
    root = _project(tmp_path)
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=120, cwd=root)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert "was interrupted; nothing was loaded" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path for path in (root / "data/.scratch").rglob("*") if path.is_file()] == []
    leases = [json.loads(path.read_text())["released"] for path in (root / "data/leases").iterdir()]
    assert leases == [True] * 3
    assert Project.open(root).run(["a", "d"], jobs=2).exit_code == 0
