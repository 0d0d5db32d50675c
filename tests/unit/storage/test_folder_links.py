"""A folder that was inside the store and later leads out of it is refused: what was once found is not believed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import UnsafeKeyError
from cloud_etl.storage.folder_store import FolderStore


def test_a_folder_that_becomes_a_link_out_of_the_store_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", S3Spec())
    store.write("raw/a.csv", b"1")
    assert store.local_path("raw/a.csv").read_bytes() == b"1"
    outside = tmp_path / "outside"
    (tmp_path / "store" / "raw").rename(outside)
    (tmp_path / "store" / "raw").symlink_to(outside)
    with pytest.raises(UnsafeKeyError):
        store.local_path("raw/a.csv")
