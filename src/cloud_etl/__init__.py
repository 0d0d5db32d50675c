"""cloud-etl: raw files through PySpark into a warehouse, with every row accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud_etl.pipeline.project import Project

    __version__: str

__all__ = ["Project", "__version__"]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is first used: `import cloud_etl` loads nothing heavy."""
    if name == "Project":
        from cloud_etl.pipeline.project import Project

        return Project
    if name == "__version__":
        from importlib.metadata import version

        return version("cloud-etl")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
