"""Let executors read the files of a batch; this process holds what they tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cloud_etl.domain.progress import NoProgress
from cloud_etl.engines.failures import engine_errors, engine_exceptions, quiet_client
from cloud_etl.errors import EngineError
from cloud_etl.extract.cluster.batch import batch_of
from cloud_etl.extract.cluster.results import ClusterBatch, NumberedFile, Places, TaskResult, raised
from cloud_etl.extract.cluster.split import DEFAULT_SIZES, SplitSizes, packed, ranges_of, slices_of
from cloud_etl.extract.cluster.task import ReadTasks, ScanTasks, Tasks
from cloud_etl.extract.s3_extractor import S3Extractor

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.progress import Progress
    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.spec import PipelineSpec


_MODULE = re.compile(r"No module named '?([\w.]+)'?")


@dataclass(frozen=True, slots=True)
class ClusterReader:
    """Reads batches on the executors of a cluster.

    Attributes:
        session: of the cluster.
        run: the run; its scratch folder is not used.
        places: where to read and write; executors open the stores themselves.
        sizes: which files are split between executors.
    """

    session: SparkSession
    spec: PipelineSpec
    run: RunContext
    places: Places
    sizes: SplitSizes = DEFAULT_SIZES

    def read(self, files: Sequence[FileRef], progress: Progress) -> ClusterBatch:
        """Read files into `staged/` and `rejects/` of the work area.

        Args:
            files: their order is the file index in `_row_id`.
            progress: told about each file once it is read.

        Raises:
            CloudEtlError: what stopped the first task that was stopped; as `read_batch` says.
            EngineError: executors lack cloud-etl, or died.
        """
        whole = [NumberedFile(index, file) for index, file in enumerate(files)]
        parts = self._split(whole)
        tasks = packed(parts)
        results = list(zip(tasks, self._results(ReadTasks(tasks, self.spec, self.run, self.places)), strict=True))
        entangled = {task[0].index for task, result in results if result.entangled}
        entangled |= self._beyond_rejects([result for _, result in results])
        kept = [result for task, result in results if task[0].index not in entangled]
        if entangled:
            again = packed([whole[index] for index in entangled])
            kept += self._results(ReadTasks(again, self.spec, self.run, self.places))
        self._check_unchanged([part.ref for part in parts if part.slice is not None and part.slice.start == 0])
        batch = batch_of(kept, self.spec)
        for file, count in zip(files, batch.counts, strict=True):
            progress.file(file.key, file.size_bytes, file.size_bytes, count.records_read)
        return batch

    def _split(self, files: Sequence[NumberedFile]) -> list[NumberedFile]:
        """The files, and in place of those that can be split their slices."""
        ranges = {file.index: ranges_of(file, self.spec, self.sizes) for file in files}
        tasks = [[one] for parts in ranges.values() for one in parts]
        results = iter(self._results(ScanTasks(tasks, self.spec, self.run, self.places)) if tasks else ())
        split: list[NumberedFile] = []
        for file in files:
            scans = [result.scan for result in islice(results, len(ranges[file.index])) if result.scan is not None]
            split += slices_of(ranges[file.index], scans) if scans else [file]
        return split

    def _beyond_rejects(self, results: Sequence[TaskResult]) -> set[int]:
        """Files of which slices refused more records together than a file may: read whole, each is refused as one."""
        most = self.spec.source.limits.rejects
        refused: Counter[int] = Counter()
        for result in results:
            refused.update({index: count.rejected for index, count in result.counts})
        return set() if most is None else {index for index, count in refused.items() if count > most}

    def _results(self, tasks: Tasks) -> list[TaskResult]:
        """Run a job; the results are in the order of its tasks."""
        count = len(tasks.tasks)
        lines = self.session.range(0, count, 1, count).mapInArrow(tasks, "result string")
        with engine_errors("reading the raw files on the executors"), quiet_client():
            try:
                rows = lines.collect()
            except engine_exceptions() as exc:
                if (lacking := _MODULE.search(str(exc))) is not None:
                    raise _not_importable(lacking[1]) from None
                raise
        results = [TaskResult.decode(row[0]) for row in rows]
        for result in results:
            if result.error is not None:
                raise raised(result.error)
        return results

    def _check_unchanged(self, files: Sequence[FileRef]) -> None:
        """Look at files again that were read in slices: a folder cannot pin what is read of them."""
        extractor = S3Extractor(self.places.source.open(), self.spec, self.run, NoProgress())
        for file in files:
            extractor.store.verify(file)


def _not_importable(module: str) -> EngineError:
    return EngineError(
        f"the Python of the executors lacks {module}. Nothing was read; name a Python that has cloud-etl by "
        "spark.pyspark.python in engine.config, or send one along: `cloud-etl submit --pack` writes "
        "environment.tar.gz, for spark.archives (docs/how-to/spark-submit.md)."
    )
