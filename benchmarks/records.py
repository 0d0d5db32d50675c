"""Results as they are kept: one JSON file, a record per input and contestant, newer records in place of older ones."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.contestants import Once

PACKAGES = ("cloud-etl", "duckdb", "pysail", "pyspark", "pyarrow", "polars", "dlt")
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Record:
    """What one contestant needed for one input: medians of the repeats, peaks the largest of them.

    Attributes:
        suite: which question it answers: retail, files, columns, workers.
        size_bytes: of the input.
        phases: (wall, CPU) seconds by phase, of our own runs.
        differences: what its tables hold other than the reference's; empty where nothing was compared.
        at: date and machine; records of one `at` may be compared.
    """

    suite: str
    contestant: str
    rows: int
    files: int
    columns: int
    size_bytes: int
    repeats: int
    exit_code: int
    cpu_seconds: float
    wall_seconds: float
    peak_rss_bytes: int
    peak_pss_bytes: int
    read_bytes: int
    at: str
    phases: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int, int, int]:
        """A newer record with the same key takes its place."""
        return (self.suite, self.contestant, self.rows, self.files, self.columns)


@dataclass(frozen=True, slots=True)
class Input:
    """What was read."""

    suite: str
    rows: int
    files: int
    columns: int
    size_bytes: int


def record(source: Input, contestant: str, runs: Sequence[Once], at: str) -> Record:
    """Put the repeats of one contestant together."""
    measured = [one.measured for one in runs]
    phases = {
        phase: (
            statistics.median(one.phases[phase][0] for one in runs if phase in one.phases),
            statistics.median(one.phases[phase][1] for one in runs if phase in one.phases),
        )
        for phase in runs[0].phases
    }
    return Record(
        **asdict(source),
        contestant=contestant,
        repeats=len(runs),
        exit_code=max(abs(one.exit_code) for one in measured),
        cpu_seconds=statistics.median(one.cpu_seconds for one in measured),
        wall_seconds=statistics.median(one.wall_seconds for one in measured),
        peak_rss_bytes=max(one.peak_rss_bytes for one in measured),
        peak_pss_bytes=max(one.peak_pss_bytes for one in measured),
        read_bytes=max(one.read_bytes for one in measured),
        at=at,
        phases=phases,
    )


def load(path: Path) -> list[Record]:
    """Records of a file; none where there is none."""
    if not path.exists():
        return []
    return [
        Record(**{**one, "phases": {name: tuple(pair) for name, pair in one["phases"].items()},
                  "differences": tuple(one["differences"])})
        for one in json.loads(path.read_text())
    ]  # fmt: skip


def save(path: Path, records: Sequence[Record]) -> list[Record]:
    """Merge records into a file, in a fixed order; gives all of them."""
    merged = {one.key: one for one in (*load(path), *records)}
    ordered = [merged[key] for key in sorted(merged)]
    lines = ",\n".join(json.dumps(asdict(one)) for one in ordered)
    path.write_text(f"[\n{lines}\n]\n")
    return ordered


def machine() -> str:
    """Date, machine and versions, for the head of a table."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {cpu}, {os.cpu_count()} cores, {memory:.0f} GiB,"
        f" {os.getloadavg()[0]:.0f} processes ready to run;"
        f" Python {platform.python_version()}, {packages}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
