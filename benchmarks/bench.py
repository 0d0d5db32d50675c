"""Measure cloud-etl against a hand-written DuckDB job: `python -m benchmarks.bench --rows 10000000`.

Both jobs run as fresh processes, in turns, on the same file; afterwards their warehouses must hold the same rows.
Writes benchmarks/results.md and ends with 1 where a job failed or the tables differ.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.compare import differences
from benchmarks.make_sales import write_sales
from benchmarks.measure import Measured, run

HERE = Path(__file__).parent
DATA = HERE / "data"
PACKAGES = ("cloud-etl", "duckdb", "pysail", "pyspark", "pyarrow")
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Job:
    """One way to do the job: how to prepare its folder, and the command that does it."""

    name: str
    prepare: Callable[[Path, Path], list[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """The repeats of both jobs on one file."""

    rows: int
    size_bytes: int
    ours: tuple[Measured, ...]
    rival: tuple[Measured, ...]
    differences: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether a job ended with an error or the tables differ."""
        return bool(self.differences) or any(one.exit_code for one in (*self.ours, *self.rival))


def main() -> int:
    """Read the command line, measure, print and write the results."""
    parser = argparse.ArgumentParser(description="Measure cloud-etl against hand-written DuckDB SQL.")
    parser.add_argument("--rows", type=int, default=int(os.environ.get("ROWS", 10_000_000)))
    parser.add_argument("--small-rows", type=int, default=1_000_000, help="second size, for the cost per row; 0: none")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results.md")
    args = parser.parse_args()
    sizes = sorted({args.rows, args.small_rows} - {0})
    results = [measure(rows, args.repeats) for rows in sizes]
    text = render(results)
    args.out.write_text(text)
    print(text)
    return int(any(result.failed for result in results))


def measure(rows: int, repeats: int) -> Result:
    """Run both jobs in turns on a file of that many records."""
    sales = DATA / f"sales_{rows}.csv"
    if not sales.exists():
        print(f"writing {sales.name}", file=sys.stderr)
        write_sales(sales, rows)
    measured: dict[str, list[Measured]] = {job.name: [] for job in JOBS}
    for repeat in range(repeats):
        for job in JOBS:
            measured[job.name].append(_measure_once(job, sales))
            last = measured[job.name][-1]
            print(f"{rows} rows, {job.name}, {repeat + 1}/{repeats}: {_cells(last)}", file=sys.stderr)
    found: tuple[str, ...] = ("a job failed; see the log beside its folder",)
    if not any(one.exit_code for runs in measured.values() for one in runs):
        found = tuple(differences(*(DATA / f"work-{job.name}" / "warehouse.duckdb" for job in JOBS)))
    ours, rival = (tuple(measured[job.name]) for job in JOBS)
    return Result(rows, sales.stat().st_size, ours, rival, found)


def _measure_once(job: Job, sales: Path) -> Measured:
    folder = DATA / f"work-{job.name}"
    shutil.rmtree(folder, ignore_errors=True)
    command = job.prepare(folder, sales)
    # Dirty pages of the last run are not this one's to write.
    os.sync()
    return run(command, HERE if not folder.exists() else folder, DATA / f"{job.name}.log")


def _prepare_ours(folder: Path, sales: Path) -> list[str]:
    shutil.copytree(HERE / "job", folder)
    raw = folder / "raw-data" / "sales"
    raw.mkdir(parents=True)
    os.link(sales, raw / "sales.csv")
    return [str(Path(sys.executable).with_name("cloud-etl")), "run", "--all", "--env", "local", "--quiet"]


def _prepare_rival(folder: Path, sales: Path) -> list[str]:
    return [sys.executable, str(HERE / "rival_duckdb.py"), str(sales), str(folder)]


JOBS = (Job("cloud-etl", _prepare_ours), Job("duckdb-sql", _prepare_rival))


def render(results: list[Result]) -> str:
    """The results as Markdown: one table per size, the ratios, the cost per row, the machine."""
    parts = ["# Results\n", _machine(), *(_table(result) for result in results)]
    if len(results) > 1:
        parts.append(_cost_per_row(results))
    return "\n".join(parts)


def _table(result: Result) -> str:
    ours, rival = _median(result.ours), _median(result.rival)
    same = "Both end with the same rows in every table."
    lines = [
        f"## {result.rows:,} records, {result.size_bytes / 1e6:.0f} MB, median of {len(result.ours)}\n",
        "| job | CPU s | wall s | peak memory (RSS) GiB | peak memory (PSS) GiB |",
        "|---|---|---|---|---|",
        f"| cloud-etl | {_cells(ours)} |",
        f"| DuckDB SQL by hand | {_cells(rival)} |",
        f"| ratio | {ours.cpu_seconds / rival.cpu_seconds:.2f} | {ours.wall_seconds / rival.wall_seconds:.2f}"
        f" | {ours.peak_rss_bytes / rival.peak_rss_bytes:.2f} | {ours.peak_pss_bytes / rival.peak_pss_bytes:.2f} |\n",
        "\n".join(f"* {line}" for line in result.differences) or same,
        "",
    ]
    return "\n".join(lines)


def _cost_per_row(results: list[Result]) -> str:
    small, large = results[0], results[-1]
    lines = ["## CPU seconds per million records\n", "| job | small | large | large / small |", "|---|---|---|---|"]
    for name, one, other in (("cloud-etl", small.ours, large.ours), ("DuckDB SQL by hand", small.rival, large.rival)):
        low = _median(one).cpu_seconds / small.rows * 1e6
        high = _median(other).cpu_seconds / large.rows * 1e6
        lines.append(f"| {name} | {low:.2f} | {high:.2f} | {high / low:.2f} |")
    return "\n".join([*lines, ""])


def _cells(measured: Measured) -> str:
    peaks = f"{measured.peak_rss_bytes / GIB:.2f} | {measured.peak_pss_bytes / GIB:.2f}"
    return f"{measured.cpu_seconds:.1f} | {measured.wall_seconds:.1f} | {peaks}"


def _median(runs: tuple[Measured, ...]) -> Measured:
    return Measured(
        exit_code=max(one.exit_code for one in runs),
        wall_seconds=statistics.median(one.wall_seconds for one in runs),
        cpu_seconds=statistics.median(one.cpu_seconds for one in runs),
        peak_rss_bytes=max(one.peak_rss_bytes for one in runs),
        peak_pss_bytes=max(max(one.peak_pss_bytes for one in runs), 1),
    )


def _machine() -> str:
    info = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    load = os.getloadavg()[2]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, load {load:.1f};"
        f" Python {platform.python_version()}, {packages}.\n"
        "CPU is of the whole process tree; peaks are the largest of the repeats.\n"
        "The input is one that the rival reads whole: with other seeds DuckDB's parallel CSV reader loses rows\n"
        "without a word (see make_sales.py), and bad integers are texts that its casts refuse too.\n"
        "Compare within one run only.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
