"""The Python packages that a run needs beside Spark itself: cloud-etl's, with all they require."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import cloud_etl
from cloud_etl.errors import UsageError
from cloud_etl.submit.pack import Pack

OWN = "cloud-etl"
# Spark is the cluster's, of its own version; Sail is not used there.
LEFT_OUT = frozenset({"pyspark", "pyspark-client", "pyspark-connect", "py4j", "pysail"})
# What installers note for themselves: it differs from machine to machine, and direct_url.json names their folders.
_NOTES = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})
_SKIPPED_ENDINGS = (".pyc", ".pth")
_METADATA = ".dist-info"
# Raw data of the examples that `cloud-etl init` writes.
_EXAMPLES = ("cli", "scaffold")


def environment_pack(further: Iterable[str] = ()) -> Pack:
    """The packages of this Python as one archive, to be unpacked and put on the path.

    Args:
        further: names of installed packages that user code imports.

    Raises:
        UsageError: a package is not installed, or not from a wheel; says which and what to do.
    """
    files: dict[str, Path] = {}
    for found in required(further):
        files |= dict(_files(found))
    return Pack("environment", files, "tar.gz")


def required(further: Iterable[str] = ()) -> tuple[Distribution, ...]:
    """cloud-etl, further packages, and everything they require on this machine, sorted by name.

    Raises:
        UsageError: one of them is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    wanted = [(canonicalize_name(name), "", "submit.packages") for name in further] + [(OWN, "", "")]
    while wanted:
        name, extra, wanted_by = wanted.pop()
        if name in LEFT_OUT or (name, extra) in seen:
            continue
        seen.add((name, extra))
        if name not in found:
            found[name] = _installed(name, wanted_by)
        for requirement in map(Requirement, found[name].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                required_name = canonicalize_name(requirement.name)
                wanted += [(required_name, one, name) for one in ("", *requirement.extras)]
    return tuple(found[name] for name in sorted(found))


def _installed(name: str, wanted_by: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise UsageError(
            f"package {name} is not installed here, and {wanted_by} needs it. Nothing was sent. "
            f"Install it with: pip install {name}"
        ) from None


def _files(found: Distribution) -> Iterator[tuple[str, Path]]:
    """Path in the archive and file of this machine, of each file of a package."""
    name = canonicalize_name(found.metadata["Name"])
    editable = _is_editable(found)
    if editable and name != OWN:
        raise UsageError(
            f"package {name} is installed as a link to its source folder, whose files no installer has listed. "
            "Nothing was sent. Install it from a wheel, or use an image: submit.emr_serverless.dependencies: image"
        )
    if found.files is None:
        raise UsageError(
            f"package {name} was installed without a list of its files. Nothing was sent. "
            "Install it with pip into a virtual environment and submit from there."
        )
    for file in found.files:
        path = _path_in_archive(file)
        if path is not None and (name != OWN or _METADATA in path):
            yield path, Path(str(found.locate_file(file)))
    if name == OWN:
        yield from _own_files()


def _path_in_archive(file: PurePath) -> str | None:
    """Path below the archive's root; None for what installers add, and for scripts, which name the Python here."""
    if file.name in _NOTES or file.name.endswith(_SKIPPED_ENDINGS) or "__pycache__" in file.parts:
        return None
    # Poetry lists the files of a project that it links to by their absolute paths.
    if file.is_absolute() and file.parent.name.endswith(_METADATA):
        return f"{file.parent.name}/{file.name}"
    return None if file.is_absolute() or ".." in file.parts else file.as_posix()


def _own_files() -> Iterator[tuple[str, Path]]:
    """cloud-etl itself as it runs here, installed or linked to its source folder."""
    package = Path(cloud_etl.__file__).parent
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).parts
        example = parts[: len(_EXAMPLES)] == _EXAMPLES and len(parts) > len(_EXAMPLES) + 1
        if path.is_file() and "__pycache__" not in parts and path.suffix != ".pyc" and not example:
            yield "/".join(("cloud_etl", *parts)), path


def _is_editable(found: Distribution) -> bool:
    text = found.read_text("direct_url.json")
    return text is not None and bool(json.loads(text).get("dir_info", {}).get("editable"))
