from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cloud_etl.storage.fingerprints import Fingerprints


def test_hashes_are_kept_while_another_pipeline_looks_at_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_text(file.name)
        os.utime(file, (1, 1))
    fingerprints = Fingerprints(tmp_path / "kept.json")
    monkeypatch.setattr("cloud_etl.storage.fingerprints._is_settled", lambda status, begun_ns: True)
    fingerprints.etag(files[0])
    fingerprints.etag(files[1])
    honest = Path.exists

    def meanwhile(self: Path) -> bool:
        fingerprints.etag(files[2])
        return honest(self)

    monkeypatch.setattr(Path, "exists", meanwhile)
    fingerprints.save()
    monkeypatch.undo()
    assert {str(file) for file in files[:2]} <= set(json.loads((tmp_path / "kept.json").read_text()))
