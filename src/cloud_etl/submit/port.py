"""What a place that runs jobs must offer: to be looked at, started, asked and stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloud_etl.domain.environment import EnvironmentSpec


@dataclass(frozen=True, slots=True)
class Machine:
    """What packages with compiled parts depend on: `Machine("linux", "x86_64", (3, 11))`."""

    system: str
    architecture: str
    python: tuple[int, int]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A run to start elsewhere; the same request again is the same job.

    Attributes:
        arguments: those of the entry script.
        entry: uri of the entry script.
        project: uri of the project's archive.
        environment: uri of the packages' archive; None where the place has them.
        python: the interpreter's version, `3.11`; the packages of the archive are for no other.
        log_uri: folder for the logs of driver and executors.
        variables: environment variables of driver and executors.
    """

    run_id: str
    name: str
    pipelines: tuple[str, ...]
    arguments: tuple[str, ...]
    entry: str
    project: str
    environment: str | None
    python: str
    log_uri: str
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is.

    Attributes:
        state: the word of the place, `RUNNING`.
        details: what the place says of it; often nothing.
    """

    state: str
    details: str
    ended: bool
    succeeded: bool
    cancelled: bool


class Submitter(Protocol):
    """A backend module of `cloud_etl.submit` has a class `Submitter` with these methods.

    A constructor stores. Every method but the constructor may raise TemporaryError for a passing fault, after tries
    of its own, and TargetError where access is denied or the place does not exist.
    """

    def __init__(self, environment: EnvironmentSpec) -> None:
        """Store the settings; `environment.submit` has those of this backend."""

    @property
    def place(self) -> str:
        """What messages call the place, `EMR Serverless application 00fabc`."""

    @property
    def sends_packages(self) -> bool:
        """Whether this machine's packages are sent along."""

    def check(self, machine: Machine) -> None:
        """Look whether the place can run a job with packages of this machine.

        Raises:
            UsageError: it cannot; says why and what to change. Nothing was started.
        """

    def start(self, request: JobRequest) -> str:
        """Start a job and give its id; the same request again gives the same job."""

    def status(self, job_id: str) -> JobStatus:
        """How far the job is."""

    def cancel(self, job_id: str) -> None:
        """Have the job stopped, with time to write its report; one that has ended already is fine."""

    def logs(self, request: JobRequest, job_id: str) -> str:
        """Where the driver's log is, for a person who must look."""
