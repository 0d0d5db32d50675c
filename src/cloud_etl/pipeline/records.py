"""What runs left in the store: reports, ledgers, rejects."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import ObjectMissingError, SourceError, UsageError
from cloud_etl.monitoring import report as reports
from cloud_etl.pipeline.history import REPORT, read_archived, read_report, run_reports
from cloud_etl.quality import quarantine
from cloud_etl.state.journal import idle_runs, list_archived, list_runs

if TYPE_CHECKING:
    from cloud_etl.domain.ledger import RunLedgers
    from cloud_etl.domain.run import RunReport
    from cloud_etl.quality.quarantine import Reject, RejectGroup
    from cloud_etl.storage.object_store import ObjectStore

QUARANTINE = "quarantine"
# Runs looked through for one that took files.
LOOKED_AT = 200


class Records:
    """Looks back at the runs of one environment; reads only."""

    def __init__(self, store: ObjectStore) -> None:
        """Store where the runs are."""
        self._store = store

    def runs(self, limit: int = 20) -> tuple[RunReport, ...]:
        """Reports of the last runs that had something to do and of those between and after them, the newest first."""
        busy = tuple(run_reports(self._store, limit))
        oldest = busy[-1].run_id if len(busy) == limit else ""
        idle = (report for report in self.idle() if report.run_id > oldest)
        return tuple(sorted((*busy, *idle), key=lambda report: report.run_id, reverse=True))

    def idle(self) -> tuple[RunReport, ...]:
        """Reports of the last runs that had nothing to do, the newest first."""
        return tuple(idle for line in idle_runs(self._store).values() if (idle := _idle(line)) is not None)

    def unreadable(self, limit: int = 20) -> tuple[str, ...]:
        """Ids among the last runs whose report is damaged, or of another version."""
        found = []
        for run_id in list_runs(self._store, limit):
            try:
                read_report(self._store, run_id)
            except ObjectMissingError:
                continue
            except SourceError:
                found.append(run_id)
        return tuple(found)

    def unreported(self, limit: int = 20) -> tuple[str, ...]:
        """Ids among the last runs that left no report: they were killed, or are still under way."""
        return tuple(
            run_id for run_id in list_runs(self._store, limit) if not self._store.exists(f"runs/{run_id}/{REPORT}")
        )

    def last_with_ledger(self) -> RunReport:
        """The last run that took files; the last run where none did."""
        found = (
            report for report in run_reports(self._store, LOOKED_AT) if any(one.ledger for one in report.pipelines)
        )
        return next(found, None) or self.run()

    def ledgers(self, run_id: str | None = None) -> RunLedgers:
        """The ledgers of a run, also of one whose report is pruned; of the last run that took files without an id.

        Raises:
            UsageError: there is no such run, several begin so, or it left no report.
            SourceError: its report or its ledgers are damaged, or of another version.
        """
        if run_id is None:
            return self.last_with_ledger().accounts
        known = self.resolve(run_id)
        try:
            return read_archived(self._store, known)
        except ObjectMissingError:
            return self.run(known).accounts

    def archived(self) -> tuple[str, ...]:
        """Ids of the runs of which only the ledgers are kept, the newest first."""
        return list_archived(self._store)

    def run(self, run_id: str | None = None) -> RunReport:
        """The report of a run.

        Args:
            run_id: the id or its beginning; the last run without.

        Raises:
            UsageError: there is no such run, several begin so, or it left no report.
            SourceError: its report is damaged, or of another version.
        """
        known = self.resolve(run_id)
        if (line := idle_runs(self._store).get(known)) is not None and (idle := _idle(line)) is not None:
            return idle
        try:
            return read_report(self._store, known)
        except ObjectMissingError:
            if known in list_archived(self._store):
                raise UsageError(
                    f"the report of run {known} is pruned (keep_reports); its ledger is kept: cloud-etl ledger {known}"
                ) from None
            raise UsageError(
                f"run {known} has left no report: it was killed, or is still under way. What it did not load "
                "is taken by the next run; `cloud-etl runs` lists the others."
            ) from None

    def resolve(self, run_id: str | None) -> str:
        """The full id of a run named by its beginning; the last run without a name."""
        others = {*idle_runs(self._store), *list_archived(self._store)}
        known = sorted({*list_runs(self._store), *others}, reverse=True)
        found = [known_id for known_id in known if known_id.startswith(run_id or "")]
        if not known:
            raise UsageError(f"no run has left a report in {self._store.url} yet; begin with: cloud-etl run --all")
        if not found:
            raise UsageError(
                f"no run is called {run_id!r}, and `cloud-etl runs` lists them{did_you_mean(run_id or '', known)}"
            )
        if run_id is not None and len(found) > 1 and run_id not in found:
            raise UsageError(f"{len(found)} runs begin with {run_id!r}: {', '.join(found[:5])}")
        return run_id if run_id in found else found[0]

    def report_path(self, report: RunReport) -> str:
        """Where the HTML report of a run is: a path in a folder store, else its uri; empty where it has none."""
        if report.is_idle:
            return ""
        run_id = report.run_id
        key = f"runs/{run_id}/report.html"
        return str(self._store.local_path(key) or self._store.uri(key))

    def rejects_by_code(self, pipeline: str | None = None) -> tuple[RejectGroup, ...]:
        """Rejected records counted by run, pipeline, file and code, the newest run first."""
        with self._quarantine(pipeline, None) as paths:
            groups = quarantine.summary(paths)
        outcomes = {run_id: self._outcomes(run_id) for run_id in {group.run_id for group in groups}}
        return tuple(replace(group, loaded=outcomes[group.run_id].get(group.pipeline)) for group in groups)

    def _outcomes(self, run_id: str) -> dict[str, bool]:
        """Whether a run loaded, by pipeline; empty where it has no report."""
        try:
            report = read_report(self._store, run_id)
        except SourceError:
            return {}
        return {one.pipeline: one.outcome == "loaded" for one in report.pipelines}

    def rejects(
        self, run_id: str | None = None, *, pipeline: str | None = None, code: str | None = None, limit: int = 20
    ) -> tuple[Reject, ...]:
        """Rejected records of a run, in the order of file and line; the last run that took files without an id."""
        known = self.resolve(run_id) if run_id else self.last_with_ledger().run_id
        with self._quarantine(pipeline, known) as paths:
            return quarantine.rows(paths, limit=limit, code=code)

    @contextmanager
    def _quarantine(self, pipeline: str | None, run_id: str | None) -> Iterator[Sequence[Path]]:
        """Local paths of quarantine files; those of an object store are copied for the time being."""
        prefix = QUARANTINE if pipeline is None else f"{QUARANTINE}/{pipeline}"
        infos = [info for info in self._store.list(prefix) if run_id is None or f"/run_{run_id}/" in info.key]
        with tempfile.TemporaryDirectory(prefix="cloud-etl-quarantine-") as folder:
            paths = []
            for number, info in enumerate(sorted(infos, key=lambda info: info.key)):
                path = self._store.local_path(info.key)
                if path is None:
                    path = Path(folder) / f"{number}.parquet"
                    self._store.download(self._store.ref(info), path)
                paths.append(path)
            yield paths


def _idle(line: bytes) -> RunReport | None:
    """A line of the index of runs that had nothing to do; None where it is damaged."""
    try:
        return reports.from_json(line)
    except ValueError:
        return None
