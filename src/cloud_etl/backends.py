"""Find a backend by its file name, and import the families whose members register themselves."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import UsageError

ENGINES = "cloud_etl.engines"
FAMILIES = ("cloud_etl.transform.steps", "cloud_etl.quality.checks")


def names(package: str, kind: str = "") -> tuple[str, ...]:
    """Names of the modules in a package, `port` and private ones left out.

    Args:
        package: dotted name.
        kind: only modules that define a class of that name, or export it; nothing is imported to find out.
    """
    path = importlib.import_module(package).__path__
    found = (module.name for module in pkgutil.iter_modules(path) if module.name != "port" and module.name[0] != "_")
    return tuple(sorted(name for name in found if not kind or _offers(f"{package}.{name}", kind)))


def backend(package: str, name: str, kind: str) -> type:
    """The class `kind` of the backend module of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    known = names(package, kind)
    if name not in known:
        raise UsageError(f"no {kind.lower()} is named {name!r}{did_you_mean(name, known)}")
    found: type = getattr(importlib.import_module(f"{package}.{name}"), kind)
    return found


def _offers(module: str, kind: str) -> bool:
    spec = importlib.util.find_spec(module)
    text = Path(spec.origin).read_text() if spec and spec.origin else ""
    return re.search(rf"^class {kind}\b|^from .* import .*\b{kind}\b", text, re.MULTILINE) is not None


def register_families() -> None:
    """Import every step and check family, so that pipeline files can name them."""
    for package in FAMILIES:
        for name in names(package):
            importlib.import_module(f"{package}.{name}")
