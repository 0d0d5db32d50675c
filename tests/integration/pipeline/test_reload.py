"""Files that are read again: the tables end as those of one run over all files, whatever is killed on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from cloud_etl.pipeline.project import Project

PROJECT = """
project: again
environments:
  local:
    store: ./data
    engine: {name: sail, memory: 1GB}
    warehouse: {duckdb: {path: ./data/w.duckdb}}
"""
PIPELINE = """
pipeline: sales
source: {path: raw-data/sales/, pattern: "*.csv", format: csv}
schema:
  id: {type: integer, required: true}
  kind: {type: string}
transform:
  - filter: {kept: "id > LEAST"}
outputs:
  - name: lines
    load: {table: t.lines, mode: append}
  - name: last
    load: {table: t.last, mode: upsert, keys: [id]}
  - name: kinds
    aggregate: {group_by: [kind], metrics: {n: "count(*)"}}
    load: {table: t.kinds, mode: upsert, keys: [kind]}
"""
FILES = {"a.csv": "id,kind\n1,x\n2,x\n3,y\n", "b.csv": "id,kind\n4,x\n5,z\n"}
TABLES = ("lines", "last", "kinds")


def _write(root: Path, least: int, mode: str = "") -> None:
    (root / "pipelines").mkdir(parents=True, exist_ok=True)
    (root / "cloud-etl.yaml").write_text(PROJECT)
    text = PIPELINE.replace("LEAST", str(least))
    (root / "pipelines/sales.yaml").write_text(text.replace("mode: append", mode) if mode else text)


def _put(root: Path, name: str, text: str) -> None:
    folder = root / "data/raw-data/sales"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def _loaded(root: Path) -> Project:
    """The files came one after the other, under a filter that was wrong."""
    _write(root, 0)
    for name, text in FILES.items():
        _put(root, name, text)
        assert Project.open(root).run().exit_code == 0
    _write(root, 2)
    return Project.open(root)


def _left(root: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(root / "data/w.duckdb"), read_only=True) as warehouse:
        return {name: warehouse.execute(f"SELECT * FROM t.{name} ORDER BY ALL").fetchall() for name in TABLES}


def _published(root: Path, output: str) -> int:
    manifests = (root / "data/processed-data").glob(f"{output}_*/run_*/manifest.json")
    return sum(json.loads(path.read_text())["cloud_etl"]["rows"] for path in manifests)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, list[tuple[object, ...]]]:
    """The tables of one run over all files, under the filter that is right."""
    root = tmp_path / "once"
    _write(root, 2)
    for name, text in FILES.items():
        _put(root, name, text)
    assert Project.open(root).run().exit_code == 0
    return _left(root)


def test_a_reload_leaves_what_one_run_over_all_files_leaves(
    tmp_path: Path, expected: dict[str, list[tuple[object, ...]]]
) -> None:
    root = tmp_path / "again"
    project = _loaded(root)
    assert project.run().pipelines[0].outcome == "no_new_files"
    for _ in range(2):
        report = project.with_files(reload=True).run()
        assert report.exit_code == 0, report.pipelines[0].error
        assert report.pipelines[0].ledger is not None
        assert report.pipelines[0].ledger.reconciles
        assert _left(root) == expected
        assert [_published(root, name) for name in TABLES] == [len(expected[name]) for name in TABLES]
    assert project.run().pipelines[0].outcome == "no_new_files"
    _put(root, "c.csv", "id,kind\n9,z\n")
    assert project.run().pipelines[0].outcome == "loaded"
    assert _left(root)["lines"] == [*expected["lines"], (9, "z")]


def test_what_a_reload_could_not_leave_right_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    project = _loaded(tmp_path)
    before = _left(tmp_path)

    def refused(*words: str) -> str:
        [report] = project.with_files(*words, reload=True).run().pipelines
        assert report.outcome == "failed"
        assert _left(tmp_path) == before
        return str(report.error)

    assert "Missing: raw-data/sales/b.csv: not chosen" in refused("a.csv")
    assert "names no file" in refused("c.csv")
    with duckdb.connect(str(tmp_path / "data/w.duckdb")) as warehouse:
        warehouse.execute("INSERT INTO t.lines VALUES (77, 'by hand')")
    before = _left(tmp_path)
    assert "t.lines holds 6 rows, and the last load left 5: somebody else writes to it" in refused()
    with duckdb.connect(str(tmp_path / "data/w.duckdb")) as warehouse:
        warehouse.execute("DELETE FROM t.lines WHERE id = 77")
    before = _left(tmp_path)
    _put(tmp_path, "b.csv", "id,kind\n6,x\n")
    assert "changed since" in refused()
    assert project.run().exit_code == 0
    before = _left(tmp_path)
    assert "had another content before" in refused()
    _write(tmp_path, 2, "mode: scd2, keys: [id]")
    project = Project.open(tmp_path)
    assert "the versions of an scd2 table begin when they were loaded" in refused()


def test_where_each_batch_is_the_whole_table_some_files_will_do(tmp_path: Path) -> None:
    _write(tmp_path, 0)
    pipeline = tmp_path / "pipelines/sales.yaml"
    text = pipeline.read_text().replace("mode: append", "mode: replace")
    pipeline.write_text(text.replace("mode: upsert, keys: [id]", "mode: replace").replace(
        "mode: upsert, keys: [kind]", "mode: replace"
    ))  # fmt: skip
    for name, content in FILES.items():
        _put(tmp_path, name, content)
    project = Project.open(tmp_path)
    assert project.run().exit_code == 0
    assert project.with_files("a.csv", reload=True).run().exit_code == 0
    assert _left(tmp_path)["lines"] == [(1, "x"), (2, "x"), (3, "y")]


KILLED = """
import os, signal, sys
from cloud_etl.load.duckdb import Loader
from cloud_etl.pipeline.project import Project

honest = Loader.load

def killed(self, request, before_commit):
    def kill(tables):
        before_commit(tables)
        os.kill(os.getpid(), signal.SIGKILL)
    result = honest(self, request, kill if sys.argv[2] == "before" else before_commit)
    os.kill(os.getpid(), signal.SIGKILL)

Loader.load = killed
Project.open(sys.argv[1]).with_files(reload=True).run()
"""


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_kill_around_the_commit_loses_nothing_and_leaves_nothing_twice(
    where: str, tmp_path: Path, expected: dict[str, list[tuple[object, ...]]]
) -> None:
    root = tmp_path / "again"
    project = _loaded(root)
    before = _left(root)
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), where], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert _left(root) == (before if where == "before" else expected)
    # The next run of any kind sees to what is published; a reload once more leaves the same.
    assert project.run().pipelines[0].outcome == "no_new_files"
    rows = 5 if where == "before" else 3
    assert [_published(root, name) for name in ("lines", "last")] == [rows, rows]
    assert project.with_files(reload=True).run().exit_code == 0
    assert _left(root) == expected
    assert [_published(root, name) for name in TABLES] == [len(expected[name]) for name in TABLES]
