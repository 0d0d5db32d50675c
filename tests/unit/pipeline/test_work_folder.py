"""Work folders: one for each process, and what dead processes left is removed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloud_etl.errors import TargetError
from cloud_etl.pipeline.work_folder import private_base, remove_left_behind, work_folder

HOLD = """
import sys, time
from pathlib import Path
from cloud_etl.pipeline.work_folder import work_folder
with work_folder(Path(sys.argv[1])) as folder:
    (folder / "spill").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(60)
"""


def hold(base: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(base)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_the_folder_is_gone_behind_the_block(tmp_path: Path) -> None:
    with work_folder(tmp_path / "scratch") as folder:
        (folder / "sales").mkdir()
        assert folder.parent == tmp_path / "scratch"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_folder_is_gone_behind_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), work_folder(tmp_path) as folder:
        raise RuntimeError
    assert not folder.exists()


def test_a_living_process_keeps_its_folder_and_a_killed_one_loses_it(tmp_path: Path) -> None:
    process, folder = hold(tmp_path)
    try:
        with work_folder(tmp_path) as ours:
            assert (folder / "spill").exists()
            assert ours != folder
    finally:
        end(process)
    with work_folder(tmp_path) as ours:
        assert [one.name for one in tmp_path.iterdir()] == [ours.name]


def test_a_folder_that_has_no_lock_yet_is_left_until_it_is_old(tmp_path: Path) -> None:
    young, old = tmp_path / "run-young", tmp_path / "run-old"
    young.mkdir(0o700)
    old.mkdir(0o700)
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    remove_left_behind(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["run-young"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    remove_left_behind(tmp_path)
    assert (tmp_path / "sales").exists()


def test_a_base_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("")
    with (
        pytest.raises(TargetError, match=r"scratch cannot be used: .* set the environment's scratch"),
        work_folder(tmp_path / "scratch"),
    ):
        pass


def aged(folder: Path) -> Path:
    hour_ago = time.time() - 3600
    os.utime(folder, (hour_ago, hour_ago))
    return folder


def test_folders_that_no_run_made_are_never_removed(tmp_path: Path) -> None:
    """They have the name of a run's folder, no living process and every other reason to stay."""
    base, elsewhere = tmp_path / "scratch", tmp_path / "elsewhere"
    base.mkdir()
    with_files, open_to_all = base / "run-results", base / "run-shared"
    with_files.mkdir(0o700)
    (with_files / "notes.txt").write_text("mine")
    open_to_all.mkdir(0o755)
    elsewhere.mkdir(0o700)
    (elsewhere / "cloud-etl.lock").touch()
    (base / "run-link").symlink_to(elsewhere)
    with_linked_lock = base / "run-linked"
    with_linked_lock.mkdir(0o700)
    (with_linked_lock / "cloud-etl.lock").symlink_to(elsewhere / "cloud-etl.lock")
    for folder in (with_files, open_to_all, with_linked_lock):
        aged(folder)
    before = sorted(base.iterdir())
    remove_left_behind(base)
    assert sorted(base.iterdir()) == before
    assert (elsewhere / "cloud-etl.lock").exists()


def test_what_dead_runs_of_an_earlier_version_left_is_removed(tmp_path: Path) -> None:
    dead, living, other = tmp_path / "run-a1b2c3_9", tmp_path / "run-zzzzzzzz", tmp_path / "run-results"
    for folder in (dead, living, other):
        folder.mkdir(0o700)
        (folder / "engine").mkdir()
        (folder / "lock").touch()
    full = tmp_path / "run-bbbbbbbb"
    full.mkdir(0o700)
    (full / "lock").write_text("of somebody's own")
    with (living / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_left_behind(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["run-bbbbbbbb", "run-results", "run-zzzzzzzz"]


def test_a_link_in_the_place_of_the_temporary_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / f"cloud-etl-{os.getuid()}").symlink_to(victim)
    with pytest.raises(TargetError, match="no folder of this user"):
        private_base()
    assert list(victim.iterdir()) == []


def test_the_temporary_folder_is_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert private_base().stat().st_mode & 0o777 == 0o700
    private_base().chmod(0o777)
    assert private_base().stat().st_mode & 0o777 == 0o700


def test_a_base_that_every_user_may_change_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "open"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(TargetError, match="every user"), work_folder(base):
        pass
    base.chmod(0o1777)
    with work_folder(base) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_that_another_user_made_where_all_may_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, linked: bool
) -> None:
    tmp_path.chmod(0o1777)
    planted = tmp_path / f"cloud-etl-{os.getuid()}"
    if linked:
        (tmp_path / "target").mkdir()
        planted.symlink_to(tmp_path / "target")
    else:
        planted.mkdir()
    os.chown(planted, 65534, 65534, follow_symlinks=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(TargetError, match="no folder of this user"):
        private_base()
    with pytest.raises(TargetError, match="made by user 65534"), work_folder(planted):
        pass
    assert list(planted.iterdir()) == []
