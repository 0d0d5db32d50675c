"""The components of a run, opened together and closed together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cloud_etl import backends
from cloud_etl.domain.environment import PROVIDED_JARS
from cloud_etl.domain.resources import MIB, Resources, bytes_of
from cloud_etl.engines.machine import Machine, bound_libraries, engine_within, resources_of
from cloud_etl.engines.s3a import s3a_jars, s3a_settings
from cloud_etl.engines.spark_manager import SparkManager
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.pipeline.shared_host import look_at_host
from cloud_etl.pipeline.work_area import SCRATCH, WorkArea, find_work_area
from cloud_etl.pipeline.work_folder import private_base, work_folder
from cloud_etl.storage.memory_databases import kept_open
from cloud_etl.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from types import TracebackType

    from cloud_etl.config.config import LoadedProject
    from cloud_etl.domain.environment import EngineSpec
    from cloud_etl.domain.progress import Progress
    from cloud_etl.domain.warehouse import WarehouseSpec
    from cloud_etl.load.port import Loader

log = get_logger()


@dataclass(frozen=True, slots=True)
class Components:
    """What every pipeline of a run shares.

    Attributes:
        resources: what each of them may use.
        jobs: how many of them are under way at the same time at most.
    """

    project: LoadedProject
    store: ObjectStore
    loader: Loader
    spark: SparkManager
    scratch: Path
    resources: Resources
    progress: Progress
    work: WorkArea
    verifier: tuple[str, SparkManager] | None = None
    jobs: int = 1


class Wiring:
    """Opens store, warehouse and engine of an environment; a context manager that closes them in reverse."""

    def __init__(self, project: LoadedProject, progress: Progress) -> None:
        """Store what to open."""
        self._project = project
        self._progress = progress
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Nothing is opened before `components`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close whatever was opened."""
        self._stack.close()

    def components(self, *, read_only: bool = False, jobs: int | None = 1, most_jobs: int = 1) -> Components:
        """Open the store and the warehouse; the engine starts when its session is first asked for.

        Args:
            read_only: a look that must change nothing, for `plan`.
            jobs: pipelines under way at the same time; as many as the environment says, or memory and cores, without.
            most_jobs: how many there ever are that do not wait for one another.
        """
        environment, root = self._project.environment, self._project.root
        store = open_store(self._project)
        look_at_host(environment.engine)
        whole = resources_of(environment.engine, Machine.here())
        bound_libraries(whole)
        jobs = _jobs(jobs or environment.jobs, most_jobs, environment.engine, whole)
        resources = whole.shared_by(jobs)
        base = private_base() if read_only else _scratch(environment.scratch, root, store)
        loader = self._stack.enter_context(open_loader(self._project, resources, read_only=read_only))
        scratch = self._stack.enter_context(work_folder(base))
        self._stack.enter_context(kept_open(scratch / "queries"))
        engine = engine_within(_anchored(environment.engine, root), _of_engine(environment.engine, whole, jobs))
        work = find_work_area(self._project, engine, store)
        far = {} if work.store is None else {**s3a_settings(environment.s3), **s3a_jars(engine)}
        spark = self._stack.enter_context(SparkManager(engine, whole.cores, scratch / "engine", far))
        verifier = None
        if (verify := engine.verify) is not None:
            second = SparkManager(engine.model_copy(update={"name": verify}), whole.cores, scratch / "verify")
            verifier = verify, self._stack.enter_context(second)
        return Components(self._project, store, loader, spark, scratch, resources, self._progress, work, verifier, jobs)


def _jobs(wanted: int | None, most: int, engine: EngineSpec, whole: Resources) -> int:
    """How many pipelines are under way at the same time."""
    if engine.verify is not None:
        return 1  # PySpark's functions speak to one engine at a time.
    jobs = min(most, whole.usual_jobs if wanted is None else wanted)
    if jobs > whole.most_jobs:
        log.warning("run.fewer_jobs", wanted=jobs, jobs=whole.most_jobs, why="engine.memory has no room for more")
    return min(jobs, whole.most_jobs)


def _of_engine(engine: EngineSpec, whole: Resources, jobs: int) -> Resources:
    """What the engine may use: a JVM leaves the others their part as it is, Sail takes turns with one pipeline."""
    return whole if jobs == 1 or engine.name != "sail" else replace(whole, memory_bytes=whole.shared_by(2).memory_bytes)


def _anchored(engine: EngineSpec, root: Path) -> EngineSpec:
    """The engine with its folders below the project, where they are relative."""
    written = {name: getattr(engine, name) for name in ("jars", "event_log")}
    names = [name for name, value in written.items() if value not in (None, PROVIDED_JARS) and "://" not in value]
    return engine.model_copy(update={name: str((root / getattr(engine, name)).resolve()) for name in names})


def open_store(project: LoadedProject) -> ObjectStore:
    """The object store of the project's environment."""
    return ObjectStore.open(project.environment.store, project.environment.s3, project.root)


def open_loader(project: LoadedProject, resources: Resources, *, read_only: bool) -> Loader:
    """The loader of the warehouse that the environment names, not yet connected."""
    warehouse = _within(project.environment.warehouse, resources)
    make = backends.backend("cloud_etl.load", warehouse.kind, "Loader")
    loader: Loader = make(warehouse, project.root, read_only=read_only)
    return loader


def _scratch(configured: str | None, root: Path, store: ObjectStore) -> Path:
    """Where work files go: beside the data of a folder store, so that publishing is a rename."""
    if configured is not None and "://" not in configured:
        return (root / configured).resolve()
    local = store.local_path(SCRATCH)
    return local if local is not None else private_base()


def _within(warehouse: WarehouseSpec, resources: Resources) -> WarehouseSpec:
    """A warehouse in this process takes no more memory and threads than the run may use."""
    duckdb = warehouse.duckdb
    if duckdb is None:
        return warehouse
    bound = {
        "memory": f"{min(bytes_of(duckdb.memory), resources.query_bytes) // MIB}MB",
        "threads": duckdb.threads or resources.cores,
    }
    return warehouse.model_copy(update={"duckdb": duckdb.model_copy(update=bound)})
