"""The orchestrator: takes one pipeline through its phases, keeps the account, cleans up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl import interrupts
from cloud_etl.domain.files import LoadedFiles
from cloud_etl.domain.ledger import RowLedger, TableCount
from cloud_etl.domain.progress import Interruptible
from cloud_etl.domain.run import (
    Batch,
    LoadRequest,
    LoadResult,
    LoadTask,
    Outcome,
    Phase,
    PhaseTime,
    PipelineReport,
    Publication,
    RunContext,
    RunReport,
)
from cloud_etl.engines.machine import release_memory, tree_cpu_seconds
from cloud_etl.engines.marked_frame import Written
from cloud_etl.errors import exit_code_of
from cloud_etl.extract.s3_extractor import S3Extractor
from cloud_etl.monitoring import report as reports
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.monitoring.reasons import replaced_groups
from cloud_etl.pipeline import accounts, verify
from cloud_etl.pipeline.cluster_extract import ClusterExtract
from cloud_etl.pipeline.delivery import Delivery
from cloud_etl.pipeline.dropped_rows import DroppedRows
from cloud_etl.pipeline.outputs import Outputs, Published, loaded_texts, whole_frame_output
from cloud_etl.pipeline.recovery import report_earlier_runs, settle_earlier_runs
from cloud_etl.pipeline.references import References
from cloud_etl.pipeline.reload import require_reloadable
from cloud_etl.publish import manifest
from cloud_etl.quality.gate import QualityGate, refuse
from cloud_etl.quality.port import GateContext
from cloud_etl.quality.texts import TextFit
from cloud_etl.state.journal import Journal
from cloud_etl.storage.store_path import StorePath
from cloud_etl.transform.port import StepContext
from cloud_etl.transform.transformer import DataTransformer

if TYPE_CHECKING:
    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.quality import QualityReport
    from cloud_etl.domain.run import Listing
    from cloud_etl.domain.spec import LoadSpec, PipelineSpec
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.engines.spark_manager import SparkManager
    from cloud_etl.pipeline.wiring import Components
    from cloud_etl.quality.history import BatchHistory
    from cloud_etl.quality.texts import LoadedTexts
    from cloud_etl.state.lease import Lease
    from cloud_etl.transform.transformer import Transformed

log = get_logger()


@dataclass(slots=True)
class Account:
    """What is known so far of a pipeline under way; becomes its report, also when it fails."""

    batch: Batch | None = None
    listing: Listing | None = None
    ledger: RowLedger | None = None
    quality: QualityReport | None = None
    publications: tuple[Publication, ...] = ()
    result: LoadResult | None = None
    is_committing: bool = False
    quarantine: list[str] = field(default_factory=list)
    phases: list[PhaseTime] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """How a pipeline that met no error ended."""
        if self.batch is None:
            return "no_new_files"
        return "already_loaded" if self.result and self.result.already_loaded else "loaded"


class ETLPipeline:
    """One pipeline in one run. `run` may be called once."""

    def __init__(
        self, spec: PipelineSpec, run: RunContext, parts: Components, lease: Lease, history: Sequence[BatchHistory]
    ) -> None:
        """Store what the phases need.

        Args:
            spec: the pipeline.
            run: the run it is part of.
            parts: what the pipelines of the run share.
            lease: the pipeline's lease, held by the run.
            history: what the last runs of this pipeline loaded, newest first.
        """
        self._spec = spec
        self._run = run
        self._parts = parts
        self._lease = lease
        self._delivery = Delivery(spec, run, parts.store, parts.loader, lease)
        self._journal = Journal(parts.store, run.run_id)
        self._history = history
        self._dropped = DroppedRows(parts.store, run)
        self._work: WorkPath = run.scratch
        self._progress = parts.progress
        self.account = Account()

    def run(self) -> PipelineReport:
        """Take new files from the source to the warehouse.

        Returns:
            The report of a pipeline that ended well; `report` gives that of one that did not.

        Raises:
            CloudEtlError: the phase that stopped and why. The warehouse is as it was.
        """
        with self._parts.progress.of(self._run.pipeline) as self._progress, self._parts.work.held(self._run) as work:
            self._work = work
            self._phases()
        return self.report()

    def report(self, error: BaseException | None = None) -> PipelineReport:
        """What is known of the pipeline, as its part of the run report; error is what ended it."""
        account = self.account
        return PipelineReport(
            pipeline=self._run.pipeline,
            # What fails behind the commit takes nothing back.
            outcome=account.outcome if error is None or account.result else "failed",
            exit_code=0 if error is None else exit_code_of(error),
            batch_id=account.batch.batch_id if account.batch else None,
            error=None if error is None else str(error),
            ledger=account.ledger,
            quality=account.quality,
            phases=tuple(account.phases),
            skipped=account.listing.skipped if account.listing else (),
            files=account.batch.counts if account.batch else (),
            publications=account.publications if account.outcome == "loaded" and account.result else (),
            tables=account.result.tables if account.result else (),
            quarantine=tuple(account.quarantine),
        )

    def _phases(self) -> None:
        with self._phase("extract"):
            lost = self._lease.unsettled
            settle_earlier_runs(self._lease, self._delivery)
            report_earlier_runs(lost, self._parts.store, self._parts.loader)
            batch = self._extract()
        if batch is None:
            return
        size_bytes = sum(path.stat().st_size for path in batch.staged)
        self._parts.spark.fit(size_bytes, is_alone=self._parts.jobs == 1)
        context = self._step_context(self._parts.spark)
        writes = [context.work] if isinstance(context.work, Path) else []
        with self._phase("transform"):
            self._progress.writes(writes)
            transformed = DataTransformer(context).run(self._spec, batch)
            texts = loaded_texts(self._spec, self._parts.loader)
            loads = [output.load for output in self._spec.outputs if output.load is not None]
            gate = QualityGate(
                self._spec.quality,
                GateContext(context.session, self._run, context.references, context.work),
                tuple(load.table for load in loads if load.mode == "replace" or self._run.choice.reload),
                TextFit(self._spec.schema_, texts),
            )
            frame = gate.mark(transformed.frame)
            whole = whole_frame_output(self._spec)
            written = frame.write(context.work / "frame", whole.partition_by if whole else (), batch.files)
            log.info("transform.written", rows=written.output, files=len(written.accepted))
            if self._parts.verifier is not None:
                self._verify(batch, (*transformed.earlier, written), frame, context, texts)
        with self._phase("quality"):
            self._assess(batch, transformed, written, gate)
        with self._delivery.or_taken_back():
            with self._phase("publish"):
                self._progress.writes(writes)
                outputs = Outputs(self._spec, self._run, self._parts.store, context, self._delivery)
                published = self._publish(outputs, frame, written, batch)
            with self._phase("load"):
                self._load(batch, published)
        self._delivery.prune()

    def _extract(self) -> Batch | None:
        extractor = S3Extractor(self._parts.store, self._spec, self._run, Interruptible(self._progress))
        loaded = self._parts.loader.loaded_files(self._run.pipeline)
        if not loaded:
            # The first load surely has work: the engine starts while large files are hashed.
            self._parts.spark.start_early()
        listing = extractor.list(loaded)
        if self._run.choice.reload:
            require_reloadable(self._spec, LoadedFiles.of(loaded), listing)
        self.account.listing = listing
        log.info("extract.listed", files=len(listing.files), skipped=len(listing.skipped))
        for skipped in listing.skipped:
            if skipped.unreadable:
                log.warning("extract.file_left_aside", key=skipped.key, reason=skipped.reason)
        if not listing.files:
            return None
        self._parts.spark.start_early()
        batch = self._read(extractor, listing.files)
        self.account.quarantine += self._dropped.quarantine(batch.rejects)
        self.account.batch = batch
        for file in batch.counts:
            if file.rejected and not file.staged:
                log.warning("extract.file_refused", uri=file.uri, records=file.rejected, codes=", ".join(file.codes))
        self._record(
            "extract", batch_id=batch.batch_id, rows_staged=batch.staged_rows, rows_rejected=batch.rejected_rows
        )
        return batch

    def _read(self, extractor: S3Extractor, files: Sequence[FileRef]) -> Batch:
        if not isinstance(self._work, StorePath):
            return extractor.validate(extractor.download(files))
        return ClusterExtract(self._parts, self._spec, self._run, self._work).read(files, extractor.store)

    def _verify(
        self,
        batch: Batch,
        frames: tuple[Written, ...],
        frame: MarkedFrame,
        context: StepContext,
        texts: Sequence[LoadedTexts],
    ) -> None:
        """Let a second engine do the same, before the files of the first are moved."""
        if self._parts.verifier is None:
            return
        name, second = self._parts.verifier
        own = verify.beside(context, "verify-first")
        first = verify.finished(self._parts.spark.name, frames, frame, self._spec, own)
        try:
            second.fit(sum(path.stat().st_size for path in batch.staged))
            made = verify.make(name, self._spec, batch, self._step_context(second, "verify"), texts)
        finally:
            # PySpark's functions speak to the first engine again.
            _ = self._parts.spark.session
        verify.compare(first, made, batch, self._parts.resources)
        log.info("verify.same", engine=name, rows=sum(written.rows for written in frames))

    def _step_context(self, spark: SparkManager, folder: str = "work") -> StepContext:
        parts, work = self._parts, self._work / folder
        work.mkdir()
        session = spark.session
        references = References(parts.project.pipelines, parts.loader, parts.store, session, work / "references")
        return StepContext(session, self._run, references, work, parts.project.root)

    def _assess(self, batch: Batch, transformed: Transformed, written: Written, gate: QualityGate) -> None:
        frames = (*transformed.earlier, written)
        rejected = self._dropped.reject(frames, batch)
        self._dropped.keep(frames)
        self.account.quarantine += rejected.uris
        quality = self.account.quality = gate.assess(written, batch, self._history, transformed.earlier)
        ledger = accounts.open_ledger(self._run, batch, frames, transformed.finish(written), rejected.rows)
        self._settle(ledger, "Nothing was published or loaded.")
        self._record("quality", score=quality.score, rows_accepted=written.output, rows_rejected=rejected.rows)
        for warning in quality.warnings:
            log.warning("quality.warning", finding=warning)
        refuse(quality)

    def _publish(self, outputs: Outputs, frame: MarkedFrame, written: Written, batch: Batch) -> tuple[Published, ...]:
        published = outputs.publish(frame, written, batch)
        self.account.publications = tuple(one.publication for one in published)
        ledger = self.account.ledger
        if ledger is not None:
            self._settle(replace(ledger, outputs=tuple(one.count for one in published)), "Nothing was loaded.")
        self._record("publish", **{one.publication.output: one.publication.rows for one in published})
        return published

    def _load(self, batch: Batch, published: tuple[Published, ...]) -> None:
        specs = {output.name: output.load for output in self._spec.outputs}
        tasks = tuple(
            self._task(one, spec, batch) for one in published if (spec := specs[one.publication.output]) is not None
        )
        run = self._run
        progress = self._progress
        progress.writes(self._parts.loader.grows)
        progress.tables(0, len(tasks))
        request = LoadRequest(
            run.run_id, run.pipeline, batch.batch_id, batch.files, tasks, run.started_at, run.resources, run.fence,
            lambda done: progress.tables(done, len(tasks)), run.choice.reload,
        )  # fmt: skip

        def before_commit(tables: tuple[TableCount, ...]) -> None:
            ledger = self.account.ledger
            if ledger is not None:
                self._settle(replace(ledger, tables=tables), "The warehouse was rolled back; nothing was loaded.")

            self.account.is_committing = True

        result = self.account.result = self._delivery.load(request, before_commit)
        # Lawful, and a trap: these figures were made by rows of other batches.
        for table, groups in replaced_groups(self.report()):
            log.warning("load.groups_replaced", table=table, groups=groups, by="the rows of this batch")
        self._record("load", batch_id=batch.batch_id, loaded_by_run=result.loaded_by_run, tables=len(result.tables))

    def _task(self, published: Published, spec: LoadSpec, batch: Batch) -> LoadTask:
        """A publication with its files where the loader reads them."""
        publication, store = published.publication, self._parts.store
        evolved = None
        if self._spec.new_columns == "evolve":
            contract = self._spec.schema_.keys()
            evolved = tuple(name for name in publication.schema.names if name in set(batch.schema.names) - contract)
        are_unique = any(keys <= set(spec.keys) for keys in published.unique_keys)
        anew = self._run.choice.reload and spec.mode != "replace"
        task = LoadTask(publication, spec, are_unique, evolved=evolved, starts_anew=anew)
        if len(publication.local_paths) == len(publication.files):
            return task
        if self._parts.loader.reads_local_files:
            folder = self._run.scratch / f"load-{publication.output}"
            return replace(task, publication=manifest.fetch(store, publication, folder))
        return replace(task, stored_paths=manifest.located(store, publication))

    def _settle(self, ledger: RowLedger, left_behind: str) -> None:
        """Keep the account for the report, then stop if it does not reconcile."""
        self.account.ledger = ledger
        accounts.require_reconciled(ledger, left_behind)

    def _record(self, step: str, **facts: str | float | None) -> None:
        """Write a finished step to the journal and the log; before and after the work, with the report so far."""
        so_far = {"report": json.loads(reports.to_json(self._so_far()))} if step in ("extract", "publish") else {}
        self._journal.record(self._run.pipeline, step, {**facts, **so_far})
        log.info(f"{step}.done", **facts)

    def _so_far(self) -> RunReport:
        """The run report as it would be if the run ended here; the next run writes it where this one is killed."""
        run, project = self._run, self._parts.project
        return RunReport(
            run_id=run.run_id,
            project=project.spec.project,
            environment=run.environment,
            engine=self._parts.spark.name,
            run_date=run.run_date,
            started_at=run.started_at,
            ended_at=datetime.now(UTC),
            pipelines=(replace(self.report(), publications=self.account.publications),),
        )

    @contextmanager
    def _phase(self, phase: Phase) -> Iterator[None]:
        interrupts.check()
        self._progress.phase(self._run.pipeline, phase)
        wall, cpu = time.perf_counter(), self._cpu_seconds()
        try:
            yield
        finally:
            release_memory()
            spent = None if cpu is None else tree_cpu_seconds() - cpu
            self.account.phases.append(PhaseTime(phase, time.perf_counter() - wall, spent))

    def _cpu_seconds(self) -> float | None:
        """Of all that the run does so far: what it means for one of several pipelines at once nobody knows."""
        return tree_cpu_seconds() if self._parts.jobs == 1 else None
