"""Where the bulky files of a run lie: a folder of this machine, or a prefix of the object store."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.engines.spark import master_of
from cloud_etl.engines.spark_settings import shown
from cloud_etl.errors import CloudEtlError, ConfigError, EngineError, Problem
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.storage.object_store import ObjectStore
from cloud_etl.storage.store_path import StorePath

if TYPE_CHECKING:
    from cloud_etl.config.config import LoadedProject
    from cloud_etl.domain.environment import EngineSpec
    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.work_path import WorkPath

SCRATCH = ".scratch"
_S3 = "s3://"

log = get_logger()


@dataclass(frozen=True, slots=True)
class WorkArea:
    """The place of staged files, written frames and outputs until they are published.

    Attributes:
        store: what executors on other machines read and write; None where the run's scratch folder serves.
    """

    store: ObjectStore | None = None

    @contextmanager
    def held(self, run: RunContext) -> Iterator[WorkPath]:
        """A place of the run's own for the length of a block, empty at first and removed at the end.

        What killed runs of this pipeline left in the store is removed first; the caller holds the pipeline's lease.

        Raises:
            CloudEtlError: what was left cannot be removed.
        """
        run.scratch.mkdir(parents=True)
        try:
            if self.store is None:
                yield run.scratch
            else:
                with _prefix(self.store, run) as prefix:
                    yield prefix
        finally:
            shutil.rmtree(run.scratch.parent, ignore_errors=True)


@contextmanager
def _prefix(store: ObjectStore, run: RunContext) -> Iterator[StorePath]:
    for left in store.folders(run.pipeline):
        if left > run.run_id:
            continue  # Ids begin with the time: that run came after this one, which has lost its lease.
        store.delete_prefix(f"{run.pipeline}/{left}")
        log.info("scratch.removed", folder=store.uri(f"{run.pipeline}/{left}"))
    prefix = StorePath(store, f"{run.pipeline}/{run.run_id}")
    try:
        yield prefix
    finally:
        try:
            store.delete_prefix(prefix.key)
        except CloudEtlError as exc:
            # The run has ended, well or not; the next one of this pipeline removes them.
            log.warning("scratch.left", folder=str(prefix), error=str(exc))


def find_work_area(project: LoadedProject, engine: EngineSpec, store: ObjectStore) -> WorkArea:
    """The work area of an environment.

    Raises:
        ConfigError: engine and scratch do not go together.
        EngineError: executors are on other machines and would not see the work files.
    """
    environment = project.environment
    configured = environment.scratch
    if configured is not None and configured.startswith(_S3):
        # Two stores may share one scratch, and their pipelines may have the same names.
        own = hashlib.sha256(store.url.encode()).hexdigest()[:12]
        return _in_s3(project, engine, f"{configured.rstrip('/')}/{own}")
    if configured is not None or engine.name != "spark":
        return WorkArea()
    master = master_of(engine)
    if master.is_here:
        return WorkArea()
    if not store.url.startswith(_S3):
        raise EngineError(
            f"the executors of {shown(master.url)} cannot see {store.url}, where the files of this run lie. Nothing "
            "was read; use an s3:// store, or set scratch to a folder that this machine and all executors share."
        )
    return _in_s3(project, engine, f"{store.url}/{SCRATCH}")


def _in_s3(project: LoadedProject, engine: EngineSpec, url: str) -> WorkArea:
    s3 = project.environment.s3
    problem = None
    if engine.name != "spark":
        problem = f"the {engine.name} engine works in a folder of this machine, and scratch is {url}; leave scratch "
        problem += "out, or run with --engine spark"
    elif engine.verify is not None:
        problem = f"verify: a second engine reads the work files of the first on this machine, and they lie in {url}; "
        problem += "verify with engine.master local[*] and a scratch folder, on a part of the data"
    elif s3.profile is not None:
        problem = "s3.profile: the machines of the cluster do not have it; without it each takes its own role"
    if problem is not None:
        raise ConfigError([Problem(problem)])
    return WorkArea(ObjectStore.open(url, s3, project.root))
