"""Frames that joins and foreign keys read: a table of the warehouse, else the newest publication of an output."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import LINEAGE
from cloud_etl.engines.dialect import read_files
from cloud_etl.engines.marked_frame import quoted
from cloud_etl.errors import StepFailedError
from cloud_etl.pipeline.order import find_output
from cloud_etl.publish import manifest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from cloud_etl.domain.schema import Schema
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.load.port import Loader
    from cloud_etl.storage.object_store import ObjectStore


class References(Mapping[str, "DataFrame"]):
    """Reference frames by name, made when first asked for.

    A table holds what all batches left in it, a publication only the last batch: the table is taken where there is one.
    """

    def __init__(
        self,
        pipelines: Mapping[str, PipelineSpec],
        loader: Loader,
        store: ObjectStore,
        session: SparkSession,
        folder: WorkPath | None,
    ) -> None:
        """Store where the frames come from; folder takes the exported tables, without it frames have no rows."""
        self._pipelines = pipelines
        self._loader = loader
        self._store = store
        self._session = session
        self._folder = folder
        self._frames: dict[str, DataFrame] = {}

    def __getitem__(self, name: str) -> DataFrame:
        """The frame of that name.

        Raises:
            StepFailedError: nothing of that name has been loaded or published yet.
        """
        if name not in self._frames:
            self._frames[name] = self._read(name)
        return self._frames[name]

    def __iter__(self) -> Iterator[str]:
        """Names of the frames made so far."""
        return iter(self._frames)

    def __len__(self) -> int:
        """Frames made so far."""
        return len(self._frames)

    def _read(self, name: str) -> DataFrame:
        found = find_output(name, self._pipelines)
        output = found[1] if found else None
        table = output.load.table if output and output.load else name
        schema = self._loader.schema_of(table)
        if schema is not None:
            current_only = bool(output and output.load and output.load.mode == "scd2")
            return self._table(table, schema, current_only=current_only)
        publication = manifest.latest(self._store, output.name) if output else None
        if publication is None:
            hint = f" Run {found[0].pipeline} first, or run both: --all." if found else ""
            raise StepFailedError(
                f"reference {name!r} does not exist: no table {table}, no publication.{hint} Nothing was published."
            )
        if not publication.files or self._folder is None:
            return empty_frame(self._session, publication.schema)
        if isinstance(self._folder, Path):
            return self._frame(manifest.fetch(self._store, publication, self._folder / publication.output).local_paths)
        return self._frame(manifest.located(self._store, publication))

    def _table(self, table: str, schema: Schema, *, current_only: bool) -> DataFrame:
        if self._folder is None:
            return empty_frame(self._session, schema)
        if isinstance(self._folder, Path):
            return self._frame(self._loader.export(table, self._folder / table, current_only=current_only))
        with tempfile.TemporaryDirectory(prefix="cloud-etl-export-") as local:
            exported = self._loader.export(table, Path(local), current_only=current_only)
            return self._frame([(self._folder / table / path.name).put(path) for path in exported])

    def _frame(self, paths: Sequence[WorkPath]) -> DataFrame:
        return read_files(self._session, paths).drop(*LINEAGE)


def empty_frame(session: SparkSession, schema: Schema) -> DataFrame:
    """A frame with these columns and no row."""
    return session.createDataFrame([], ", ".join(f"{quoted(one.name)} {one.type.spark}" for one in schema.columns))
