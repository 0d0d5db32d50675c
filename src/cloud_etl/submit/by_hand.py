"""Write what spark-submit needs into a folder, for clusters that no backend knows: YARN, Kubernetes, standalone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.submit_spec import SubmitSpec
from cloud_etl.errors import TargetError
from cloud_etl.pipeline.check import check_project
from cloud_etl.pipeline.order import in_order
from cloud_etl.state.journal import new_run_id
from cloud_etl.submit.job import arguments
from cloud_etl.submit.packages import environment_pack
from cloud_etl.submit.project_pack import project_pack
from cloud_etl.submit.submission import entry_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_etl.config.config import LoadedProject

ENTRY, PROJECT, ENVIRONMENT = "entry.py", "project.zip", "environment.tar.gz"


@dataclass(frozen=True, slots=True)
class WrittenPacks:
    """What spark-submit is given: the entry script first, then the archives; and the script's arguments."""

    files: tuple[Path, ...]
    arguments: tuple[str, ...]


def write_packs(loaded: LoadedProject, names: Sequence[str], folder: Path) -> WrittenPacks:
    """Write entry.py, project.zip and environment.tar.gz; files of those names are replaced.

    Raises:
        ConfigError: the project is off, or a file of it holds a secret.
        UsageError: a pipeline or a package is not there.
        TargetError: the folder cannot be written.
    """
    check_project(loaded)
    ordered = in_order(names, loaded.pipelines)
    spec = loaded.environment.submit or SubmitSpec()
    now = datetime.now(UTC)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ENTRY).write_bytes(entry_script())
    except OSError as exc:
        raise TargetError(f"{folder / ENTRY} cannot be written: {exc.strerror}. Choose another folder.") from exc
    project_pack(loaded, spec).write(folder / PROJECT)
    environment_pack(spec.packages).write(folder / ENVIRONMENT)
    return WrittenPacks(
        files=tuple(folder / name for name in (ENTRY, PROJECT, ENVIRONMENT)),
        arguments=arguments(new_run_id(now), loaded.environment_name, ordered, now.date(), strict=False),
    )
