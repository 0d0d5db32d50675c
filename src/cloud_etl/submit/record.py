"""What is known of a submitted run: kept in the store, so that any machine can follow it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

from cloud_etl.domain.dataclass_json import decode, parsed
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import UsageError
from cloud_etl.submit.port import JobRequest

if TYPE_CHECKING:
    from cloud_etl.storage.object_store import ObjectStore

FOLDER = ".cloud-etl/submit"
_SCHEMA_VERSION = 1


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
            UsageError: none of that id was, or its record is damaged, or of another version.
        """
        data = read_if_there(store, _key(run_id))
        if data is None:
            hint = did_you_mean(run_id, store.folders(f"{FOLDER}/runs"))
            raise UsageError(f"no run {run_id!r} was submitted in this environment{hint}")
        try:
            body = parsed(data)
            version = body.pop("schema_version", None) if isinstance(body, dict) else None
            if version != _SCHEMA_VERSION:
                raise ValueError("it was written by another version of cloud-etl")
            return cast("SubmittedRun", decode(SubmittedRun, body))
        except ValueError as exc:
            raise UsageError(
                f"what is known of run {run_id} cannot be read: {exc}. Follow it with the version that submitted it, "
                f"or look at its job; the record is {store.uri(_key(run_id))}."
            ) from exc


def how_to_follow(run: SubmittedRun) -> str:
    """What to type to see how a run ends."""
    env = run.request.arguments[run.request.arguments.index("--env") + 1]
    return f"See how it ends with: cloud-etl submit --follow {run.run_id} --env {env}"


def read_if_there(store: ObjectStore, key: str) -> bytes | None:
    """Content of a small object, or None where there is none.

    Found by listing its folder: to those who may list parts of a bucket only, S3 says of an object that is not there
    that access is denied.
    """
    there = any(info.key == key for info in store.list(key.rpartition("/")[0]))
    return store.read(key) if there else None


def _key(run_id: str) -> str:
    return f"{FOLDER}/runs/{run_id}/request.json"
