"""Keep every row that does not reach the output: rejects in the quarantine, the others beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.domain.ledger import DROPPED
from cloud_etl.errors import CloudEtlError, QuarantineError
from cloud_etl.quality import quarantine

if TYPE_CHECKING:
    from cloud_etl.domain.run import Batch, RunContext
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import Written, WrittenFile
    from cloud_etl.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Rejected:
    """Quarantine files of the transform and the gate, and the rows in their footers."""

    uris: list[str]
    rows: int


class DroppedRows:
    """Moves the rows that a run took out to where people look for them."""

    def __init__(self, store: ObjectStore, run: RunContext) -> None:
        """Store where the rows go."""
        self._store = store
        self._run = run

    def quarantine(self, paths: Iterable[WorkPath]) -> list[str]:
        """Move quarantine Parquet into the store and give the uris.

        Raises:
            QuarantineError: they could not be written; nothing is accepted.
        """
        prefix = f"quarantine/{self._run.pipeline}/run_{self._run.run_id}"
        moves = [(path, f"{prefix}/{path.name}") for path in paths]
        try:
            self._store.take_all(moves)
        except CloudEtlError as exc:
            raise QuarantineError(
                f"the rejects of {self._run.pipeline} could not be written to {self._store.uri(prefix)}: {exc} "
                "Nothing was published or loaded; run again when the store takes writes."
            ) from exc
        return [self._store.uri(key) for _, key in moves]

    def reject(self, frames: Sequence[Written], batch: Batch) -> Rejected:
        """Write the rejected rows of every frame to the quarantine, with file, line and reason."""
        files = [file for written in frames for file in written.dropped("rejected")]
        made = quarantine.write(files, batch, self._run)
        return Rejected(self.quarantine([made.path] if made.path else []), made.rows)

    def keep(self, frames: Sequence[Written]) -> None:
        """Move duplicates, null-dropped and filtered rows below dropped-rows/, with their lineage column."""
        prefix = f"dropped-rows/{self._run.pipeline}/run_{self._run.run_id}"
        statuses = [status for status in DROPPED if status != "rejected"]
        self._store.take_all(
            [
                (file.path, f"{prefix}/status={status}/reason={_reason(file)}/part-{number}-{place:05d}.parquet")
                for number, written in enumerate(frames)
                for status in statuses
                for place, file in enumerate(written.dropped(status))
            ]
        )


def _reason(file: WrittenFile) -> str:
    return file.fate.reason if file.fate else ""
