"""Every error of cloud-etl, with the exit code it ends in and whether trying again can help.

CloudEtlError                  1   internal error
├── UsageError                 2   the command line is off
├── ConfigError                2   the configuration is off (holds one Problem per finding)
├── SecretError                2   a ${secret:} or ${env:} that cannot be resolved
├── DataRefusedError           3   the data crossed a threshold; nothing was published
│   └── StepFailedError        3   an expression or a user function failed on the data
├── SourceError                4   a source object cannot be listed or read
│   ├── ObjectMissingError     4   there is no object with that key
│   ├── ObjectChangedError     4   an object was overwritten while it was read
│   ├── UnsafeKeyError         4   a key would leave the folder it belongs to
│   └── DiskSpaceError         4   the scratch folder has no room for the batch
├── TargetError                4   the store or the warehouse refused a write
│   ├── ObjectExistsError      4   a write-once object is already there
│   ├── QuarantineError        4   the rejects could not be written; nothing is accepted
│   ├── UnreachableError       4   the warehouse cannot be reached
│   └── SchemaEvolutionError   4   the table cannot take the output's schema safely
├── EngineError                4   the engine could not be started or died
├── LedgerError                5   the row ledger does not reconcile
│   └── EnginesDifferError     5   two engines gave different tables; nothing was published
├── LeaseHeldError             6   another run holds the pipeline's lease
└── TemporaryError            75   a passing fault; try again
    └── ConnectionLostError   75   the warehouse went away; the load ledger tells what was committed

RunInterruptedError          130   Ctrl-C (130) or SIGTERM (143); no Exception, so that nobody catches it by accident
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar


class CloudEtlError(Exception):
    """Base of all errors; says what, on what, what is left behind and what to do next.

    Attributes:
        place: keys and indexes of the value in the pipeline file that it is about; empty where none is known.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    place: tuple[str | int, ...] = ()


@contextmanager
def at(*place: str | int) -> Iterator[None]:
    """Give errors that arise inside their place in the pipeline file."""
    try:
        yield
    except CloudEtlError as exc:
        exc.place = exc.place or place
        raise


class UsageError(CloudEtlError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in the configuration: where it stands and what is wrong with it."""

    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """`file:line: message`, with what is known of the place."""
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return f"{place}: {self.message}" if place else self.message


class ConfigError(CloudEtlError):
    """The configuration is off; every finding is listed, not only the first."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        """Store the findings."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class SecretError(CloudEtlError):
    """A secret or an environment variable that the configuration names cannot be resolved."""

    exit_code = 2


class DataRefusedError(CloudEtlError):
    """The data crossed a threshold that its owner set; nothing was published."""

    exit_code = 3


class StepFailedError(DataRefusedError):
    """An expression or a user function of a step failed while the data ran through it."""


class SourceError(CloudEtlError):
    """A source object cannot be listed or read."""

    exit_code = 4


class ObjectMissingError(SourceError):
    """There is no object with that key."""


class ObjectChangedError(SourceError):
    """A source object was overwritten between the listing and the end of its reading."""


class UnsafeKeyError(SourceError):
    """A source key would be written outside the folder it belongs to."""


class DiskSpaceError(SourceError):
    """The scratch folder has no room for the batch."""


class TargetError(CloudEtlError):
    """The store or the warehouse refused a write."""

    exit_code = 4


class ObjectExistsError(TargetError):
    """A write-once object (manifest, journal entry, lease) is already there."""


class QuarantineError(TargetError):
    """The rejects could not be written; nothing is accepted without them."""


class UnreachableError(TargetError):
    """Nobody answers at the warehouse's address; a load that had a connection before tries again."""


class SchemaEvolutionError(TargetError):
    """The table cannot take the output's schema without a change that might lose data."""


class EngineError(CloudEtlError):
    """The engine could not be started, or died during a job."""

    exit_code = 4


class LedgerError(CloudEtlError):
    """An equation of the row ledger does not hold; the warehouse is unchanged."""

    exit_code = 5


class EnginesDifferError(LedgerError):
    """With `run --verify` two engines gave different tables; nothing was published or loaded."""


class LeaseHeldError(CloudEtlError):
    """Another run of the same pipeline is under way."""

    exit_code = 6


class TemporaryError(CloudEtlError):
    """A passing fault of the network or of a service."""

    exit_code = 75
    retryable = True


class ConnectionLostError(TemporaryError):
    """The connection to the warehouse was lost; the load ledger tells whether the batch was committed."""


class RunInterruptedError(BaseException):
    """The run was ended by a signal; says what is left behind.

    Like KeyboardInterrupt it is no Exception: what retries, logs or goes on to the next file must not swallow it.
    """

    exit_code: ClassVar[int] = 130

    def __init__(self, message: str, signal_number: int = 2) -> None:
        """Store the signal; the command's exit code is 128 + its number."""
        super().__init__(message)
        self.signal_number = signal_number


_SYSTEM_HINTS = {
    errno.ENOSPC: "The disk is full: free some space and run again.",
    errno.EDQUOT: "The disk quota is used up: free some space and run again.",
    errno.EFBIG: "A file may not grow that large here: raise the limit (ulimit -f), or choose another file system.",
    errno.EACCES: "Give this user the right to read and write there.",
    errno.EPERM: "Give this user the right to read and write there.",
    errno.EROFS: "The file system is read-only: choose another folder.",
    errno.EMFILE: "Too many files are open: raise the limit (ulimit -n).",
    errno.ENFILE: "Too many files are open on this machine: close some programs.",
    errno.EIO: "The disk failed: look into the system's log.",
}


def system_hint(error: BaseException) -> str | None:
    """What to do about a refusal of the operating system, also where a library put it into words of its own.

    Returns:
        A sentence; None where the error is something else.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is not None:
        return _SYSTEM_HINTS.get(number)
    text = str(error)
    return next((hint for number, hint in _SYSTEM_HINTS.items() if os.strerror(number) in text), None)


def refused_by_system(error: BaseException) -> TargetError | None:
    """Our error for a refusal of the operating system: a full disk, a limit, a missing right; None for others."""
    hint = system_hint(error) if isinstance(error, OSError) else None
    if hint is None or not isinstance(error, OSError):
        return None
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    return TargetError(f"The system refused to read or write: {what}. {hint}")


def exit_code_of(error: BaseException) -> int:
    """The exit code an error ends in; one that is not ours is an internal error."""
    if isinstance(error, RunInterruptedError):
        return 128 + error.signal_number
    if isinstance(error, KeyboardInterrupt):
        return RunInterruptedError.exit_code
    return error.exit_code if isinstance(error, CloudEtlError) else CloudEtlError.exit_code
