"""Why a submitted run ended without a report: told by the job through the store to whoever follows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from cloud_etl.config.secrets import known_secrets
from cloud_etl.domain.dataclass_json import decode, parsed
from cloud_etl.errors import (
    CloudEtlError,
    DataRefusedError,
    LeaseHeldError,
    LedgerError,
    RunInterruptedError,
    TargetError,
    TemporaryError,
    UsageError,
    exit_code_of,
)
from cloud_etl.monitoring.redaction import Redactor
from cloud_etl.submit.record import FOLDER, read_if_there

if TYPE_CHECKING:
    from cloud_etl.storage.object_store import ObjectStore

_CLASSES = (UsageError, DataRefusedError, TargetError, LedgerError, LeaseHeldError, TemporaryError)


def described(error: BaseException) -> str:
    """What may be said of an error: its text where it is ours, redacted; else its type, for texts quote rows."""
    ours = isinstance(error, CloudEtlError | RunInterruptedError)
    return Redactor(known_secrets).text(str(error)) if ours else type(error).__name__


def write_failure(store: ObjectStore, run_id: str, error: BaseException) -> None:
    """Leave an error for the follower."""
    body = {"exit_code": exit_code_of(error), "error": described(error)}
    store.write(_key(run_id), json.dumps(body, indent=1).encode())


def read_failure(store: ObjectStore, run_id: str) -> CloudEtlError | RunInterruptedError | None:
    """The error that a job left, of a class with the same exit code; None where it left none."""
    data = read_if_there(store, _key(run_id))
    if data is None:
        return None
    try:
        body = parsed(data)
        told = body if isinstance(body, dict) else {}
        code, said = cast("int", decode(int, told.get("exit_code"))), decode(str, told.get("error"))
    except ValueError as exc:
        return CloudEtlError(f"the job failed, and its last words cannot be read: {exc} (run {run_id}, in its job)")
    text = f"{said} (run {run_id}, in its job)"
    if code > 128:
        return RunInterruptedError(text, code - 128)
    return next((one for one in _CLASSES if one.exit_code == code), CloudEtlError)(text)


def _key(run_id: str) -> str:
    return f"{FOLDER}/runs/{run_id}/failure.json"
