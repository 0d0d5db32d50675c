"""Take a batch's staged rows through the steps of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.ledger import BarrierCount
from cloud_etl.domain.schema import REFUSED, ROW_ID
from cloud_etl.engines.dialect import read_files
from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import FATE, MarkedFrame, ReadFrom, Written, column, quoted
from cloud_etl.errors import SourceError, at
from cloud_etl.transform.aggregation import folded
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from cloud_etl.domain.run import Batch
    from cloud_etl.domain.schema import Schema
    from cloud_etl.domain.spec import AggregateSpec, PipelineSpec
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.transform.port import StepContext


@dataclass(frozen=True, slots=True)
class Transformed:
    """What the steps made of a batch.

    Attributes:
        frame: the rows after the last step; lazy.
        earlier: the frame as it was written before each barrier, in order. Rows taken out up to there are in these
            files alone; the accepted ones went on.
        barriers: labels of the barrier steps, one per written frame.
    """

    frame: MarkedFrame
    earlier: tuple[Written, ...] = ()
    barriers: tuple[str, ...] = ()

    def finish(self, written: Written) -> tuple[BarrierCount, ...]:
        """Rows before and after each barrier, once the frame is written.

        Args:
            written: `frame` on disk, also with marks that were added after the steps.
        """
        after = (*self.earlier, written)[1:]
        return tuple(
            BarrierCount(step, before.output, following.rows)
            for step, before, following in zip(self.barriers, self.earlier, after, strict=True)
        )


class DataTransformer:
    """Runs the steps of a pipeline; lazy but for barriers and for the small actions of deduplicate and join."""

    def __init__(self, context: StepContext) -> None:
        """Store what steps may use."""
        self._context = context

    def run(self, spec: PipelineSpec, batch: Batch) -> Transformed:
        """Apply the steps of `transform` in order.

        Args:
            spec: the pipeline.
            batch: its staged Parquet files; none is fine, the frame is then empty.

        Raises:
            SourceError: a staged file is missing, empty or not what the batch says.
            ConfigError: a step does not fit the columns it meets; no row was read.
            StepFailedError: a step failed on the data.
        """
        frame = self._staged(batch)
        earlier: list[Written] = []
        barriers: list[str] = []
        for number, step in enumerate(step for step in spec.transform if isinstance(step, Step)):
            if step.barrier:
                written = frame.write(self._context.work / f"before-{number}-{step.kind}")
                frame = self._accepted(written, frame)
                earlier.append(written)
                barriers.append(step.label)
            with at("transform", number, step.kind):
                frame = step.apply(frame, self._context)
        return Transformed(frame, tuple(earlier), tuple(barriers))

    def aggregate(
        self, spec: AggregateSpec, paths: Sequence[WorkPath], folder: WorkPath, partition_by: tuple[str, ...] = ()
    ) -> Written:
        """Fold accepted rows into groups and write them, with the lineage column `_rows_folded` (bigint).

        Args:
            spec: group columns and metrics.
            paths: Parquet files of the accepted rows; at least one.
            folder: takes the files; must not exist.
            partition_by: columns that make folders.
        """
        from pyspark.sql import functions as F

        frame = MarkedFrame.of_accepted(self._context.session, paths).frame
        grouped = folded(frame, spec, "aggregate").withColumn(FATE, F.lit(0))
        return MarkedFrame(grouped).write(folder, partition_by)

    def _staged(self, batch: Batch) -> MarkedFrame:
        from pyspark.sql import functions as F

        paths = tuple(_present(batch.staged))
        wanted = [*batch.schema.names, ROW_ID]
        if not paths:
            frame = self._empty(batch.schema)
        else:
            # Executors write each file with the columns that its raw files have.
            far = not all(isinstance(path, Path) for path in paths)
            frame = read_files(self._context.session, paths, _ddl(batch.schema) if far else None)
            with analysis_errors("reading the staged rows"):
                found = frame.columns
            with analysis_errors("reading the staged rows", found):
                frame = frame.select(*(column(name) for name in wanted))
                _ = frame.schema
        size_bytes = sum(path.stat().st_size for path in paths)
        frame = frame.withColumn(FATE, F.lit(0))
        return MarkedFrame(frame, size_bytes=size_bytes, read_from=ReadFrom(frame, paths))

    def _accepted(self, written: Written, before: MarkedFrame) -> MarkedFrame:
        """The accepted rows of a written frame, as a frame that knows nothing of how they came about."""
        from pyspark.sql import functions as F

        session = self._context.session
        paths = [file.path for file in written.accepted if file.rows]
        if paths:
            frame = MarkedFrame.of_accepted(session, paths)
        else:
            empty = session.createDataFrame([], before.frame.drop(FATE, REFUSED).schema)
            frame = MarkedFrame(empty.withColumn(FATE, F.lit(0)))
        return replace(frame, row_ids_unique=before.row_ids_unique)

    def _empty(self, schema: Schema) -> DataFrame:
        return self._context.session.createDataFrame([], _ddl(schema))


def _ddl(schema: Schema) -> str:
    columns = [f"{quoted(c.name)} {c.type.spark}" for c in schema.columns]
    return ", ".join([*columns, f"{ROW_ID} bigint"])


def _present(paths: Sequence[WorkPath]) -> Iterator[WorkPath]:
    """The paths; Sail would give an empty frame for one that is not there."""
    for path in paths:
        if not path.is_file() or not path.stat().st_size:
            raise SourceError(
                f"the staged file {path.name} is missing or empty. Nothing was published; "
                "run again, and see that nothing cleans the scratch folder meanwhile."
            )
        yield path
