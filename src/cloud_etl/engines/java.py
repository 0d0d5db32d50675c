"""Find a Java that Spark can run on, without starting it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from cloud_etl.errors import EngineError

OLDEST = 17
_NEEDED_MODULE = "jdk.incubator.vector"
_LINE = re.compile(r'^(\w+)="?([^"\n]*)"?$', re.MULTILINE)


def require_java(environ: Mapping[str, str] = os.environ) -> Path:
    """Home of the Java that Spark will start: JAVA_HOME, else the one on the path.

    Raises:
        EngineError: there is none, it is too old or cut down; the message holds the command that installs one.
    """
    home = _home(environ)
    if home is None:
        where = "JAVA_HOME has no bin/java" if environ.get("JAVA_HOME") else "there is none on the path"
        raise EngineError(f"the spark engine needs Java {OLDEST} or newer, and {where}. {_advice()}")
    facts = _facts(home)
    version = _major(facts.get("JAVA_VERSION", ""))
    if version is not None and version < OLDEST:
        raise EngineError(f"the spark engine needs Java {OLDEST} or newer; {home} is Java {version}. {_advice()}")
    modules = facts.get("MODULES", "").split()
    if modules and _NEEDED_MODULE not in modules:
        raise EngineError(
            f"the spark engine needs a whole Java; {home} was cut down and lacks the module {_NEEDED_MODULE}. "
            f"{_advice()}"
        )
    return home


def _home(environ: Mapping[str, str]) -> Path | None:
    configured = environ.get("JAVA_HOME")
    if configured:
        # Spark's own start script looks nowhere else when the variable is set.
        return Path(configured) if (Path(configured) / "bin" / "java").is_file() else None
    found = shutil.which("java", path=environ.get("PATH", ""))
    if found is None:
        return None
    home = Path(found).resolve().parent.parent
    # macOS has a /usr/bin/java that is there without any Java, only to say so.
    stub = sys.platform == "darwin" and home == Path("/usr")
    return None if stub and not any(Path("/Library/Java/JavaVirtualMachines").glob("*")) else home


def _facts(home: Path) -> dict[str, str]:
    """What the file `release` of a Java says of it; nothing where there is no such file."""
    try:
        return dict(_LINE.findall((home / "release").read_text()))
    except OSError:
        return {}


def _major(version: str) -> int | None:
    found = re.match(r"(?:1\.)?(\d+)", version)
    return int(found[1]) if found else None


def _advice() -> str:
    if sys.platform == "darwin":
        command = "brew install openjdk@17"
    elif shutil.which("apt-get"):
        command = "apt-get install openjdk-17-jre-headless"
    elif shutil.which("dnf"):
        command = "dnf install java-17-openjdk-headless"
    else:
        command = "install a JDK 17 and set JAVA_HOME to it"
    return f"Nothing was read. Get one with: {command}; or run on the sail engine, which needs none: --engine sail"
