"""The ways to do the job: ours on each engine, and those written by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inputs import DATA, JOB
from benchmarks.measure import Measured, run

RIVALS = Path(__file__).parent / "rivals"
CLOUD_ETL = str(Path(sys.executable).with_name("cloud-etl"))


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do the job.

    Attributes:
        prepare: makes the folder ready for an input folder, and gives the command.
        same_rows: whether its tables must hold the rows of the hand-written DuckDB job.
    """

    name: str
    prepare: Callable[[Path, Path], list[str]]
    same_rows: bool = True


@dataclass(frozen=True, slots=True)
class Once:
    """One measured run; phases of our own runs: (wall, CPU) seconds by phase."""

    measured: Measured
    phases: Mapping[str, tuple[float, float]]


def run_once(contestant: Contestant, source: Path) -> Once:
    """Do the job from nothing, in a fresh process."""
    folder = _folder(contestant)
    shutil.rmtree(folder, ignore_errors=True)
    command = contestant.prepare(folder, source)
    # Dirty pages of the last run are not this one's to write.
    os.sync()
    cwd = folder if folder.exists() else folder.parent
    measured = run(command, cwd, DATA / f"{folder.name}.log")
    return Once(measured, _phases(folder))


def warehouse(contestant: Contestant) -> Path:
    """The DuckDB file that its last run has filled."""
    return _folder(contestant) / "warehouse.duckdb"


def _folder(contestant: Contestant) -> Path:
    return DATA / f"work-{contestant.name.replace(',', '').replace(' ', '-')}"


def _phases(folder: Path) -> dict[str, tuple[float, float]]:
    reports = sorted(folder.glob("runs/*/report.json"))
    if not reports:
        return {}
    found: dict[str, tuple[float, float]] = {}
    for pipeline in json.loads(reports[-1].read_text())["pipelines"]:
        for phase in pipeline["phases"]:
            found[phase["phase"]] = (phase["wall_seconds"], phase["cpu_seconds"] or 0.0)
    return found


def ours(engine: str, memory: str = "2GB") -> Contestant:
    """cloud-etl on an engine."""

    def prepare(folder: Path, source: Path) -> list[str]:
        if (source / "cloud-etl.yaml").exists():
            shutil.copytree(source, folder, copy_function=os.link)
        else:
            shutil.copytree(JOB, folder)
            raw = folder / "raw-data" / "sales"
            raw.mkdir(parents=True)
            for file in source.iterdir():
                os.link(file, raw / file.name)
        settings = folder / "cloud-etl.yaml"
        text = settings.read_text().replace("name: sail, memory: 2GB", f"name: {engine}, memory: {memory}")
        settings.unlink()
        settings.write_text(text)
        return [CLOUD_ETL, "run", "--all", "--env", "local", "--quiet"]

    return Contestant(f"cloud-etl on {engine}", prepare)


def with_jobs(name: str, jobs: int) -> Contestant:
    """cloud-etl on Sail with so many pipelines under way at the same time."""

    def prepare(folder: Path, source: Path) -> list[str]:
        return [*ours("sail").prepare(folder, source), "--jobs", str(jobs)]

    return Contestant(name, prepare)


def idle(contestant: Contestant) -> Contestant:
    """The same once more, when all is loaded."""

    def prepare(folder: Path, source: Path) -> list[str]:
        command = contestant.prepare(folder, source)
        subprocess.run(command, cwd=folder, check=True)
        return command

    return Contestant(f"{contestant.name}, nothing new", prepare)


def rival(name: str, program: str, *arguments: str, same_rows: bool = True) -> Contestant:
    """A program below rivals/."""

    def prepare(folder: Path, source: Path) -> list[str]:
        return [sys.executable, str(RIVALS / program), f"{source}/*.csv", str(folder), *arguments]

    return Contestant(name, prepare, same_rows)


def on_cluster(contestant: Contestant, workers: int) -> Contestant:
    """The same on a cluster of its own; the cluster is measured with it."""

    def prepare(folder: Path, source: Path) -> list[str]:
        command = contestant.prepare(folder, source)
        settings = folder / "cloud-etl.yaml"
        if settings.exists():
            text = settings.read_text()
            text = text.replace("name: spark,", 'name: spark, master: "${env:SPARK_MASTER}",')
            # Executors of more cores than a worker has would be waited for.
            settings.write_text(text.replace("cores: 2", "cores: 1"))
        return [sys.executable, str(Path(__file__).with_name("cluster.py")), str(workers), *command]

    return Contestant(f"{contestant.name}, {workers} worker{'s' if workers > 1 else ''}", prepare, contestant.same_rows)


DUCKDB = rival("DuckDB SQL by hand", "duckdb_sql.py")
SAIL = ours("sail")
SPARK = ours("spark", "4GB")
ALL = {
    "sail": SAIL,
    "duckdb": DUCKDB,
    "spark": SPARK,
    "pyspark": rival("PySpark by hand", "pyspark_job.py"),
    "pyspark-sail": rival("PySpark by hand on Sail", "pyspark_job.py", "--engine", "sail", same_rows=False),
    "polars": rival("Polars by hand", "polars_job.py", same_rows=False),
    "dlt": rival("dlt (load only)", "dlt_load.py", same_rows=False),
}
