from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from cloud_etl.cli.progress import MOST_BARS, TerminalProgress
from cloud_etl.domain.progress import Progress


class Screen(io.StringIO):
    """A terminal that keeps what was written to it."""

    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def console(file: io.StringIO, **settings: object) -> Console:
    return Console(file=file, width=80, _environ={"TERM": "xterm-256color", **settings})


def drawn(progress: TerminalProgress, width: int = 80) -> list[str]:
    """What one drawing shows, without colours."""
    out = io.StringIO()
    Console(file=out, width=width).print(progress)
    return out.getvalue().splitlines()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Iterator[TerminalProgress]:
    with TerminalProgress(console(Screen()), clock=clock) as progress:
        yield progress


def test_it_is_a_progress_of_the_domain(progress: TerminalProgress) -> None:
    listener: Progress = progress
    listener.phase("sales_data", "load")
    assert drawn(progress) == ["> sales_data load  0.00 s"]


def test_phase_files_rows_and_rate_stand_on_the_first_line(progress: TerminalProgress, clock: Clock) -> None:
    progress.phase("sales_data", "extract")
    progress.files(3, 3000)
    progress.file("raw/a.csv", 1000, 1000, 40_000)
    progress.file("raw/b.csv", 500, 1000, 10_000)
    clock.now += 2
    first, second = drawn(progress)
    assert first == "> sales_data extract  1/3 files  50,000 rows  25,000 rows/s  2.00 s"
    assert re.fullmatch(r"  raw/b\.csv +━{10}─{10}  50% of 1\.0 kB  10,000 rows", second)


def test_the_rate_is_that_of_the_last_seconds(progress: TerminalProgress, clock: Clock) -> None:
    progress.phase("sales_data", "extract")
    for second in range(1, 11):
        clock.now += 1
        progress.file("a", second, 100, 1_000_000 if second < 5 else 1_000_000 + 100 * (second - 4))
        drawn(progress)
    assert "  100 rows/s  " in drawn(progress)[0]


def test_after_the_last_file_the_rate_is_that_of_the_phase(progress: TerminalProgress, clock: Clock) -> None:
    progress.phase("sales_data", "extract")
    progress.files(2, 20)
    for key in ("a", "b"):
        clock.now += 1
        progress.file(key, 10, 10, 3000)
        progress.file(key, 10, 10, 3000)
        drawn(progress)
    clock.now += 60
    progress.file("b", 10, 10, 3000)
    assert drawn(progress) == ["> sales_data extract  2/2 files  6,000 rows  3,000 rows/s  1 min 02 s"]


def test_a_file_that_tells_its_end_twice_counts_once(progress: TerminalProgress) -> None:
    progress.phase("sales_data", "extract")
    progress.files(1, 10)
    for rows in (5, 10, 10):
        progress.file("a", 10, 10, rows)
    progress.file("a", 9, 10, 10)
    (line,) = drawn(progress)
    assert "1/1 files  10 rows" in line


def test_an_empty_file_is_done_at_once(progress: TerminalProgress) -> None:
    progress.phase("sales_data", "extract")
    progress.files(1, 0)
    progress.file("a", 0, 0, 0)
    assert drawn(progress) == ["> sales_data extract  1/1 files  0.00 s"]


def test_a_second_pass_over_the_files_begins_from_zero(progress: TerminalProgress) -> None:
    progress.phase("sales_data", "extract")
    progress.files(2, 20)
    progress.file("a", 10, 10, 0)
    progress.files(2, 20)
    assert "0/2 files" in drawn(progress)[0]


def test_only_a_few_of_many_files_have_a_bar(progress: TerminalProgress) -> None:
    progress.phase("sales_data", "extract")
    for number in range(MOST_BARS + 3):
        progress.file(f"file-{number}", 1, 2, 0)
    lines = drawn(progress)
    assert len(lines) == MOST_BARS + 2
    assert lines[-1] == "  … and 3 files more under way"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(progress: TerminalProgress, width: int) -> None:
    progress.phase("sales_data", "extract")
    progress.files(10_000, 10**12)
    progress.file("raw-data/" + "x" * 300 + "/é\x1b[31m.csv", 123_456_789, 987_654_321_000, 12_345_678)
    lines = drawn(progress, width)
    assert len(lines) == 2 and all(len(line) <= width for line in lines)
    assert "\x1b" not in "".join(lines)


