"""The server's own process: data that survives, and nothing that runs on after it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

pytestmark = pytest.mark.integration


def _start(folder: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    command = [sys.executable, "-m", "cloud_etl.local_aws.redshift", "--folder", str(folder)]
    process = subprocess.Popen(
        [*command, "--s3-endpoint", "http://127.0.0.1:1"], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout
    return process, json.loads(process.stdout.readline())


def _run(ready: dict[str, str], sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(
        host=ready["host"], port=ready["port"], user=ready["user"], password=ready["password"],
        dbname=ready["database"], sslmode="verify-full", sslrootcert=ready["certificate"], autocommit=True,
    ) as connection:  # fmt: skip
        done = connection.execute(sql)
        return done.fetchall() if done.description else []


def _is_running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_a_killed_server_leaves_no_postgres_and_the_next_one_has_the_data(tmp_path: Path) -> None:
    first, ready = _start(tmp_path)
    _run(ready, "CREATE TABLE kept (id INT) DISTKEY (id)")
    _run(ready, "INSERT INTO kept VALUES (1), (2)")
    postgres = int((tmp_path / "pgdata" / "postmaster.pid").read_text().split()[0])
    first.kill()
    first.wait()
    assert first.stdout
    first.stdout.close()
    deadline = time.monotonic() + 20
    while _is_running(postgres) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(postgres)

    second, again = _start(tmp_path)
    assert again["password"] == ready["password"]
    assert _run(again, "SELECT count(*) FROM kept") == [(2,)]
    assert _run(again, """SELECT diststyle FROM svv_table_info WHERE "table" = 'kept'""") == [("KEY(id)",)]
    postgres = int((tmp_path / "pgdata" / "postmaster.pid").read_text().split()[0])
    os.kill(second.pid, signal.SIGTERM)
    assert second.wait(30) == 0
    assert second.stdout
    second.stdout.close()
    assert not _is_running(postgres)
