"""Bring a batch that this machine has read to executors on other machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloud_etl.domain.run import Batch
    from cloud_etl.domain.work_path import RemotePath, WorkPath


def uploaded(batch: Batch, work: RemotePath) -> Batch:
    """The batch with its files in the work area; those of this machine are gone."""
    return replace(
        batch,
        staged=tuple(_moved(batch.staged, work / "staged")),
        rejects=tuple(_moved(batch.rejects, work / "rejects")),
    )


def _moved(paths: Iterable[WorkPath], folder: RemotePath) -> Iterable[WorkPath]:
    for path in paths:
        if isinstance(path, Path):
            yield (folder / path.name).put(path)
            path.unlink()
        else:
            yield path
