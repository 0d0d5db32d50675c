"""Let executors read the files of a batch; this process holds what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloud_etl.domain.resources import MIB
from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.engines.failures import engine_errors, engine_exceptions, quiet_client
from cloud_etl.errors import EngineError
from cloud_etl.extract.cluster.results import ClusterBatch, NumberedFile, Places, TaskResult, raised
from cloud_etl.extract.cluster.task import ReadTasks

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.progress import Progress
    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.spec import PipelineSpec

# Small files share a task, so that starting it costs less than what it does; many tasks keep all executors busy.
_LEAST_BYTES, _MOST_BYTES, _WANTED_TASKS = MIB, 64 * MIB, 64
_MOST_FILES = 1_000


def read_on_cluster(
    session: SparkSession,
    files: Sequence[FileRef],
    spec: PipelineSpec,
    run: RunContext,
    places: Places,
    progress: Progress,
) -> ClusterBatch:
    """Read files into `staged/` and `rejects/` of the work area, on the executors.

    Args:
        session: of the cluster.
        files: their order is the file index in `_row_id`.
        spec: the pipeline.
        run: the run; its scratch folder is not used.
        places: where to read and write; executors open the stores themselves.
        progress: told about each file once it is read.

    Raises:
        CloudEtlError: what stopped the first task that was stopped; as `read_batch` says.
        EngineError: executors lack cloud-etl, or died.
    """
    tasks = packed(files)
    numbers = session.range(0, len(tasks), 1, len(tasks))
    lines = numbers.mapInArrow(ReadTasks(tasks, spec, run, places), "result string")
    with engine_errors("reading the raw files on the executors"), quiet_client():
        try:
            rows = lines.collect()
        except engine_exceptions() as exc:
            if "ModuleNotFoundError" in str(exc) or "No module named" in str(exc):
                raise _not_importable() from None
            raise
    results = [TaskResult.decode(row[0]) for row in rows]
    for result in results:
        if result.error is not None:
            raise raised(result.error)
    batch = _batch(results, spec)
    for file, count in zip(files, batch.counts, strict=True):
        progress.file(file.key, file.size_bytes, file.size_bytes, count.records_read)
    return batch


def packed(files: Sequence[FileRef]) -> list[list[NumberedFile]]:
    """Files by task: the largest first and alone, small ones together."""
    total = sum(file.size_bytes for file in files)
    full = min(_MOST_BYTES, max(_LEAST_BYTES, total // _WANTED_TASKS))
    numbered = [NumberedFile(index, file) for index, file in enumerate(files)]
    tasks: list[list[NumberedFile]] = []
    held = 0
    for file in sorted(numbered, key=lambda one: (-one.ref.size_bytes, one.index)):
        if not tasks or held + file.ref.size_bytes > full or len(tasks[-1]) >= _MOST_FILES:
            tasks.append([])
            held = 0
        tasks[-1].append(file)
        held += file.ref.size_bytes
    return [sorted(task, key=lambda one: one.index) for task in tasks]


def _batch(results: Sequence[TaskResult], spec: PipelineSpec) -> ClusterBatch:
    counts = sorted(((index, count) for result in results for index, count in result.counts), key=lambda one: one[0])
    staged = tuple(one for result in results for one in result.staged)
    rejects = tuple(one for result in results for one in result.rejects)
    return ClusterBatch(
        staged, _schema(results, spec), tuple(count for _, count in counts), sum(one.rows for one in staged),
        rejects, sum(one.rows for one in rejects),
    )  # fmt: skip


def _schema(results: Sequence[TaskResult], spec: PipelineSpec) -> Schema:
    """The contract's columns, and new ones in the order of the tasks that met them first."""
    found: dict[str, str] = {}
    in_order = sorted(results, key=lambda result: min((index for index, _ in result.counts), default=0))
    for name in (name for result in in_order for name in result.new_columns):
        found.setdefault(name.casefold(), name)
    columns = [Column(name, column.type) for name, column in spec.schema_.items()]
    return Schema((*columns, *(Column(name, ColumnType("string")) for name in found.values())))


def _not_importable() -> EngineError:
    return EngineError(
        "the executors lack cloud-etl or a package that it needs. Nothing was read; send them along: "
        "`cloud-etl submit --pack` writes environment.tar.gz, for spark.archives (docs/how-to/spark-submit.md)."
    )
