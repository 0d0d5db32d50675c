"""What a run shows to readers and loads: the published rows are those of the warehouse, whoever overtakes whom."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloud_etl.errors import CloudEtlError, LeaseHeldError
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.publish.folding import Folding
from cloud_etl.publish.publisher import ParquetPublisher
from cloud_etl.state.holder import Lost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.ledger import TableCount
    from cloud_etl.domain.run import LoadRequest, LoadResult, Publication, RunContext
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.load.port import Loader
    from cloud_etl.publish.publisher import Prepared
    from cloud_etl.state.lease import Lease
    from cloud_etl.storage.object_store import ObjectStore

log = get_logger()


class Delivery:
    """Publishes, loads, withdraws and prunes for one pipeline of a run, behind its lease and its fence.

    The lease tells a run that it was overtaken, but not at the very moment: between a look and the write that follows
    it a process can sleep for an hour. So the warehouse decides. A run claims the pipeline there before it shows or
    withdraws anything; after that no run with a lower fence can load. What such a run has not loaded by then may be
    withdrawn, and what it publishes later it takes back itself, or the next run does.

    Source: docs/adr/0014-fences.md
    """

    def __init__(self, spec: PipelineSpec, run: RunContext, store: ObjectStore, loader: Loader, lease: Lease) -> None:
        """Store what to deliver to, and the lease to do it under."""
        self._spec = spec
        self._run = run
        self._loader = loader
        self._lease = lease
        self._store = store
        self._publisher = ParquetPublisher(store, run)
        self._has_shown = False
        self._loaded: frozenset[str] = frozenset()

    def withdraw_of(self, runs: Collection[str]) -> None:
        """Withdraw what runs that were killed or overtaken have published and not loaded."""
        loaded = self._claim()
        for output in self._spec.outputs:
            self._tell(output.name, self._publisher.withdraw(output, loaded, runs=runs))
            self._publisher.prune_before(output, loaded, runs)

    def show(self, prepared: Sequence[Prepared], files: Sequence[FileRef]) -> tuple[Publication, ...]:
        """Make publications visible, after those that earlier runs made of the same files and never loaded are gone.

        Raises:
            LeaseHeldError: another run has taken the pipeline over; nothing of this run is visible.
        """
        self._loaded = self._claim()
        for output in self._spec.outputs:
            self._tell(output.name, self._publisher.withdraw(output, self._loaded, files=files))
        self._lease.check()
        self._has_shown = True
        return tuple(self._publisher.show(one) for one in prepared)

    def load(self, request: LoadRequest, before_commit: Callable[[tuple[TableCount, ...]], None]) -> LoadResult:
        """Load what is published; where another run has loaded the batch already, ours is taken back.

        Raises:
            LeaseHeldError: another run has taken the pipeline over; the warehouse is as that run left it.
        """

        def checked(tables: tuple[TableCount, ...]) -> None:
            before_commit(tables)
            self._lease.check()

        result = self._loader.load(request, checked)
        if result.loaded_by_run != self._run.run_id:
            self._take_back()
        return result

    @contextmanager
    def or_taken_back(self) -> Iterator[None]:
        """What is shown inside stays only if it is loaded: readers must not meet rows that the warehouse lacks."""
        try:
            yield
        except Exception:
            if self._has_shown:
                self._take_back()
            raise
        except BaseException:
            # There is no time to ask the warehouse now: the next run does.
            if self._has_shown:
                self._leave_to_the_next_run()
            raise

    def prune(self) -> None:
        """Remove the publications that each output keeps no longer, and fold many into one.

        Only the holder of the lease does. The rows of this run are loaded: what fails here, a later run does.
        """
        try:
            self._lease.check()
        except LeaseHeldError:
            log.warning("publish.not_pruned", why="another run has the pipeline now")
            return
        try:
            for output in self._spec.outputs:
                self._publisher.prune(output, self._loaded)
        except CloudEtlError:
            # What this run started anew would stand beside what it took the place of.
            self._leave_to_the_next_run()
            raise
        for output in self._spec.outputs:
            try:
                for folder in Folding(self._store, self._run, output).fold(self._loaded, self._lease.check):
                    log.info("publish.folded", output=output.name, folder=folder)
            except CloudEtlError as exc:
                log.warning("publish.not_folded", output=output.name, error=str(exc), why="the next run tries again")

    def _claim(self) -> frozenset[str]:
        self._lease.check()
        return self._loader.claim(self._run.pipeline, self._run.fence, self._run.run_id)

    def _take_back(self) -> None:
        """Withdraw what this run has shown, unless its load came through; where we cannot, the next run does."""
        try:
            loaded = self._loader.loaded_by(self._run.run_id)
            if not any(batch.pipeline == self._run.pipeline for batch in loaded):
                for output in self._spec.outputs:
                    self._publisher.take_back(output)
        except CloudEtlError as exc:
            self._leave_to_the_next_run()
            log.warning("publish.left", error=str(exc), why="the next run withdraws what is not loaded")

    def _leave_to_the_next_run(self) -> None:
        self._lease.settle((*self._lease.unsettled, Lost(self._run.run_id, datetime.now(UTC), is_dead=True)))

    def _tell(self, output: str, runs: Sequence[str]) -> None:
        for run_id in runs:
            log.warning("publish.withdrawn", output=output, run=run_id, why="it was published and never loaded")
