"""The work of a run may not grow unnoticed: figures that do not depend on how busy the machine is.

Python calls are counted, which is the same number on every machine but for a handful. The ratio to the hand-written job
is one of instructions where the processor counts them, else of CPU seconds: the least of two runs in turns, under a
bound well above what was measured on a machine with fifteen busy processes for two cores: a busy machine slows both.
"""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from benchmarks.contestants import DUCKDB, JOB, SAIL
from benchmarks.effort import effort
from benchmarks.make_sales import HEADER, records, text_of

from cloud_etl.domain.run import RunContext
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.pipeline.project import Project
from cloud_etl.pipeline.wiring import open_store

# Measured: 1,083, 89 (of which 50 find where 0.5 refused records end) and 5.2.
MOST_CALLS_PER_FILE = 1_500
MOST_CALLS_PER_THOUSAND_ROWS = 120
MOST_EFFORT = 9.0
ROWS = 100_000


class Silent:
    """A progress that shows nothing."""

    def phase(self, pipeline: str, phase: str) -> None: ...
    def files(self, count: int, size_bytes: int) -> None: ...
    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None: ...


def write_files(folder: Path, files: int, rows: int) -> None:
    folder.mkdir(parents=True)
    lines = records(0, files * rows)
    for number in range(files):
        (folder / f"{number:05d}.csv").write_bytes(HEADER + bytes(text_of(lines.slice(number * rows, rows))))


def calls_of_extract(folder: Path, files: int, rows: int) -> int:
    """Python calls of the main thread that list, hash and read so many files of so many rows."""
    write_files(folder / "raw-data" / "sales", files, rows)
    (folder / "cloud-etl.yaml").write_text((JOB / "cloud-etl.yaml").read_text())
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "sales.yaml").write_text((JOB / "pipelines" / "sales.yaml").read_text())
    loaded = Project.open(folder).loaded
    now = datetime.now(UTC)
    run = RunContext("20260101T000000Z-000000", "sales", "local", date(2026, 1, 1), now, folder / "scratch", 1)
    run.scratch.mkdir()
    extractor = S3Extractor(open_store(loaded), loaded.pipelines["sales"], run, Silent())

    def extract() -> None:
        batch = extractor.validate(extractor.download(extractor.list(frozenset()).files))
        assert sum(count.records_read for count in batch.counts) == files * rows

    return calls(extract)


def calls(work: Callable[[], None]) -> int:
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first read of a process imports libraries, which is no cost of files or rows."""
    calls_of_extract(tmp_path_factory.mktemp("warm"), 2, 10)


def test_a_file_costs_no_more_calls_than_it_did(tmp_path: Path) -> None:
    few, many = (calls_of_extract(tmp_path / str(count), count, 100) for count in (20, 120))
    assert (many - few) / 100 < MOST_CALLS_PER_FILE


def test_a_row_costs_no_more_calls_than_it_did(tmp_path: Path) -> None:
    few, many = (calls_of_extract(tmp_path / str(rows), 1, rows) for rows in (20_000, 120_000))
    assert (many - few) / 100 < MOST_CALLS_PER_THOUSAND_ROWS


def test_a_run_stays_within_its_ratio_to_the_job_by_hand(tmp_path: Path) -> None:
    write_files(tmp_path / "source", 1, ROWS)
    least = {SAIL.name: float("inf"), DUCKDB.name: float("inf")}
    for repeat in range(2):
        for contestant in (SAIL, DUCKDB):
            folder = tmp_path / f"{contestant.name}-{repeat}"
            command = contestant.prepare(folder, tmp_path / "source")
            cwd = folder if folder.exists() else tmp_path
            found = effort(command, cwd, tmp_path / "log.txt")
            least[contestant.name] = min(least[contestant.name], found)
    assert least[SAIL.name] / least[DUCKDB.name] < MOST_EFFORT, least
