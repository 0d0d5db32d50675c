"""Files of an object store, a bucket or a folder: listed, pinned, fetched, read into typed Parquet."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.files import FileRef, FileSlice, LocalFile
from cloud_etl.errors import DiskSpaceError, SourceError
from cloud_etl.extract.listing import Selection
from cloud_etl.extract.source_path import SourcePlace, source_place

if TYPE_CHECKING:
    from cloud_etl.domain.progress import Progress
    from cloud_etl.domain.run import Batch, Listing, RunContext
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.storage.object_store import ObjectStore

# Files at once; a large one takes several ranges at once beside that.
_PARALLEL_FILES = 8
# Room on the disk per stored byte: staged Parquet and the written frame, for compressed and for plain sources alike.
_WORK_PER_BYTE = 2
_RANGE_BYTES = 8 << 20
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._=-]")


class S3Extractor:
    """Extract stage for files; works alike on `s3://` and on a folder."""

    def __init__(self, store: ObjectStore, spec: PipelineSpec, run: RunContext, progress: Progress) -> None:
        """Store what to extract; store is the environment's, an absolute source.path opens its own."""
        self._environment_store = store
        self._spec = spec
        self._run = run
        self._progress = progress

    @property
    def store(self) -> ObjectStore:
        """The store in which the source's keys are."""
        return self._place.store

    def list(self, loaded: frozenset[str]) -> Listing:
        """The files to take, sorted by key, and those left aside with the reason; writes nothing.

        Args:
            loaded: identities (FileRef.identity) of the contents that were loaded last under each name.

        Raises:
            SourceError: the source is missing or cannot be listed.
            UsageError: somebody has chosen a file that does not wait.
        """
        return Selection(self._place, self._spec.source, self._run.choice).listing(loaded)

    def download(self, files: Sequence[FileRef]) -> tuple[LocalFile, ...]:
        """Give each file a path on this machine, in the order of files; those of a folder are read in place.

        Raises:
            DiskSpaceError: the scratch folder has no room; nothing was downloaded.
            ObjectChangedError: an object was overwritten since it was listed; nothing is left of the download.
            TemporaryError: the connection failed for good; nothing is left of the download.
        """
        paths = [self.store.local_path(file.key) for file in files]
        in_place = [LocalFile(file, path) for file, path in zip(files, paths, strict=True) if path is not None]
        self._check_disk(files, copies=0 if in_place else 1)
        self._progress.files(len(files), sum(file.size_bytes for file in files))
        if in_place:
            return tuple(in_place)
        folder = self._run.scratch / "download"
        pool = ThreadPoolExecutor(max_workers=_PARALLEL_FILES)
        try:
            return tuple(pool.map(lambda numbered: self._fetch(folder, *numbered), enumerate(files)))
        except BaseException:
            # Files that were not begun are not begun any more; those under way come to an end and go as well.
            pool.shutdown(cancel_futures=True)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            pool.shutdown()

    def download_slice(self, file: FileRef, part: FileSlice) -> LocalFile:
        """Give a slice of a file a path on this machine, and the file's head one of its own where the slice lacks it.

        Raises:
            DiskSpaceError: the scratch folder has no room; nothing was downloaded.
            ObjectChangedError: the object was overwritten since it was listed.
            TemporaryError: the connection failed for good.
        """
        self._check_disk([replace(file, size_bytes=part.size_bytes + part.head_bytes)], copies=1)
        folder = self._run.scratch / "download"
        folder.mkdir(parents=True, exist_ok=True)
        path = self._copy_range(file, (part.start, part.end), folder / "slice")
        head = self._copy_range(file, (0, part.head_bytes), folder / "head") if part.head_bytes else None
        return LocalFile(file, path, part, head)

    def validate(self, local: Sequence[LocalFile], indexes: Sequence[int] | None = None) -> Batch:
        """Read the files into typed Parquet, every record that does not fit into the rejects.

        Args:
            local: the files.
            indexes: their places in a larger batch; without, they are the batch.

        Raises:
            SourceError: a file vanished while it was read.
            ObjectChangedError: a file was overwritten while it was read; nothing was loaded.
        """
        from cloud_etl.extract.reader.read_batch import read_batch

        self._progress.files(len(local), sum(file.ref.size_bytes for file in local))
        try:
            batch = read_batch(tuple(local), self._spec, self._run, self._progress, indexes=indexes)
        except SourceError:
            # A file that was replaced half-way may look gone; that it was overwritten is the better message.
            self._check_unchanged(local)
            raise
        self._check_unchanged(local)
        self.store.remember_fingerprints()
        return batch

    def upload(self, path: Path, key: str) -> FileRef:
        """Copy a local file into the source's store, whole or not at all.

        Args:
            path: the local file; it stays.
            key: below the store's root.

        Raises:
            UnsafeKeyError: the key would leave the store.
            TargetError: the store refused it; the key is as it was.
        """
        self.store.upload(path, key)
        return self.store.ref(self.store.find(key))

    @cached_property
    def _place(self) -> SourcePlace:
        return source_place(self._spec.source, self._environment_store, self._run.run_date)

    def _fetch(self, folder: Path, number: int, file: FileRef) -> LocalFile:
        done = 0
        lock = threading.Lock()

        def on_bytes(count: int) -> None:
            nonlocal done
            with lock:
                done += count
                self._progress.file(file.key, done, file.size_bytes, 0)

        # The ending tells the reader the compression; the number keeps equal names of two folders apart.
        name = _NOT_IN_A_NAME.sub("_", file.key.rpartition("/")[2])[-100:]
        target = folder / f"{number:06d}-{name}"
        self.store.download(file, target, on_bytes)
        return LocalFile(file, target)

    def _copy_range(self, file: FileRef, span: tuple[int, int], target: Path) -> Path:
        with target.open("wb") as copy:
            for start in range(*span, _RANGE_BYTES):
                copy.write(self.store.read_range(file, start, min(start + _RANGE_BYTES, span[1])))
        return target

    def _check_disk(self, files: Sequence[FileRef], copies: int) -> None:
        scratch = next(path for path in (self._run.scratch, *self._run.scratch.parents) if path.exists())
        free = shutil.disk_usage(scratch).free
        needed = (_WORK_PER_BYTE + copies) * sum(file.size_bytes for file in files)
        if needed > free:
            raise DiskSpaceError(
                f"{len(files)} files of {self._spec.pipeline} need about {_megabytes(needed)} in {self._run.scratch}, "
                f"and {_megabytes(free)} are free. Nothing was downloaded. Free some space, set the environment's "
                "scratch to another disk, or take fewer files with source.pattern."
            )

    def _check_unchanged(self, local: Sequence[LocalFile]) -> None:
        for file in local:
            if self.store.local_path(file.ref.key) == file.path:
                self.store.verify(file.ref)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
