"""The questions the benchmarks answer: which inputs go through which contestants."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.compare import differences
from benchmarks.contestants import (
    ALL,
    DUCKDB,
    SAIL,
    Contestant,
    Once,
    idle,
    on_cluster,
    ours,
    rival,
    run_once,
    warehouse,
    with_jobs,
)
from benchmarks.inputs import sales_files, small_pipelines, wide_project
from benchmarks.records import Input, Record, record

SALES_COLUMNS = 9
FILE_COUNTS = (1, 100, 10_000)
COLUMN_COUNTS = (10, 100, 1_000)
FILE_ROWS = 1_000_000
CELLS = 10_000_000
PIPELINES = 100


def retail(rows: Sequence[int], names: Sequence[str], repeats: int, at: str) -> Iterable[Record]:
    """The retail job on one file, all contestants in turns; tables are compared with the DuckDB job's if it is one."""
    for count in rows:
        source = sales_files(count, 1)
        about = Input("retail", count, 1, SALES_COLUMNS, _size(source))
        contestants = [ALL[name] for name in names]
        found = _in_turns(contestants, source, about, repeats, at)
        if DUCKDB in contestants:
            found = [_compared(one, contestant) for one, contestant in zip(found, contestants, strict=True)]
        yield from found


def files(repeats: int, at: str) -> Iterable[Record]:
    """The same records in 1, 100 and 10,000 files, in turns."""
    sources = [sales_files(FILE_ROWS, count) for count in FILE_COUNTS]
    runs: dict[int, list[Once]] = {count: [] for count in FILE_COUNTS}
    for _ in range(repeats):
        for count, source in zip(FILE_COUNTS, sources, strict=True):
            runs[count].append(_once(SAIL, source))
    for count, source in zip(FILE_COUNTS, sources, strict=True):
        yield record(Input("files", FILE_ROWS, count, SALES_COLUMNS, _size(source)), SAIL.name, runs[count], at)


def columns(repeats: int, at: str) -> Iterable[Record]:
    """The same number of cells in 10, 100 and 1,000 columns, in turns."""
    sources = [wide_project(CELLS, count) for count in COLUMN_COUNTS]
    runs: dict[int, list[Once]] = {count: [] for count in COLUMN_COUNTS}
    for _ in range(repeats):
        for count, source in zip(COLUMN_COUNTS, sources, strict=True):
            runs[count].append(_once(SAIL, source))
    for count, source in zip(COLUMN_COUNTS, sources, strict=True):
        yield record(Input("columns", CELLS // count, 1, count, _size(source)), SAIL.name, runs[count], at)


def pipelines(repeats: int, at: str) -> Iterable[Record]:
    """A hundred pipelines of ten records each: one at a time, two at a time, and when nothing is new."""
    source = small_pipelines(PIPELINES)
    about = Input("pipelines", 10 * PIPELINES, PIPELINES, 2, _size(source))
    one, two = with_jobs(SAIL.name, 1), with_jobs(f"{SAIL.name}, two at a time", 2)
    yield from _in_turns([one, two, idle(one)], source, about, repeats, at)


def workers(rows: int, repeats: int, at: str) -> Iterable[Record]:
    """The retail job on Spark clusters of one and two workers, ours and the one by hand, in turns."""
    source = sales_files(rows, 1)
    by_hand = rival("PySpark by hand", "pyspark_job.py", "--master", "{master}")
    # Within what a worker has: an executor that fits no worker would be waited for.
    ours_small = ours("spark", "2GB")
    contestants = [on_cluster(one, count) for count in (1, 2) for one in (ours_small, by_hand)]
    yield from _in_turns(contestants, source, Input("workers", rows, 1, SALES_COLUMNS, _size(source)), repeats, at)


def _in_turns(
    contestants: Sequence[Contestant], source: Path, about: Input, repeats: int, at: str
) -> list[Record]:  # fmt: skip
    runs: dict[str, list[Once]] = {one.name: [] for one in contestants}
    for _ in range(repeats):
        for contestant in contestants:
            runs[contestant.name].append(_once(contestant, source))
    return [record(about, one.name, runs[one.name], at) for one in contestants]


def _once(contestant: Contestant, source: Path) -> Once:
    once = run_once(contestant, source)
    found = once.measured
    print(
        f"{source.name}, {contestant.name}: exit {found.exit_code}, {found.cpu_seconds:.1f} CPU s, "
        f"{found.wall_seconds:.1f} s, {found.peak_rss_bytes / 2**30:.2f} GiB, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
    )
    return once


def _compared(found: Record, contestant: Contestant) -> Record:
    reference = warehouse(DUCKDB)
    if contestant is DUCKDB or not contestant.same_rows or found.exit_code or not reference.exists():
        return found
    ours = warehouse(contestant)
    lines = differences(ours, reference) if ours.exists() else ["its warehouse is gone: two benchmarks ran at once"]
    return replace(found, differences=tuple(lines))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.csv"))
