"""Find a backend by its file name, and import the families whose members register themselves."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import UsageError

FAMILIES = ("cloud_etl.transform.steps", "cloud_etl.quality.checks")


def names(package: str) -> tuple[str, ...]:
    """Names of the modules in a package, `port` and private ones left out."""
    path = importlib.import_module(package).__path__
    found = (module.name for module in pkgutil.iter_modules(path))
    return tuple(sorted(name for name in found if name != "port" and not name.startswith("_")))


def module(package: str, name: str) -> ModuleType:
    """Import the backend module of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    known = names(package)
    if name not in known:
        raise UsageError(f"no {package.rsplit('.', 1)[-1]} backend is named {name!r}{did_you_mean(name, known)}")
    return importlib.import_module(f"{package}.{name}")


def register_families() -> None:
    """Import every step and check family, so that pipeline files can name them."""
    for package in FAMILIES:
        for name in names(package):
            importlib.import_module(f"{package}.{name}")
