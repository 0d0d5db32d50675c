"""A run stays within engine.memory: larger input takes longer, not more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks.make_sales import write_sales

MIB = 1 << 20
JOB = Path(__file__).parents[3] / "benchmarks" / "job"
ROWS = 400_000
CLOUD_ETL = str(Path(sys.executable).with_name("cloud-etl"))


def anonymous_bytes(pid: int) -> int:
    """Memory that is the process's own; pages of libraries are shared and dropped when the system needs them."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


@dataclass(frozen=True)
class ControlGroup:
    """A control group of the kernel, version 1 or 2, that ends processes which need more memory than it has."""

    folder: Path
    limit: str
    anonymous: str

    @property
    def anonymous_bytes(self) -> int:
        lines = (self.folder / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{self.anonymous} "))

    @property
    def killed(self) -> int:
        lines = [
            line
            for name in ("memory.oom_control", "memory.events")
            if (self.folder / name).exists()
            for line in (self.folder / name).read_text().splitlines()
        ]
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


@pytest.fixture
def control_group() -> Iterator[ControlGroup]:
    name = f"cloud-etl-{uuid.uuid4().hex[:8]}"
    for root, limit, anonymous in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss"),
        ("/sys/fs/cgroup", "memory.max", "anon"),
    ):
        folder = Path(root, name)
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / limit).exists():
            yield ControlGroup(folder, limit, anonymous)
            folder.rmdir()
            return
        folder.rmdir()
    pytest.skip("may not make a control group with a limit on memory")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(JOB, folder)
    settings = folder / "cloud-etl.yaml"
    settings.write_text(settings.read_text().replace("memory: 2GB", "memory: 512MB"))
    write_sales(folder / "raw-data" / "sales" / "sales.csv", ROWS)
    return folder


def run_measured(project: Path, log: Path) -> tuple[int, int]:
    """Exit code and the largest memory of the process; all of a run on Sail is in one process."""
    command = [CLOUD_ETL, "run", "--all", "--quiet"]
    peak = 0
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=project, stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, anonymous_bytes(process.pid))
            time.sleep(0.01)
    return process.returncode, peak


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_stays_within_half_a_gigabyte(project: Path, tmp_path: Path) -> None:
    code, peak = run_measured(project, tmp_path / "log")
    assert code == 0, (tmp_path / "log").read_text()
    assert 100 * MIB < peak < 512 * MIB
    assert list((project / ".scratch").iterdir()) == []


def test_input_that_does_not_fit_on_the_disk_is_refused_before_work(project: Path, tmp_path: Path) -> None:
    if os.getuid() or shutil.which("mount") is None:
        pytest.skip("needs a small file system of its own")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("may not mount")
    try:
        settings = project / "cloud-etl.yaml"
        settings.write_text(settings.read_text().rstrip() + f"\n    scratch: {small}\n")
        code, _ = run_measured(project, tmp_path / "log")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
    text = (tmp_path / "log").read_text()
    assert (code, "are free. Nothing was downloaded" in text) == (4, True), text


@pytest.mark.parametrize(("engine", "group_mb", "bound_mb"), [("sail", 768, 537), ("spark", 1600, 1120)])
def test_a_run_in_a_control_group_takes_its_share_and_is_not_killed(
    project: Path, control_group: ControlGroup, tmp_path: Path, engine: str, group_mb: int, bound_mb: int
) -> None:
    """Memory is `auto`: 70% of the group, for Python, the engine and its JVM together."""
    settings = project / "cloud-etl.yaml"
    settings.write_text(settings.read_text().replace("name: sail, memory: 512MB", f"name: {engine}"))
    (control_group.folder / control_group.limit).write_text(str(group_mb * MIB))
    command = f'echo $$ > {control_group.folder}/cgroup.procs; exec "{CLOUD_ETL}" run --all --quiet'
    peak = 0
    with (tmp_path / "log").open("wb") as out:
        process = subprocess.Popen(["/bin/sh", "-c", command], cwd=project, stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, control_group.anonymous_bytes)
            time.sleep(0.02)
    assert process.returncode == 0, (tmp_path / "log").read_text()
    assert control_group.killed == 0
    assert 100 * MIB < peak < bound_mb * MIB, peak // MIB
