"""The jars that Spark fetches, held against the checksums they had when this version was made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

from cloud_etl.errors import EngineError


@cache
def pinned() -> dict[str, str]:
    """SHA-256 by file name of every jar that the packages of engines/s3a.py come to."""
    lines = (files(__package__) / "s3a_jars.sha256").read_text().split("\n")
    return {name: digest for digest, name in (line.split() for line in lines if line)}


def check_jars(paths: Iterable[Path]) -> None:
    """Refuse jars that are not those which were looked at.

    Raises:
        EngineError: one is another, or none that is known; says which, and what to do.
    """
    for path in paths:
        known = pinned().get(path.name)
        if known is None:
            found = "is none of those that the engine asks for"
        elif _sha256(path) != known:
            found = "is not the file that this version of cloud-etl was made with: its checksum is another"
        else:
            continue
        raise EngineError(
            f"the jar {path} {found}. It was not used, and nothing was read. Delete it to have it fetched again; where "
            "it comes back so, do not trust where it comes from, and name a folder of jars of your own as engine.jars."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as jar:
        return hashlib.file_digest(jar, "sha256").hexdigest()
