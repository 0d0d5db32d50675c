"""What a run leaves in the store: one immutable object per finished step, its reports, and their pruning."""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from cloud_etl.domain.dataclass_json import decode, parsed
from cloud_etl.errors import ObjectChangedError, ObjectExistsError, ObjectMissingError, TemporaryError

if TYPE_CHECKING:
    from cloud_etl.storage.object_store import ObjectStore

RUNS = "runs"
DROPPED_ROWS = "dropped-rows"
# Runs that had nothing to do, a line each; and the ledgers of runs whose reports are pruned.
IDLE_RUNS = f"{RUNS}/idle.jsonl"
LEDGERS = "ledgers"
_IDLE_KEPT = 500
_TRIES = 5
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_ENTRY = re.compile(r"(\d+)-.*\.json")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One finished step of a run."""

    sequence: int
    pipeline: str
    step: str
    recorded_at: datetime
    payload: Mapping[str, object]


def new_run_id(now: datetime) -> str:
    """An id such as `20260131T235959Z-1f2e3d`, whose last digit is random; the ids of later moments sort after it."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.token_hex(1)[0]}"


def list_runs(store: ObjectStore, limit: int | None = None) -> tuple[str, ...]:
    """Ids of the runs that left something below runs/, the newest first."""
    ids = sorted((name for name in store.folders(RUNS) if RUN_ID.fullmatch(name)), reverse=True)
    return tuple(ids[:limit])


def list_archived(store: ObjectStore) -> tuple[str, ...]:
    """Ids of the runs whose report is pruned and whose ledgers are kept, the newest first."""
    names = (PurePosixPath(info.key) for info in store.list(f"{LEDGERS}/"))
    return tuple(sorted((name.stem for name in names if RUN_ID.fullmatch(name.stem)), reverse=True))


def note_idle_run(store: ObjectStore, line: bytes) -> None:
    """Add a line to the index of the runs that had nothing to do, of which the newest are kept.

    Raises:
        TargetError: the store refused it.
        TemporaryError: others wrote to the index at the same time, again and again.
    """
    for _ in range(_TRIES):
        try:
            found = store.get(IDLE_RUNS)
        except ObjectMissingError:
            with suppress(ObjectExistsError):
                store.write(IDLE_RUNS, line + b"\n", once=True)
                return
            continue
        lines = [*found.data.splitlines(), line][-_IDLE_KEPT:]
        with suppress(ObjectChangedError):
            store.replace(IDLE_RUNS, b"\n".join(lines) + b"\n", found.etag)
            return
    raise TemporaryError(f"{store.uri(IDLE_RUNS)} is being written to by others. Nothing else is wrong. Run again.")


def idle_runs(store: ObjectStore) -> dict[str, bytes]:
    """The lines of the index by run id, the newest first; one that cannot be read is left out."""
    found: dict[str, bytes] = {}
    with suppress(ObjectMissingError):
        for line in reversed(store.read(IDLE_RUNS).splitlines()):
            with suppress(ValueError):
                note = parsed(line)
                run_id = note.get("run_id") if isinstance(note, dict) else None
                if isinstance(run_id, str) and RUN_ID.fullmatch(run_id):
                    found[run_id] = line
    return found


class Journal:
    """The objects below `runs/<run_id>/`; several journals of one run do not disturb each other."""

    def __init__(self, store: ObjectStore, run_id: str) -> None:
        """Store where to write."""
        self._store = store
        self._run_id = run_id
        self._last = 0
        self._lock = threading.Lock()

    def record(self, pipeline: str, step: str, payload: Mapping[str, object]) -> None:
        """Write that a step is finished, once, as `journal/<sequence>-<pipeline>-<step>.json`.

        Args:
            pipeline: name of the pipeline.
            step: name of the step.
            payload: what json can write; anything else is written as its text.

        Raises:
            TargetError: the store refused it.
            TemporaryError: a passing fault.
        """
        with self._lock:
            while True:
                self._last += 1
                key = self._key(f"journal/{self._last:04d}-{pipeline}-{step}.json")
                fields = {"pipeline": pipeline, "step": step, "recorded_at": datetime.now(UTC).isoformat()}
                data = json.dumps({**fields, "payload": dict(payload)}, default=str, indent=1).encode()
                try:
                    self._store.write(key, data, once=True)
                    return
                except ObjectExistsError:
                    # Ours after all when the answer to the first try was lost; else an earlier run of this id.
                    if self._store.read(key) == data:
                        return

    def entries(self) -> tuple[JournalEntry, ...]:
        """The finished steps, in the order in which they ended; what is damaged is left out."""
        found = []
        for info in self._store.list(self._key("journal")):
            name = _ENTRY.fullmatch(info.key.rpartition("/")[2])
            if name is not None and info.refused is None:
                with suppress(ValueError):
                    entry = parsed(self._store.read(info.key))
                    numbered = {**entry, "sequence": int(name[1][:9])} if isinstance(entry, dict) else entry
                    found.append(cast("JournalEntry", decode(JournalEntry, numbered)))
        return tuple(sorted(found, key=lambda entry: (entry.recorded_at, entry.sequence, entry.pipeline)))

    def write_report(self, name: str, data: bytes) -> None:
        """Write `runs/<run_id>/<name>`; a later report of the same name takes its place."""
        self._store.write(self._key(name), data)

    def read(self, name: str) -> bytes:
        """Content of `runs/<run_id>/<name>`.

        Raises:
            ObjectMissingError: the run has left no such object.
        """
        return self._store.read(self._key(name))

    def prune(self, keep: int) -> tuple[str, ...]:
        """Delete reports, journals and dropped rows of all but the newest runs, and give their ids.

        This run is never among them. Ledgers are moved to `ledgers/<run_id>.json`: they account for rows that are in
        the warehouse. Quarantined rows stay: they wait for somebody to look at them.
        """
        old = tuple(run_id for run_id in list_runs(self._store)[max(keep, 1) :] if run_id != self._run_id)
        pipelines = self._store.folders(DROPPED_ROWS) if old else ()
        for run_id in old:
            with suppress(ObjectMissingError):
                self._store.write(f"{LEDGERS}/{run_id}.json", self._store.read(f"{RUNS}/{run_id}/ledger.json"))
            # The report goes last: a prune that was cut off finds the run again.
            for pipeline in pipelines:
                self._store.delete_prefix(f"{DROPPED_ROWS}/{pipeline}/run_{run_id}")
            self._store.delete_prefix(f"{RUNS}/{run_id}")
        return old

    def _key(self, name: str) -> str:
        return f"{RUNS}/{self._run_id}/{name}"
