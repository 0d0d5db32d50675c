"""`cloud-etl local` in a project, as a person or a program types it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("local_aws")]
COMMAND = Path(sys.executable).parent / "cloud-etl"


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", **environ}
    return subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("commands") / "shop"
    assert run(root.parent, "init", "shop").returncode == 0
    yield root
    run(root, "local", "down")


def test_status_of_nothing_says_how_to_begin(tmp_path: Path) -> None:
    done = run(tmp_path, "local", "status")
    assert done.returncode == 4
    assert "There is no local AWS in" in done.stdout
    assert "Start one: cloud-etl local up" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_down_of_nothing_is_harmless(tmp_path: Path) -> None:
    done = run(tmp_path, "local", "down")
    assert (done.returncode, done.stderr) == (0, "")
    assert "was running" in done.stdout


def test_up_gives_the_project_an_environment_and_the_shell_variables(project: Path) -> None:
    before = (project / "cloud-etl.yaml").read_text()
    done = run(project, "local", "up")
    assert done.returncode == 0, done.stderr
    assert "Local AWS is up in" in done.stderr
    assert "11 raw files were copied into it" in done.stderr
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert {line[0] for line in lines} == {"export"}
    variables = dict(line[1].split("=", 1) for line in lines)
    assert variables["LOCAL_AWS_BUCKET"] == "retail-local-aws"
    assert Path(variables["REDSHIFT_CA_FILE"]).is_file()
    assert (project / "cloud-etl.yaml").read_text() == before
    shown = run(project, "config", "show", "--env", "local-aws", "--output", "json")
    environment = json.loads(shown.stdout)
    assert environment["store"] == "s3://retail-local-aws"
    assert environment["warehouse"]["redshift"]["port"] == int(variables["REDSHIFT_PORT"])
    assert variables["REDSHIFT_PASSWORD"] not in shown.stdout


def test_up_again_copies_no_file_and_writes_json_for_programs(project: Path) -> None:
    assert run(project, "local", "up").returncode == 0
    # Also from a shell that was told to work in the local AWS.
    done = run(project, "local", "up", "--output", "json", CLOUD_ETL_ENV="local-aws")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert [(part["name"], part["healthy"]) for part in found["parts"]] == [
        ("s3", True), ("aws", True), ("redshift", True),
    ]  # fmt: skip
    assert found["variables"]["CLOUD_ETL_ENV"] == "local-aws"
    assert "raw files" not in run(project, "local", "up").stderr


def test_a_raw_file_that_was_corrected_in_its_length_is_copied_again(project: Path) -> None:
    assert run(project, "local", "up").returncode == 0
    added = project / "data" / "raw-data" / "sales_data" / "notes.txt"
    added.write_text("ten\n")
    # The copy's time in the bucket is no older than this.
    os.utime(added, (time.time() - 60, time.time() - 60))
    assert "1 raw file was copied into it" in run(project, "local", "up").stderr
    assert "copied into it" not in run(project, "local", "up").stderr
    added.write_text("two\n")
    os.utime(added, (time.time() + 60, time.time() + 60))
    assert "1 raw file was copied into it" in run(project, "local", "up").stderr
    added.unlink()


def test_both_runs_end_in_the_same_tables(project: Path) -> None:
    assert run(project, "local", "up").returncode == 0
    here, there = (
        run(project, "run", "--all", "-o", "json"),
        run(project, "run", "--all", "-e", "local-aws", "-o", "json"),
    )
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    tables = [
        [(one["pipeline"], one["tables"]) for one in json.loads(done.stdout)["pipelines"]] for done in (here, there)
    ]
    assert tables[0] == tables[1]
    assert run(project, "run", "--all", "-e", "local-aws", "--quiet").returncode == 0


def test_after_down_the_environment_names_the_command_that_brings_it_back(project: Path) -> None:
    assert run(project, "local", "up").returncode == 0
    assert run(project, "local", "down").stdout.startswith("Stopped redshift, aws, s3. The data is in ")
    status = run(project, "local", "status", "--output", "json")
    assert status.returncode == 4
    assert {part["health"] for part in json.loads(status.stdout)["parts"]} == {"stopped"}
    lost = run(project, "run", "--all", "--env", "local-aws")
    assert lost.returncode == 2
    assert "while no local AWS is up; start it with: cloud-etl local up" in lost.stderr
    assert run(project, "validate").returncode == 0
