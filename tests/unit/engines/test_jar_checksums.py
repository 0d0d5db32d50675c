"""Jars that were fetched are used only where they are those that were looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_etl.engines import jar_checksums
from cloud_etl.engines.jar_checksums import check_jars, pinned
from cloud_etl.engines.s3a import pinned_packages
from cloud_etl.errors import EngineError


def test_every_package_that_is_asked_for_is_pinned() -> None:
    for package in pinned_packages().split(","):
        group, name, version = package.split(":")
        assert f"{group}_{name}-{version}.jar" in pinned()
    assert all(len(digest) == 64 and int(digest, 16) for digest in pinned().values())


def test_a_jar_that_is_another_or_not_known_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    monkeypatch.setattr(jar_checksums, "pinned", lambda: {"a.jar": known})
    (tmp_path / "a.jar").write_bytes(b"hello")
    check_jars([tmp_path / "a.jar"])
    (tmp_path / "a.jar").write_bytes(b"hello!")
    with pytest.raises(EngineError, match=r"a\.jar is not the file .* its checksum is another.*It was not used"):
        check_jars([tmp_path / "a.jar"])
    with pytest.raises(EngineError, match=r"b\.jar is none of those"):
        check_jars([tmp_path / "b.jar"])
