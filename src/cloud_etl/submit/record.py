"""What is known of a submitted run: kept in the store, so that any machine can follow it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import ObjectMissingError, UsageError
from cloud_etl.submit.port import JobRequest

if TYPE_CHECKING:
    from cloud_etl.storage.object_store import ObjectStore

FOLDER = ".cloud-etl/submit"
_SCHEMA_VERSION = 1
_ENDING = ".json"


@dataclass(frozen=True, slots=True)
class SubmittedRun:
    """A run that was sent elsewhere; job_id is None until the place has taken it."""

    backend: str
    request: JobRequest
    job_id: str | None = None

    @property
    def run_id(self) -> str:
        """Id of the run, in the store and at the place."""
        return self.request.run_id

    def write(self, store: ObjectStore) -> None:
        """Keep it."""
        body = {"schema_version": _SCHEMA_VERSION, **asdict(self)}
        store.write(_key(self.run_id), json.dumps(body, indent=1).encode())

    def taken(self, job_id: str, store: ObjectStore) -> SubmittedRun:
        """The same run with the id of its job, kept."""
        run = replace(self, job_id=job_id)
        run.write(store)
        return run

    @staticmethod
    def read(store: ObjectStore, run_id: str) -> SubmittedRun:
        """A run that was submitted before.

        Raises:
            UsageError: none of that id was, or a later version of cloud-etl did it.
        """
        try:
            body = json.loads(store.read(_key(run_id)))
        except ObjectMissingError:
            known = [info.key.rpartition("/")[2].removesuffix(_ENDING) for info in store.list(f"{FOLDER}/runs")]
            hint = did_you_mean(run_id, known)
            raise UsageError(f"no run {run_id!r} was submitted in this environment{hint}") from None
        if body.pop("schema_version", None) != _SCHEMA_VERSION:
            raise UsageError(
                f"run {run_id} was submitted by another version of cloud-etl. Follow it with that version."
            )
        request = JobRequest(**{**body["request"], **_tuples(body["request"])})
        return SubmittedRun(body["backend"], request, body["job_id"])


def _tuples(request: dict[str, object]) -> dict[str, tuple[object, ...]]:
    return {name: tuple(value) for name, value in request.items() if isinstance(value, list)}


def _key(run_id: str) -> str:
    return f"{FOLDER}/runs/{run_id}{_ENDING}"