def test_a_phase_that_ends_leaves_a_line_and_the_drawing_leaves_nothing(clock: Clock) -> None:
    screen = Screen()
    with TerminalProgress(console(screen), clock=clock) as progress:
        progress.phase("sales_data", "extract")
        progress.file("a", 1, 1, 1200)
        clock.now += 1.5
        progress.phase("sales_data", "transform")
        clock.now += 1
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "  sales_data extract  1 file, 1,200 rows, 1.50 s\n" in text
    assert text.rstrip("\r").endswith("  sales_data transform  1.00 s\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_cursor_comes_back_after_an_error_or_ctrl_c(error: type[BaseException]) -> None:
    screen = Screen()
    with pytest.raises(error), TerminalProgress(console(screen)) as progress:
        progress.phase("sales_data", "transform")
        raise error
    text = screen.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "sales_data" in text and "\x1b[31mx\x1b[0m" in text
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("_RefreshThread")]


@pytest.mark.parametrize(
    ("file", "environ", "enabled"),
    [
        (io.StringIO(), {}, True),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (Screen(), {"TERM": "dumb"}, True),
        (Screen(), {}, False),
    ],
)
def test_nothing_is_drawn_where_it_is_off(file: io.StringIO, environ: dict[str, str], enabled: bool) -> None:
    with TerminalProgress(console(file, **environ), enabled=enabled) as progress:
        progress.phase("sales_data", "extract")
        progress.files(1, 10)
        progress.file("a", 5, 10, 3)
    assert file.getvalue() == ""


def test_no_color_draws_without_colours() -> None:
    screen = Screen()
    with TerminalProgress(console(screen, NO_COLOR="1")) as progress:
        progress.phase("sales_data", "extract")
        progress.file("a", 5, 10, 3)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m|\x1b\[9[0-9]m", screen.getvalue())


def test_many_threads_may_tell_their_files_at_once(progress: TerminalProgress) -> None:
    progress.phase("sales_data", "extract")
    progress.files(8, 8000)

    def tell(number: int) -> None:
        for done in range(0, 1001, 5):
            progress.file(f"file-{number}", done, 1000, done)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "8/8 files  8,000 rows" in drawn(progress)[0]


def test_it_is_drawn_at_most_ten_times_a_second() -> None:
    screen = Screen()
    with TerminalProgress(console(screen)) as progress:
        progress.phase("sales_data", "extract")
        began = time.monotonic()
        for done in range(50_000):
            progress.file("a", done, 60_000, done)
        took = time.monotonic() - began
    # One drawing at the start and one at the end come on top.
    assert screen.getvalue().count("> ") <= 10 * took + 3


def test_what_a_phase_writes_is_told_once_a_second(progress: TerminalProgress, clock: Clock, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "earlier").mkdir(parents=True)
    (work / "earlier/a.parquet").write_bytes(b"x" * 5000)
    progress.phase("sales_data", "transform")
    progress.writes([work])
    assert drawn(progress) == ["> sales_data transform  0.00 s"]
    (work / "frame/_fate=0").mkdir(parents=True)
    (work / "frame/_fate=0/b.parquet").write_bytes(b"x" * 2000)
    clock.now += 0.5
    assert drawn(progress) == ["> sales_data transform  0.50 s"]
    clock.now += 1
    assert drawn(progress) == ["> sales_data transform  1 file  2.0 kB written  1.50 s"]
    # What lay there before may go: nothing is counted twice, and nothing less than none.
    (work / "earlier/a.parquet").unlink()
    clock.now += 1
    assert drawn(progress) == ["> sales_data transform  2.50 s"]


def test_a_load_tells_of_tables_and_of_the_growth_of_the_warehouse(
    progress: TerminalProgress, clock: Clock, tmp_path: Path
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    warehouse.write_bytes(b"x" * 4000)
    progress.phase("sales_data", "load")
    progress.writes((warehouse, tmp_path / "warehouse.duckdb.wal"))
    progress.tables(0, 2)
    assert drawn(progress) == ["> sales_data load  0/2 tables  0.00 s"]
    (tmp_path / "warehouse.duckdb.wal").write_bytes(b"x" * 3000)
    progress.tables(1, 2)
    clock.now += 2
    assert drawn(progress) == ["> sales_data load  1/2 tables  3.0 kB written  2.00 s"]
    progress.phase("sales_data", "report")
    assert drawn(progress) == ["> sales_data report  0.00 s"]


def test_where_nothing_is_drawn_no_folder_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.scandir", lambda path: pytest.fail(f"looked at {path}"))
    with TerminalProgress(console(io.StringIO())) as silent:
        silent.phase("sales_data", "transform")
        silent.writes([tmp_path])
        silent.tables(1, 1)
        assert drawn(silent) == []
