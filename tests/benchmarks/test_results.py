"""Results are kept, merged, shown and drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.contestants import Once
from benchmarks.measure import Measured
from benchmarks.records import Input, Record

from benchmarks import plots, records, table


def made(suite: str, contestant: str, cpu: float, *, files: int = 1, at: str = "today", code: int = 0) -> Record:
    once = Once(Measured(code, cpu / 2, cpu, 2 << 30, 1 << 30, 5_000_000), {"extract": (cpu / 4, cpu / 3)})
    return records.record(Input(suite, 1_000_000, files, 9, 68_000_000), contestant, [once], at)


def test_the_median_of_the_repeats_counts_and_the_largest_peak() -> None:
    runs = [Once(Measured(0, wall, wall * 2, int(wall), 1, 1), {}) for wall in (5.0, 1.0, 3.0)]
    found = records.record(Input("retail", 10, 1, 9, 100), "x", runs, "today")
    assert (found.wall_seconds, found.cpu_seconds, found.peak_rss_bytes, found.repeats) == (3.0, 6.0, 5, 3)


def test_a_killed_job_is_a_failed_one() -> None:
    assert made("retail", "x", 1.0, code=-9).exit_code == 9


def test_a_newer_record_takes_the_place_of_the_older(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    records.save(path, [made("retail", "a", 4.0), made("retail", "b", 2.0)])
    kept = records.save(path, [made("retail", "a", 3.0, at="tomorrow")])
    assert [(one.contestant, one.cpu_seconds) for one in kept] == [("a", 3.0), ("b", 2.0)]
    assert records.load(path) == kept


def test_the_table_shows_ratios_to_ours_and_the_differences_of_tables() -> None:
    ours, other = made("retail", "cloud-etl on sail", 4.0), made("retail", "DuckDB SQL by hand", 2.0)
    text = table.render([ours, other, made("files", "cloud-etl on sail", 4.0), made("files", "x", 8.0, files=100)])
    assert "| DuckDB SQL by hand | 2.0 | 0.50 | 1.0 | 0.50 | 2.00 | 1.00 | 5 | 1 |" in text
    assert "| extract | 0.7 / 0.5 | 1.3 / 1.0 |" in text
    assert "| 100 | 1,000,000 | 8.0 | 2.00 | 4.0 | 2.00 | 2.00 |" in text


def test_plots_are_drawn_where_matplotlib_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = plots.draw([made("retail", "cloud-etl on sail", 4.0), made("files", "x", 8.0)], tmp_path / "plots")
    assert [path.name for path in drawn] == ["retail.svg", "files.svg"]
    assert all(path.read_text().count("<path") > 5 for path in drawn)
