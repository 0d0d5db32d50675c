"""Publish accepted rows so that readers see all of them or none."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.run import Publication, PublishedFile
from cloud_etl.errors import ObjectExistsError, TargetError
from cloud_etl.publish import layout, manifest
from cloud_etl.publish.compact import compacted
from cloud_etl.publish.parquet_schema import footer, schema_of
from cloud_etl.storage.parquet_footers import for_each
from cloud_etl.storage.store_path import StorePath

if TYPE_CHECKING:
    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.run import Batch, RunContext
    from cloud_etl.domain.schema import Schema
    from cloud_etl.domain.spec import OutputSpec
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import Written, WrittenFile
    from cloud_etl.storage.object_store import ObjectStore

# A run that has written no manifest for so long is dead.
ORPHANED_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A work file and the key it goes to."""

    file: WrittenFile
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A publication whose files are in their place, and the manifest that will make them visible."""

    publication: Publication
    key: str
    manifest: bytes


class ParquetPublisher:
    """Moves the files of written frames to `processed-data/` and writes a manifest when all are there.

    Source: docs/adr/0007-publish-by-manifest.md
    """

    def __init__(self, store: ObjectStore, run: RunContext) -> None:
        """Store where to publish, and for which run."""
        self._store = store
        self._run = run

    def prepare(self, output: OutputSpec, written: Written, batch: Batch, empty: Schema) -> Prepared:
        """Put the accepted rows of a written frame where they are published; no reader sees them yet.

        Args:
            output: the data set; `columns` and `partition_by` were applied when the frame was written.
            written: its accepted files are moved where the store is a folder, else copied; in S3, on the server.
            batch: the source files, named in the manifest; its schema tells which text columns are json.
            empty: the schema where no file tells it, because no row was accepted.

        Returns:
            The publication, which `show` makes visible. Without rows it has no files.

        Raises:
            TargetError: a file did not arrive whole; nothing is visible.
            ObjectExistsError: the run has published this output already.
        """
        folder = layout.run_folder(output.name, self._run.run_date, self._run.run_id)
        self._refuse_published(output, folder)
        schema = schema_of([file.path for file in written.accepted], batch.schema) if written.accepted else empty
        placed = tuple(self._place(output, written, folder))
        paths = self._put(placed)
        self._verify(folder, placed, paths)
        files = tuple(
            PublishedFile(self._store.uri(one.key), one.size_bytes, one.file.rows, dict(one.file.partition))
            for one in placed
        )
        rows = sum(file.rows for file in files)
        key = f"{folder}/{layout.MANIFEST}"
        aggregated = output.aggregate is not None
        local = tuple(path for path in paths if isinstance(path, Path))
        here = local if len(local) == len(paths) else ()
        publication = Publication(output.name, self._store.uri(key), schema, files, rows, aggregated, here)
        origin = manifest.Origin(
            run_id=self._run.run_id,
            pipeline=self._run.pipeline,
            batch_id=batch.batch_id,
            files=batch.files,
            partition_by=output.partition_by,
            created_at=datetime.now(UTC),
            fence=self._run.fence,
            starts_anew=self._starts_anew(output),
        )
        return Prepared(publication, key, manifest.encode(publication, origin))

    def show(self, prepared: Prepared) -> Publication:
        """Make a publication visible to readers; the caller has proved that it still holds the pipeline."""
        self._store.write(prepared.key, prepared.manifest, once=True)
        return prepared.publication

    def withdraw(
        self, output: OutputSpec, loaded: Container[str], files: Iterable[FileRef] = (), runs: Container[str] = ()
    ) -> tuple[str, ...]:
        """Withdraw what earlier runs published and did not load, or readers of all runs would meet rows twice.

        Args:
            output: the data set.
            loaded: runs that loaded what they published; no other run before this one can load any more.
            files: withdraw what was made from one of them.
            runs: withdraw what was made by one of them.

        Returns:
            The runs whose publications were withdrawn.
        """
        withdrawn = []
        sources = frozenset(manifest.source_of(file) for file in files)
        for run_id, folder in layout.runs(self._store, output.name):
            # What was folded is loaded, all of it.
            if run_id in loaded or layout.level(run_id):
                continue
            found = manifest.claimed(self._store, f"{folder}/{layout.MANIFEST}")
            # One with our own fence is ours; with a higher one it belongs to a run that took our place.
            if found is None or found.pipeline != self._run.pipeline or found.fence >= self._run.fence > 0:
                continue
            if run_id in runs or sources & found.sources:
                self._remove(folder)
                withdrawn.append(run_id)
        return tuple(withdrawn)

    def take_back(self, output: OutputSpec) -> None:
        """Withdraw what this run published of an output; a publication that has another fence is not this run's."""
        folder = layout.run_folder(output.name, self._run.run_date, self._run.run_id)
        found = manifest.claimed(self._store, f"{folder}/{layout.MANIFEST}")
        if found is not None and found.fence == self._run.fence:
            self._remove(folder)

    def prune(self, output: OutputSpec, loaded: Container[str] = ()) -> tuple[str, ...]:
        """Remove what an output keeps no longer, and give the folders removed.

        Kept are the newest complete publications, as many as the output says, the one of this run, and incomplete ones
        whose youngest file is less than a day old: a run may still be at work there.

        Args:
            output: the data set.
            loaded: runs known to be complete, which need no look into the store.
        """
        most = 1 if self._starts_anew(output) else output.runs_kept
        complete, removed = 0, []
        for run_id, folder in layout.runs(self._store, output.name):
            is_complete = run_id in loaded or self._store.exists(f"{folder}/{layout.MANIFEST}")
            complete += is_complete
            dead = most is not None and complete > most if is_complete else self._is_orphaned(folder)
            if dead and run_id != self._run.run_id:
                self._remove(folder)
                removed.append(folder)
        return tuple(removed)

    def prune_before(self, output: OutputSpec, loaded: Container[str], runs: Container[str]) -> tuple[str, ...]:
        """Remove what runs that started an output anew and loaded it have not come to remove, and give the folders."""
        removed, has_begun = [], False
        for run_id, folder in layout.runs(self._store, output.name):
            found = None if has_begun or run_id not in runs else manifest.claimed(
                self._store, f"{folder}/{layout.MANIFEST}"
            )  # fmt: skip
            if has_begun and (run_id in loaded or layout.level(run_id)):
                self._remove(folder)
                removed.append(folder)
            has_begun = has_begun or (found is not None and found.starts_anew and run_id in loaded)
        return tuple(removed)

    def _starts_anew(self, output: OutputSpec) -> bool:
        """Whether what this run publishes is all that there is to be: a reload, unless each batch is so anyhow."""
        return self._run.choice.reload and not (output.load is not None and output.load.mode == "replace")

    def _remove(self, folder: str) -> None:
        # The manifest first: without it the files are invisible, so no reader meets half a publication.
        self._store.delete(f"{folder}/{layout.MANIFEST}")
        self._store.delete_prefix(folder)

    def _refuse_published(self, output: OutputSpec, folder: str) -> None:
        if self._store.exists(f"{folder}/{layout.MANIFEST}"):
            raise ObjectExistsError(
                f"run {self._run.run_id} has published {output.name} already ({self._store.uri(folder)}). "
                "It is untouched. Start a new run."
            )

    def _place(self, output: OutputSpec, written: Written, folder: str) -> Iterator[_Placed]:
        """Where each file with rows goes; tiny files are folded first."""

        def partition(file: WrittenFile) -> str:
            missing = [name for name in output.partition_by if name not in file.partition]
            if missing:
                raise TargetError(
                    f"output {output.name} is partitioned by {', '.join(missing)} and its files are not. "
                    "Nothing was published. This is a fault of cloud-etl: report it."
                )
            return layout.partition_folder(file.partition, output.partition_by)

        accepted = sorted(
            (file for file in written.accepted if file.rows), key=lambda file: (partition(file), str(file.path))
        )
        for number, (name, group) in enumerate(groupby(accepted, key=partition)):
            work = self._run.scratch / f"compact-{output.name}" / f"{number:05}"
            below = f"{folder}/{name}" if name else folder
            for part, file in enumerate(compacted(tuple(group), work, self._run.resources)):
                yield _Placed(file, f"{below}/part-{part:05}.parquet", file.path.stat().st_size)

    def _put(self, placed: Sequence[_Placed]) -> tuple[WorkPath, ...]:
        """Bring files into the store; gives the paths from which they can be read on this machine."""
        self._store.take_all([(one.file.path, one.key) for one in placed if not isinstance(one.file.path, Path)])
        return tuple(self._settled(one.file.path, one) for one in placed)

    def _settled(self, path: WorkPath, placed: _Placed) -> WorkPath:
        final = self._store.local_path(placed.key)
        if not isinstance(path, Path):
            return final or StorePath(self._store, placed.key, placed.size_bytes)
        if final is None:
            self._store.upload(path, placed.key)
            return path
        self._store.put_file(path, placed.key)
        return final

    def _verify(self, folder: str, placed: Sequence[_Placed], paths: Sequence[WorkPath]) -> None:
        """Compare what the store lists, and what the footers say now, with what was sent."""
        arrived = {info.key: info.size_bytes for info in self._store.list(folder)}
        for one, metadata in zip(placed, for_each(footer, paths), strict=True):
            if arrived.get(one.key) != one.size_bytes or metadata.num_rows != one.file.rows:
                raise TargetError(
                    f"{self._store.uri(one.key)} did not arrive whole ({arrived.get(one.key)} of {one.size_bytes} "
                    "bytes). No manifest was written, so no reader sees the files; they are removed after a day. "
                    "Run again."
                )

    def _is_orphaned(self, folder: str) -> bool:
        youngest = max((info.modified_at for info in self._store.list(folder)), default=None)
        return youngest is None or youngest < datetime.now(UTC) - ORPHANED_AFTER
