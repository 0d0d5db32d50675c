"""Files are for their user alone while any run of the process is under way, and as before afterwards."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from cloud_etl.storage.private_files import private_files


def mode(path: Path) -> int:
    path.touch()
    return path.stat().st_mode & 0o777


def test_of_blocks_that_overlap_the_last_one_puts_back_what_was_there(tmp_path: Path) -> None:
    before = os.umask(0o002)
    first_begun, second_begun, first_ended = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with private_files():
            first_begun.set()
            second_begun.wait(5)
        first_ended.set()

    try:
        thread = threading.Thread(target=first)
        thread.start()
        first_begun.wait(5)
        with private_files():
            second_begun.set()
            first_ended.wait(5)
            assert mode(tmp_path / "within") == 0o600
        thread.join()
        assert mode(tmp_path / "after") == 0o664
    finally:
        os.umask(before)
