"""Work folders: one for each process, and what dead processes left is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloud_etl.errors import TargetError
from cloud_etl.pipeline.work_folder import remove_left_behind, work_folder

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
    young.mkdir()
    old.mkdir()
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
