"""Extract where executors are on other machines: they read the raw files, this process holds what they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.domain.files import batch_id
from cloud_etl.domain.run import Batch
from cloud_etl.engines.spark_settings import shown
from cloud_etl.extract.cluster import ClusterReader, Places
from cloud_etl.pipeline.reach import require_reach
from cloud_etl.storage.address import StoreAddress
from cloud_etl.storage.store_path import StorePath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.extract.cluster import WorkObject
    from cloud_etl.pipeline.wiring import Components
    from cloud_etl.storage.object_store import ObjectStore


class ClusterExtract:
    """Reads the files of a batch on the executors, into the work area."""

    def __init__(self, parts: Components, spec: PipelineSpec, run: RunContext, work: StorePath) -> None:
        """Store what to read with, and the run's place in the work area."""
        self._parts = parts
        self._spec = spec
        self._run = run
        self._work = work

    def read(self, files: Sequence[FileRef], source: ObjectStore) -> Batch:
        """Read files into typed Parquet, every record that does not fit into the rejects.

        Args:
            files: those to take, as listed.
            source: the store in which their keys are.

        Raises:
            EngineError: the executors do not reach the work area.
            SourceError: a file vanished while it was read.
            ObjectChangedError: a file was overwritten after it was listed; nothing was loaded.
        """
        parts, session = self._parts, self._parts.spark.session
        engine = parts.project.environment.engine
        require_reach(session, self._work, shown(engine.master or "the cluster"))
        parts.progress.files(len(files), sum(file.size_bytes for file in files))
        places = Places(self._address(source), self._address(self._work.store), self._work.key)
        found = ClusterReader(session, self._spec, self._run, places).read(files, parts.progress)
        source.remember_fingerprints()
        refs = tuple(files)
        return Batch(
            batch_id(refs), refs, self._paths(found.staged), found.schema, found.counts, found.staged_rows,
            self._paths(found.rejects), found.rejected_rows,
        )  # fmt: skip

    def _address(self, store: ObjectStore) -> StoreAddress:
        return StoreAddress(store.url, self._parts.project.environment.s3, self._parts.project.root)

    def _paths(self, objects: Sequence[WorkObject]) -> tuple[StorePath, ...]:
        return tuple(StorePath(self._work.store, one.key, one.size_bytes) for one in objects)
