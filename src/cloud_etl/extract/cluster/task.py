"""What an executor does: fetch its files, read them as a laptop would, and put what it wrote into the work area."""

from __future__ import annotations

import os
import secrets
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl import backends
from cloud_etl.domain.progress import NoProgress
from cloud_etl.domain.resources import LEAST_BYTES
from cloud_etl.domain.schema import ROW_ID
from cloud_etl.errors import CloudEtlError
from cloud_etl.extract.cluster.results import NumberedFile, Places, TaskResult, WorkObject
from cloud_etl.extract.cluster.scan import scan_range
from cloud_etl.extract.reader.account import NeedsWholeFileError
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.storage.store_path import StorePath

if TYPE_CHECKING:
    import pyarrow as pa

    from cloud_etl.domain.files import LocalFile
    from cloud_etl.domain.run import Batch, RunContext
    from cloud_etl.domain.spec import PipelineSpec

# Spark tries a task four times; what passes by itself is left to it until the last.
_LAST_ATTEMPT = 3


@dataclass(frozen=True)
class Tasks(ABC):
    """The tasks of a job; a function of PySpark's mapInArrow that is sent to the executors.

    Attributes:
        tasks: files of each task, by its number.
    """

    tasks: Sequence[Sequence[NumberedFile]]
    spec: PipelineSpec
    run: RunContext
    places: Places

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One row of JSON for each task number."""
        import pyarrow as pa

        for batch in batches:
            results = [self._result(number).encode() for number in batch.column(0).to_pylist()]
            yield pa.RecordBatch.from_arrays([pa.array(results, pa.string())], ["result"])

    def _result(self, number: int) -> TaskResult:
        try:
            backends.register_families()
            return self._done(self.tasks[number], f"{number:05d}-{secrets.token_hex(4)}")
        except CloudEtlError as exc:
            if exc.retryable and _attempt() < _LAST_ATTEMPT:
                raise
            return TaskResult(error=(type(exc).__name__, str(exc)))
        except Exception as exc:  # noqa: BLE001 - its text may quote a record; Spark would tell it to everyone
            uris = ", ".join(file.ref.uri for file in self.tasks[number][:3])
            message = f"an executor stopped with {type(exc).__name__} while it read {uris}. Nothing was loaded."
            return TaskResult(error=("EngineError", f"{message} Its own log does not hold more; report it."))

    @abstractmethod
    def _done(self, files: Sequence[NumberedFile], name: str) -> TaskResult:
        """Do one task; the name is that of this attempt alone, for another may be at it as well."""

    def _extractor(self, run: RunContext) -> S3Extractor:
        return S3Extractor(self.places.source.open(), self.spec, run, NoProgress())


class ScanTasks(Tasks):
    """Look through one range of a file each."""

    def _done(self, files: Sequence[NumberedFile], name: str) -> TaskResult:
        (file,) = files
        assert file.slice is not None
        return TaskResult(scan=scan_range(self._extractor(self.run).store, file.ref, file.slice, self.spec))


class ReadTasks(Tasks):
    """Read some files, or one slice of a file, each."""

    def _done(self, files: Sequence[NumberedFile], name: str) -> TaskResult:
        with tempfile.TemporaryDirectory(prefix="cloud-etl-read-", dir=_spacious()) as folder:
            run = replace(self.run, scratch=Path(folder), cores=1, memory_bytes=LEAST_BYTES)
            extractor = self._extractor(run)
            try:
                batch = extractor.validate(_fetched(extractor, files), [file.index for file in files])
            except NeedsWholeFileError:
                return TaskResult(entangled=True)
            return self._put(batch, name, files)

    def _put(self, batch: Batch, name: str, files: Sequence[NumberedFile]) -> TaskResult:
        """Upload what was written."""
        import pyarrow.parquet as pq

        work = StorePath(self.places.work.open(), self.places.prefix)
        found: dict[str, tuple[WorkObject, ...]] = {}
        for kind, paths in (("staged", batch.staged), ("rejects", batch.rejects)):
            objects = []
            for path in paths:
                rows = pq.read_metadata(path).num_rows
                if rows and isinstance(path, Path):
                    put = (work / kind / f"{kind}-{name}-{path.name}").put(path)
                    objects.append(WorkObject(put.key, put.stat().st_size, rows))
            found[kind] = tuple(objects)
        contract = {*self.spec.schema_, ROW_ID}
        new = tuple(column for column in batch.schema.names if column not in contract)
        counts = tuple((file.index, count) for file, count in zip(files, batch.counts, strict=True))
        return TaskResult(found["staged"], found["rejects"], counts, new)


def _fetched(extractor: S3Extractor, files: Sequence[NumberedFile]) -> Sequence[LocalFile]:
    part = files[0].slice
    if part is None:
        return extractor.download([file.ref for file in files])
    return [extractor.download_slice(files[0].ref, part)]


def _attempt() -> int:
    from pyspark import TaskContext

    context = TaskContext.get()
    return _LAST_ATTEMPT if context is None else context.attemptNumber()


def _spacious() -> str | None:
    """The folder that the cluster gives its executors for temporary files, where it gives one."""
    folders = os.environ.get("SPARK_LOCAL_DIRS") or os.environ.get("LOCAL_DIRS") or ""
    first = folders.split(",")[0]
    return first if first and Path(first).is_dir() else None
