"""The files of a project that a run elsewhere needs: configuration, the modules of python steps, what they include."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretStr

from cloud_etl.config.project_files import PIPELINES_FOLDER, PROJECT_FILE
from cloud_etl.config.secrets import is_reference
from cloud_etl.domain.glob import Glob
from cloud_etl.errors import ConfigError, Problem, UsageError
from cloud_etl.submit.pack import Pack
from cloud_etl.transform.function_source import parsed
from cloud_etl.transform.steps.python import Python

if TYPE_CHECKING:
    from cloud_etl.config.config import LoadedProject
    from cloud_etl.domain.submit_spec import SubmitSpec

# Far more than configuration and code take: beyond it, raw data or a warehouse file was caught by a glob.
MOST_BYTES = 64 << 20


def project_pack(loaded: LoadedProject, spec: SubmitSpec) -> Pack:
    """The project as a zip, to be unpacked anywhere.

    Raises:
        ConfigError: a file that would be packed holds a secret, with file and line.
        UsageError: a glob of submit.include finds nothing, or the files are too large to be code.
    """
    _refuse_secrets(loaded)
    root = loaded.root.resolve()
    found = {root / PROJECT_FILE}
    found.update(path for path in (root / PIPELINES_FOLDER).glob("*") if path.suffix in (".yaml", ".yml"))
    for module in _step_modules(loaded):
        found.update(_module_files(module, root))
    redshift = loaded.environment.warehouse.redshift
    if redshift is not None and redshift.tls.ca_file is not None:
        found.add(_certificates(redshift.tls.ca_file, root))
    files = tuple(_may_be_taken(root, _left_out(loaded, root))) if spec.include else ()
    for glob in spec.include:
        found.update(_included(glob, files, root))
    _refuse_large(found, root)
    return Pack("project", {path.relative_to(root).as_posix(): path for path in found}, "zip")


def _step_modules(loaded: LoadedProject) -> Iterator[str]:
    for pipeline in loaded.pipelines.values():
        for step in pipeline.transform:
            if isinstance(step, Python):
                yield step.function.split(":")[0]


def _module_files(module: str, root: Path) -> set[Path]:
    """The files of a module of the project and of all modules of the project that it imports, by their text."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        for path in _paths(waiting.pop(), root):
            if path not in found:
                found.add(path)
                waiting += _imports(path, root)
    return found


def _paths(module: str, root: Path) -> Iterator[Path]:
    """A module's file and those of the packages around it; none where it is not the project's."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                yield path


def _imports(path: Path, root: Path) -> Iterator[str]:
    """Names that a file imports; `from a import b` may mean the module a.b, so both are named."""
    try:
        tree = parsed(path)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # The run says where, with the line.
    package = path.relative_to(root).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            yield from ([base] if base else [])
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _certificates(ca_file: str, root: Path) -> Path:
    """The file of certificates that the warehouse's connection trusts."""
    path = (root / ca_file).resolve()
    if not path.is_relative_to(root):
        raise UsageError(
            f"tls.ca_file {ca_file} lies outside the project, where a submitted run would not find it. Nothing was "
            "sent. Put it into the project's folder."
        )
    return path


def _included(glob: str, files: Sequence[Path], root: Path) -> set[Path]:
    """What a glob of submit.include stands for."""
    wanted = Glob(PurePosixPath(glob).as_posix())
    found = {path for path in files if wanted.fits(path.relative_to(root).as_posix())}
    if not found:
        raise UsageError(
            f"submit.include {glob!r} finds no file below {root} that may be taken. Nothing was sent. Hidden files, "
            "links that leave the project, and the folders of store, warehouse and log are never taken."
        )
    return found


def _may_be_taken(root: Path, left_out: tuple[Path, ...]) -> Iterator[Path]:
    """The files of the project but those that are hidden, that hold data, or that a link takes from elsewhere."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not _is_hidden(name) and here / name not in left_out]
        for path in (here / name for name in names if not _is_hidden(name)):
            # A link may lead to what must not leave this machine.
            if path not in left_out and path.is_file() and path.resolve().is_relative_to(root):
                yield path


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def _left_out(loaded: LoadedProject, root: Path) -> tuple[Path, ...]:
    """Folders and files that hold data or logs, of any environment of the project."""
    places: list[str] = []
    for environment in loaded.spec.environments.values():
        places += [environment.log.folder, environment.scratch or "", environment.store.removeprefix("file://")]
        places += [str(getattr(kind, "path", "")) for _, kind in environment.warehouse if isinstance(kind, BaseModel)]
    found = {(root / place).resolve() for place in places if place and "://" not in place}
    return tuple(place for place in found if place != root)


def _refuse_large(found: set[Path], root: Path) -> None:
    sizes = {path: path.stat().st_size for path in found}
    if sum(sizes.values()) > MOST_BYTES:
        largest = max(sizes, key=lambda path: sizes[path])
        raise UsageError(
            f"the project's files are {sum(sizes.values()) >> 20} MB, more than the {MOST_BYTES >> 20} MB that are "
            f"sent with a run; the largest is {largest.relative_to(root)}. Nothing was sent. "
            "Data belongs into the store; narrow submit.include."
        )


def _refuse_secrets(loaded: LoadedProject) -> None:
    problems: list[Problem] = []
    for name, environment in loaded.spec.environments.items():
        for path in _written_secrets(environment, f"environments.{name}"):
            place = loaded.origin(path)
            # A secret that comes from a variable of this machine is in no file.
            if place.line is not None:
                problems.append(
                    place.problem(f"{path}: a secret is written here, and the file would be sent; use ${{secret:NAME}}")
                )
    if problems:
        raise ConfigError(problems)


def _written_secrets(model: BaseModel, path: str) -> Iterator[str]:
    for key, value in model:
        name = type(model).model_fields[key].alias or key
        if isinstance(value, SecretStr) and not is_reference(value.get_secret_value()):
            yield f"{path}.{name}"
        elif isinstance(value, BaseModel):
            yield from _written_secrets(value, f"{path}.{name}")
