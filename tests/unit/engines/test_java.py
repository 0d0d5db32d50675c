"""Finding a Java without starting it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_etl.engines.java import require_java
from cloud_etl.errors import EngineError


def java_home(root: Path, release: str | None) -> Path:
    """A folder that looks like a Java; what stands for the program fails when it is run."""
    program = root / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    if release is not None:
        (root / "release").write_text(release)
    return root


WHOLE = 'JAVA_VERSION="17.0.15"\nMODULES="java.base jdk.incubator.vector java.xml"\n'


def test_the_java_of_java_home_is_taken_before_that_of_the_path(tmp_path):
    one, two = java_home(tmp_path / "one", WHOLE), java_home(tmp_path / "two", WHOLE)
    assert require_java({"JAVA_HOME": str(one), "PATH": str(two / "bin")}) == one
    assert require_java({"PATH": str(two / "bin")}) == two


def test_a_link_on_the_path_is_followed(tmp_path):
    home = java_home(tmp_path / "jdk", WHOLE)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    assert require_java({"PATH": str(tmp_path / "bin")}) == home


def test_a_java_that_says_nothing_of_itself_is_tried(tmp_path):
    home = java_home(tmp_path / "jdk", None)
    assert require_java({"PATH": str(home / "bin")}) == home


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ('JAVA_VERSION="1.8.0_402"\n', "is Java 8"),
        ('JAVA_VERSION="11.0.2"\n', "is Java 11"),
        ('JAVA_VERSION="21"\nMODULES="java.base"\n', "lacks the module jdk.incubator.vector"),
    ],
)
def test_a_java_that_spark_cannot_use_is_refused_with_the_command_that_installs_one(tmp_path, release, said):
    home = java_home(tmp_path / "jdk", release)
    with pytest.raises(EngineError, match=said) as raised:
        require_java({"PATH": str(home / "bin")})
    assert "install" in str(raised.value)
    assert "--engine sail" in str(raised.value)


def test_no_java_and_an_empty_java_home_are_told_apart(tmp_path):
    with pytest.raises(EngineError, match="none on the path"):
        require_java({"PATH": str(tmp_path)})
    home = java_home(tmp_path / "jdk", WHOLE)
    with pytest.raises(EngineError, match="JAVA_HOME has no bin/java"):
        require_java({"JAVA_HOME": str(tmp_path), "PATH": str(home / "bin")})
