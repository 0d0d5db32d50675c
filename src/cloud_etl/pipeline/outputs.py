"""Make every output of a pipeline from the accepted frame and publish it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.ledger import OutputCount
from cloud_etl.domain.schema import ROW_ID, ROWS_FOLDED, Schema
from cloud_etl.engines.marked_frame import FATE, MarkedFrame, Written, column
from cloud_etl.pipeline.output_schema import output_schemas
from cloud_etl.publish.publisher import ParquetPublisher
from cloud_etl.quality.texts import LoadedTexts
from cloud_etl.storage.parquet_footers import for_each, parquet_source
from cloud_etl.transform.transformer import DataTransformer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_etl.domain.run import Batch, Publication, RunContext
    from cloud_etl.domain.spec import OutputSpec, PipelineSpec
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.load.port import Loader
    from cloud_etl.pipeline.delivery import Delivery
    from cloud_etl.storage.object_store import ObjectStore
    from cloud_etl.transform.port import StepContext


NO_COLUMNS = Schema(())


@dataclass(frozen=True, slots=True)
class Published:
    """A publication, its account, and the column sets known to be unique in it."""

    publication: Publication
    count: OutputCount
    unique_keys: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Made:
    """An output's files before they are published, and how many accepted rows went into them."""

    output: OutputSpec
    written: Written
    rows_in: int
    unique_keys: tuple[frozenset[str], ...]


def whole_frame_output(spec: PipelineSpec) -> OutputSpec | None:
    """The output that takes the accepted frame as it is written: the first without aggregate and columns."""
    return next((output for output in spec.outputs if output.aggregate is None and not output.columns), None)


def loaded_texts(spec: PipelineSpec, loader: Loader) -> tuple[LoadedTexts, ...]:
    """What the warehouse takes as texts of the accepted frame; those that aggregates make are no texts of a row."""
    found = []
    for output in spec.outputs:
        limits = None if output.load is None else loader.text_limits(output.load)
        if limits is not None:
            columns = output.aggregate.group_by if output.aggregate else output.columns or None
            found.append(LoadedTexts(columns, limits))
    return tuple(found)


def jobs(spec: PipelineSpec, frame: MarkedFrame, written: Written, context: StepContext) -> tuple[Made, ...]:
    """Make every output of an accepted frame that holds a row; one that takes it as it is costs nothing."""
    whole = whole_frame_output(spec)
    return tuple(
        Made(output, written, written.output, frame.unique_keys)
        if output is whole
        else _job(output, written, frame.unique_keys, context)
        for output in spec.outputs
    )


def _job(output: OutputSpec, written: Written, unique_keys: tuple[frozenset[str], ...], context: StepContext) -> Made:
    paths = [file.path for file in written.accepted]
    folder = context.work / f"output-{output.name}"
    if output.aggregate is not None:
        folded = DataTransformer(context).aggregate(output.aggregate, paths, folder)
        return Made(output, folded, _rows_folded(folded), (frozenset(output.aggregate.group_by),))
    frame = MarkedFrame.of_accepted(context.session, paths)
    names = output.columns or frame.columns
    chosen = frame.with_frame(frame.frame.select(*(column(name) for name in (*names, ROW_ID, FATE))))
    copied = chosen.write(folder, output.partition_by)
    return Made(output, copied, copied.output, tuple(keys for keys in unique_keys if keys <= set(names)))


class Outputs:
    """Makes and publishes outputs. The whole-frame output costs nothing but its move; each other is one engine job."""

    def __init__(
        self, spec: PipelineSpec, run: RunContext, store: ObjectStore, context: StepContext, delivery: Delivery
    ) -> None:
        """Store what the jobs need, and who makes their results visible."""
        self._spec = spec
        self._publisher = ParquetPublisher(store, run)
        self._context = context
        self._delivery = delivery

    def publish(self, frame: MarkedFrame, written: Written, batch: Batch) -> tuple[Published, ...]:
        """Publish every output: all of them are put in their place before the first is visible.

        Args:
            frame: the accepted frame; without a row it alone knows the columns.
            written: the same on disk; its files are moved.
            batch: the source files, named in the manifests.

        Raises:
            LeaseHeldError: another run has taken the pipeline over; nothing is visible.
        """
        schemas: Mapping[str, Schema] = {}
        if written.output:
            # Jobs first: they read the accepted files, which the whole-frame output then moves away.
            made = jobs(self._spec, frame, written, self._context)
        else:
            schemas = output_schemas(self._spec, frame.frame, batch.schema)
            made = tuple(Made(output, Written((), ()), 0, ()) for output in self._spec.outputs)
        prepared = [
            self._publisher.prepare(one.output, one.written, batch, schemas.get(one.output.name, NO_COLUMNS))
            for one in made
        ]
        shown = self._delivery.show(prepared, batch.files)
        return tuple(_published(one, publication) for one, publication in zip(made, shown, strict=True))


def _published(made: Made, publication: Publication) -> Published:
    count = OutputCount(publication.output, made.rows_in, publication.rows, publication.aggregated)
    return Published(publication, count, made.unique_keys)


def _rows_folded(written: Written) -> int:
    """Rows that went into an aggregate: the sum of its lineage column, read from the files."""
    return sum(for_each(_folded_in, [file.path for file in written.accepted]))


def _folded_in(path: WorkPath) -> int:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with parquet_source(path) as source:
        found = pc.sum(pq.read_table(source, columns=[ROWS_FOLDED]).column(0))
    return int(found.as_py() or 0)
