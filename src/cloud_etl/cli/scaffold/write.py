"""Write an example project: from the installed package, or from the checkout it is installed from."""

from __future__ import annotations

import shutil
from pathlib import Path

from cloud_etl.config.json_schema import FILES, schema_text
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import TargetError, UsageError

EXAMPLES = ("retail", "flights")
EMPTY = "empty"
# What makes a project; the examples' generators and expected results stay in the repository.
_PARTS = ("README.md", ".gitignore", "cloud-etl.yaml", "pipelines", "data/raw-data", "prepare.py")


def write_example(name: str, folder: Path) -> tuple[str, ...]:
    """Write a running project into a folder, which must be new or empty.

    Args:
        name: one of EXAMPLES, flights without raw data, which its prepare.py writes; or EMPTY, a pipeline to fill in.
        folder: made where it is not there yet.

    Returns:
        Paths of the files written, below the folder, in order.

    Raises:
        UsageError: there is no such example, or the folder holds something; nothing was written.
        TargetError: the folder cannot be written; what was written until then is left.
    """
    if name not in (*EXAMPLES, EMPTY):
        raise UsageError(f"no example is named {name!r}{did_you_mean(name, EXAMPLES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty. Nothing was written. Name a new folder.")
    source = _source(name)
    try:
        for part in _PARTS:
            _copy(source / part, folder / part)
        for schema, file in FILES.items():
            (folder / file).write_text(schema_text(schema), encoding="utf-8")
    except OSError as error:
        raise TargetError(
            f"The project could not be written to {folder}: {error.strerror}. Remove what is there."
        ) from error
    return tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))


def _source(name: str) -> Path:
    packaged = Path(__file__).parent / name
    if packaged.is_dir():
        return packaged
    # An editable install: the wheel's copy of the examples is the repository's own folder.
    return Path(__file__).parents[4] / "examples" / name


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__"))
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
