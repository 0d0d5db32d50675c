from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from types import ModuleType

import pytest

from cloud_etl.cli import tables
from cloud_etl.domain.ledger import FileCount
from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.run import SkippedFile
from cloud_etl.quality.quarantine import Reject, RejectGroup

Snapshot = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def _a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["happy", "rejects", "broken", "refused", "nothing", "three", "barriers", "empty"])
def test_the_end_of_a_run_reads_as_reviewed(
    samples: ModuleType, name: str, matches_snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.show_run(samples.ALL[name], "data/runs/report.html")
    matches_snapshot(f"run.{name}.txt", capsys.readouterr().out)


def test_the_ledger_reads_as_reviewed(
    samples: ModuleType, matches_snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.show_ledgers(samples.run(samples.pipeline(), samples.broken()).accounts)
    matches_snapshot("ledger.txt", capsys.readouterr().out)


def test_the_list_of_runs_reads_as_reviewed(
    samples: ModuleType, matches_snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.show_runs(list(samples.ALL.values()))
    matches_snapshot("runs.txt", capsys.readouterr().out)


def test_the_plan_reads_as_reviewed(matches_snapshot: Snapshot, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_plan(plan())
    matches_snapshot("plan.txt", capsys.readouterr().out)


def plan():
    from cloud_etl.pipeline.plan import PipelinePlan, Plan, PlannedFile, PlannedTable

    return Plan(
        "retail",
        "local",
        date(2026, 3, 5),
        (
            PipelinePlan(
                "sales_data",
                tuple(PlannedFile(f"raw-data/sales_data/sales_{i:02d}.csv.gz", 41_883_120, 600_000) for i in range(23)),
                (
                    SkippedFile("raw-data/sales_data/_SUCCESS", "marker file"),
                    SkippedFile("raw-data/x.csv", "loaded already"),
                ),
                ("deduplicate", "drop_nulls", "derive"),
                ("not_null.customer_id",),
                ("processed-data/sales_fact_20260305/",),
                (
                    PlannedTable("analytics.sales_fact", "sales_fact", "upsert", ("CREATE TABLE a (\n  b INT\n)",)),
                    PlannedTable("analytics.daily_sales", "daily_sales", "append", ()),
                ),
            ),
            PipelinePlan("customer_data", (), (), (), ()),
            PipelinePlan("product_data", (PlannedFile("p.csv", 1, None),), (), (), (), problem="no column 'x'"),
        ),
    )


def reject(**changes: object) -> Reject:
    base = Reject(
        "run-1", "sales_data", "s3://retail/raw/sales.csv", "e1", 17, 1234, "order_ts", "bad_timestamp",
        "order_ts is no timestamp", "A-17,2026-13-45,\x1b[2J3", None, "reader", datetime(2026, 3, 5, tzinfo=UTC),
    )  # fmt: skip
    return replace(base, **changes)


def test_rejects_read_as_reviewed(matches_snapshot: Snapshot, capsys: pytest.CaptureFixture[str]) -> None:
    whole_file = reject(line=None, column=None, source_uri=None, raw_text=None, code="corrupt_file")
    tables.show_rejects([reject(), whole_file, reject(raw_text="x" * 1000)])
    groups = [
        RejectGroup("run-2", "sales_data", "s3://retail/raw/sales.csv", "reader", "bad_timestamp", 12_345),
        RejectGroup("run-2", "sales_data", "s3://retail/raw/sales.csv", "quality", "range.quantity", 7),
        RejectGroup("run-1", "sales_data", None, "quality", "not_null.customer_id", 1),
    ]
    tables.show_reject_groups(groups)
    matches_snapshot("quarantine.txt", capsys.readouterr().out)


def test_rejects_as_json_hold_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_rejects([reject(raw_bytes=b"\xff\x00")], as_json=True)
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["raw_text"] == "A-17,2026-13-45,\x1b[2J3" and shown["line"] == 17
    assert shown["raw_bytes"] == "/wA=" and shown["rejected_at"] == "2026-03-05T00:00:00+00:00"
    tables.show_reject_groups([], as_json=True)
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("show", "says"),
    [
        (lambda: tables.show_rejects([]), "No rejected record matches.\n"),
        (lambda: tables.show_reject_groups([]), "The quarantine is empty.\n"),
        (lambda: tables.show_runs([]), "No run has left a report yet.\n"),
    ],
)
def test_nothing_to_show_is_said(show: Callable[[], None], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    show()
    assert capsys.readouterr().out == says


def test_a_run_without_a_ledger_says_so(samples: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_ledgers(samples.run(samples.nothing()).accounts)
    assert capsys.readouterr().out == f"Run {samples.RUN} has no ledger: it took no files.\n"


def test_a_pipe_gets_no_colours_no_boxes_and_no_trailing_blanks(
    samples: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    for report in samples.ALL.values():
        tables.show_run(report, "report.html")
        tables.show_ledgers(report.accounts)
    text = capsys.readouterr().out
    assert not re.search(r"[\x1b\u2500-\u257f]| \n", text)


def test_numbers_stay_whole_where_names_are_long(samples: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_ledgers(samples.run(samples.hostile()).accounts)
    tables.show_ledgers(samples.large(files=20).accounts)
    text = capsys.readouterr().out
    assert "20 of 20 hold" in text and "2,000" in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


LONG_URI = "file:///tmp/a-project/raw-data/customer_data/" + "folder/" * 30 + "customers_2026-01-05.jsonl"


def group() -> RejectGroup:
    return RejectGroup("run-2", "sales_data", LONG_URI, "quality", "quality.references.customer_id", 7)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_path_is_whole_in_a_pipe_and_on_a_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    tables.show_reject_groups([group()])
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert f"  {LONG_URI}\n" in text and "7  quality.references.customer_id" in text


def test_no_word_of_a_summary_is_broken_at_80_columns(
    samples: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for report in samples.ALL.values():
        monkeypatch.delenv("COLUMNS", raising=False)
        tables.show_run(report, "data/runs/report.html")
        wide = capsys.readouterr().out
        monkeypatch.setenv("COLUMNS", "80")
        tables.show_run(report, "data/runs/report.html")
        narrow = capsys.readouterr().out
        assert narrow.split() == wide.split()
        assert [line for line in narrow.splitlines() if len(line) > 80 and " " in line.strip()] == []


def test_many_causes_end_in_a_line_that_counts_the_rest(
    samples: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {code: 100 - place for place, code in enumerate(list(RejectCode)[:15])}
    file = FileCount("s3://b/a.csv", "e", 1, 10_000, 10_000 - sum(codes.values()), sum(codes.values()), codes)
    tables.show_run(samples.run(samples.pipeline(ledger=samples.ledger((file,)))), "")
    shown = capsys.readouterr().out
    rest = sum(sorted((*codes.values(), 21, 9), reverse=True)[tables.MOST_REASONS :])
    assert re.search(rf"^ +{rest}  for \d other causes", shown, re.MULTILINE), shown


def test_the_ledger_keeps_the_lines_that_the_summary_leaves_out(
    samples: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.show_run(samples.ALL["happy"], "")
    assert "duplicates" not in capsys.readouterr().out
    tables.show_ledgers(samples.ALL["happy"].accounts)
    assert "    0    0 %    duplicates\n" in capsys.readouterr().out


def test_an_output_that_is_not_utf_8_gets_what_it_can_show(
    samples: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    tables.show_run(samples.run(samples.pipeline(pipeline="größe_\udc80")), "")
    tables.sys.stdout.flush()
    assert b"gr\\xf6\\xdfe_\\udc80" in raw.getvalue()


def test_runs_without_work_between_two_others_are_one_line(samples, capsys):
    clean = samples.clean()
    idle = replace(clean, outcome="no_new_files", ledger=None, tables=(), publications=())
    runs = [replace(samples.run(clean if hour in (0, 9) else idle), run_id=f"run-{hour}") for hour in range(9, -1, -1)]
    tables.show_runs(runs)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "run-1 to run-8" in lines[2]
    assert "8 without new files" in lines[2]


def test_of_many_pipelines_those_with_something_to_look_at_are_told(
    samples: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = replace(
        samples.clean(),
        pipeline="odd_files",
        skipped=(SkippedFile("raw-data/odd/a.zip", "an archive", unreadable=True),),
    )
    fine = [replace(samples.clean(), pipeline=f"fine_{number}") for number in range(9)]
    tables.show_run(samples.run(*fine, aside, samples.nothing()), "data/runs/report.html")
    told = capsys.readouterr().out
    assert "1 file left aside unread: raw-data/odd/a.zip (an archive)." in " ".join(told.split())
    assert told.count("Came through") == 1
