"""What the machine and its control groups give, read from folders laid out like the kernel's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.domain.resources import MIB, Resources
from cloud_etl.engines.machine import Machine, engine_within, resources_of, tree_cpu_seconds

GIB = 1024 * MIB


@pytest.fixture
def member(tmp_path: Path) -> Path:
    path = tmp_path / "proc" / "self" / "cgroup"
    path.parent.mkdir(parents=True)
    return path


def here(tmp_path: Path) -> Machine:
    return Machine.here(tmp_path / "proc", tmp_path / "groups")


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_without_control_groups_the_machine_is_the_bound(tmp_path: Path) -> None:
    found = here(tmp_path)
    assert found.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert found.cores == len(os.sched_getaffinity(0))


def test_the_tightest_group_of_version_2_bounds(tmp_path: Path, member: Path) -> None:
    member.write_text("0::/jobs/etl\n")
    put(tmp_path / "groups", memory__max="max", cpu__max="max 100000")
    put(tmp_path / "groups" / "jobs", memory__max=str(900 * MIB), cpu__max="100000 100000")
    put(tmp_path / "groups" / "jobs" / "etl", memory__max=str(2 * GIB), cpu__max="max 100000")
    assert here(tmp_path) == Machine(900 * MIB, 1)


def test_groups_of_version_1_bound(tmp_path: Path, member: Path) -> None:
    member.write_text("5:memory:/jobs\n3:cpu,cpuacct:/jobs\n1:name=systemd:/\n0::/\n")
    put(tmp_path / "groups" / "memory" / "jobs", memory__limit_in_bytes=str(700 * MIB))
    put(tmp_path / "groups" / "memory", memory__limit_in_bytes="9223372036854771712")
    put(tmp_path / "groups" / "cpu" / "jobs", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert here(tmp_path) == Machine(700 * MIB, 1)


def test_a_quota_of_minus_one_is_none(tmp_path: Path, member: Path) -> None:
    member.write_text("3:cpu:/jobs\n")
    put(tmp_path / "groups" / "cpu" / "jobs", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert here(tmp_path).cores == len(os.sched_getaffinity(0))


def test_a_container_that_shows_the_path_of_its_host_is_bound_by_the_root_it_sees(tmp_path: Path, member: Path) -> None:
    member.write_text("5:memory:/docker/4f2a\n")
    put(tmp_path / "groups" / "memory", memory__limit_in_bytes=str(600 * MIB))
    assert here(tmp_path).memory_bytes == 600 * MIB


@pytest.mark.parametrize(
    ("machine", "expected"),
    [(24 * GIB, 4 * GIB), (2 * GIB, int(2 * GIB * 0.7)), (600 * MIB, 512 * MIB)],
)
def test_the_default_leaves_the_neighbours_their_part(machine: int, expected: int) -> None:
    assert resources_of(EngineSpec(), Machine(machine, 8)) == Resources(expected, 8)


def test_what_the_environment_says_goes_before_the_machine() -> None:
    spec = EngineSpec(memory="1GB", cores=3)
    assert resources_of(spec, Machine(64 * GIB, 8)) == Resources(GIB, 3)


def test_the_engine_is_told_figures() -> None:
    found = engine_within(EngineSpec(), Resources(1500 * MIB, 2))
    assert (found.memory, found.cores) == ("1500MB", None)


@pytest.mark.parametrize("memory_bytes", [512 * MIB, GIB, 4 * GIB, 64 * GIB])
@pytest.mark.parametrize("cores", [1, 2, 16])
def test_no_share_is_larger_than_the_whole(memory_bytes: int, cores: int) -> None:
    found = Resources(memory_bytes, cores)
    assert found.engine_pool_bytes < memory_bytes * 0.6
    assert found.query_bytes <= memory_bytes * 0.5
    assert found.segment_bytes * (2 * cores + 1) < memory_bytes * 0.3
    assert found.segment_bytes >= MIB


def test_the_time_of_a_child_counts_while_it_lives_and_afterwards() -> None:
    before = tree_cpu_seconds()
    burn = "import time\nwhile time.process_time() < 0.4: pass\nprint('burnt', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "burnt\n"
        assert tree_cpu_seconds() - before >= 0.35
        child.communicate("\n")
    assert tree_cpu_seconds() - before >= 0.35
