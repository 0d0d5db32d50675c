"""The commands as a person or a scheduler calls them, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SHORT = {"COLUMNS": "100", "NO_COLOR": "1"}


def call(shop: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cloud-etl")), *arguments]
    env = {**os.environ, **SHORT, **environ}
    return subprocess.run(command, cwd=shop, env=env, capture_output=True, text=True, timeout=120)


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder with its size and time."""
    return {
        str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_run_prints_the_account_and_logs_to_stderr(shop: Path) -> None:
    done = call(shop, "run", "--all")
    assert done.returncode == 0, done.stderr
    assert "Every row is accounted for" in done.stdout
    assert "analytics.orders_fact" in done.stdout
    assert "load.done" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_json_output_is_the_report_and_nothing_else(shop: Path) -> None:
    done = call(shop, "run", "--all", "--output", "json", "--quiet")
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert [one["outcome"] for one in report["pipelines"]] == ["loaded", "loaded"]
    assert json.loads((shop / "data/runs" / report["run_id"] / "report.json").read_text()) == report


def test_ndjson_log_lines_are_json_with_the_run_id(shop: Path) -> None:
    done = call(shop, "run", "customers", "--log-format", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["run_id"] for line in lines} == {lines[0]["run_id"]}
    assert "load.done" in [line["event"] for line in lines]


def test_strict_turns_rejects_into_exit_3(shop: Path) -> None:
    assert call(shop, "run", "--all", "--strict", "--quiet").returncode == 3
    assert call(shop, "run", "--all", "--strict", "--quiet").returncode == 0


def test_plan_tells_files_tables_and_ddl_and_changes_nothing(shop: Path) -> None:
    before = snapshot(shop)
    done = call(shop, "plan", "--all")
    assert done.returncode == 0, done.stderr
    assert snapshot(shop) == before
    for words in ("day1.csv", "analytics.orders_fact", "CREATE TABLE", "amount", "processed-data/orders_fact_"):
        assert words in done.stdout


def test_plan_as_json_estimates_rows(shop: Path) -> None:
    plan = json.loads(call(shop, "plan", "orders", "--output", "json").stdout)
    assert plan["pipelines"][0]["rows_estimated"] == 9


def test_ledger_runs_and_quarantine_look_back(shop: Path) -> None:
    call(shop, "run", "--all", "--quiet")
    ledger = call(shop, "ledger")
    assert "rows published = rows the warehouse says it loaded" in ledger.stdout
    as_json = json.loads(call(shop, "ledger", "--output", "json").stdout)
    assert all(one["holds"] for part in as_json["ledgers"] for one in part["equations"])
    assert "loaded" in call(shop, "runs").stdout
    listed = call(shop, "quarantine", "list")
    assert "too_few_fields" in listed.stdout
    shown = call(shop, "quarantine", "show", "--code", "too_few_fields")
    assert "o7,1" in shown.stdout
    assert "day1.csv" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run",), 2, "this project has customers, orders"),
        (("run", "ordres"), 2, "did you mean 'orders'"),
        (("run", "--all", "orders"), 2, "not both"),
        (("run", "--all", "--env", "lokal"), 2, "did you mean 'local'"),
        (("run", "--all", "--engine", "sial"), 2, "sail"),
        (("run", "--all", "--nonsense"), 2, "--nonsense"),
        (("ledger",), 2, "no run has left a report"),
        (("ledger", "2024"), 2, "no run has left a report"),
    ],
)
def test_a_wrong_call_says_what_is_meant(shop: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = call(shop, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_project_says_how_to_begin(tmp_path: Path) -> None:
    done = call(tmp_path, "run", "--all")
    assert done.returncode == 2
    assert "cloud-etl init" in done.stderr


def test_init_writes_a_project_that_runs_and_never_overwrites(tmp_path: Path) -> None:
    assert call(tmp_path, "init", "mine").returncode == 0
    assert call(tmp_path, "validate", "-C", "mine").returncode == 0
    again = call(tmp_path, "init", "mine")
    assert again.returncode == 2
    assert "not empty" in again.stderr


def test_the_demo_ends_with_rows_of_the_tables(tmp_path: Path) -> None:
    done = call(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    assert "analytics.sales_fact" in done.stdout
    assert (tmp_path / "cloud-etl-demo/retail/data/warehouse.duckdb").exists()
    (tmp_path / "cloud-etl-demo/retail/.cloud-etl-demo").unlink()
    assert call(tmp_path, "demo").returncode == 2


def test_a_quiet_run_still_says_why_it_failed(shop: Path) -> None:
    orders = shop / "pipelines/orders.yaml"
    orders.write_text(orders.read_text().replace("  checks:", '  fail_when: {rejected_above: "1%"}\n  checks:'))
    done = call(shop, "run", "--all", "--quiet")
    assert done.returncode == 3
    assert "error: orders:" in done.stderr
    assert "more than 1% of the records read" in done.stderr


def test_an_unknown_engine_starts_no_run(shop: Path) -> None:
    assert call(shop, "run", "--all", "--engine", "spork").returncode == 2
    assert not (shop / "data/runs").exists()


def test_ledger_shows_the_last_run_that_took_files(shop: Path) -> None:
    call(shop, "run", "--all", "--quiet")
    call(shop, "run", "--all", "--quiet")
    assert "Records read" in call(shop, "ledger").stdout


def test_quarantine_shows_the_last_run_that_took_files(shop: Path) -> None:
    call(shop, "run", "--all", "--quiet")
    call(shop, "run", "--all", "--quiet")
    assert "too_few_fields" in call(shop, "quarantine", "show").stdout


def test_a_run_that_was_killed_is_named_by_runs_and_told_apart_by_ledger(shop: Path) -> None:
    killed = "20240102T030405Z-abcdef"
    journal = shop / "data/runs" / killed / "journal"
    journal.mkdir(parents=True)
    (journal / "0001-orders-extract.json").write_text("{}")
    assert f"killed or still under way: {killed}" in call(shop, "runs").stdout
    for arguments in (("ledger",), ("ledger", killed)):
        done = call(shop, *arguments)
        assert (done.returncode, "has left no report: it was killed" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ('sql: "SELEC * FORM input"', "sql"),
        ('python: "nomod:tidy"', "nomod"),
        ('filter: {odd: "quantity + 1"}', "not true or false"),
        ('derive: {n: "cnt(quantity)"}', "unknown function: cnt"),
    ],
)
def test_validate_lets_the_engine_look_at_steps(shop: Path, step: str, words: str) -> None:
    orders = shop / "pipelines/orders.yaml"
    orders.write_text(orders.read_text().replace("quality:", f"  - {step}\nquality:", 1))
    done = call(shop, "validate")
    assert done.returncode == 2
    assert "pipelines/orders.yaml:" in done.stderr
    assert words in done.stderr


def test_of_two_runs_at_once_one_does_all_and_the_other_nothing(shop: Path) -> None:
    first = subprocess.Popen(
        [str(Path(sys.executable).with_name("cloud-etl")), "run", "--all", "--quiet"], cwd=shop, env={**os.environ}
    )
    try:
        while first.poll() is None and not (shop / "data/leases/orders.json").exists():
            time.sleep(0.02)
        second = call(shop, "run", "--all", "--quiet")
    finally:
        code = first.wait(timeout=120)
    assert code == 0
    # On a busy machine the second may begin when the first is done: then there is nothing left to do.
    assert second.returncode in (0, 6)
    assert second.returncode == 0 or "is being run by" in second.stderr
    assert len(list((shop / "data/runs").iterdir())) == 1


def test_a_source_that_is_not_there_does_not_keep_the_others_from_being_planned(shop: Path) -> None:
    (shop / "data/raw-data/customers/all.jsonl").rename(shop / "data/raw-data/all.jsonl")
    (shop / "data/raw-data/customers").rmdir()
    done = call(shop, "plan", "--all")
    assert done.returncode == 4
    assert "customers does not exist" in done.stdout
    assert "day1.csv" in done.stdout
    assert "there are no new ones" not in done.stdout


def test_help_writes_arguments_that_may_be_left_out_in_one_pair_of_brackets(shop: Path) -> None:
    for command, usage in (("run", "run [OPTIONS] [PIPELINE]..."), ("ledger", "ledger [OPTIONS] [RUN]")):
        lines = [line.strip() for line in call(shop, command, "--help").stdout.splitlines()]
        assert f"Usage: cloud-etl {usage}" in lines
