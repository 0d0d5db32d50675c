"""Send a run of a project elsewhere: pack, upload what is not there yet, start."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl import backends
from cloud_etl.errors import RunInterruptedError, TemporaryError, UsageError
from cloud_etl.monitoring.figures import size
from cloud_etl.monitoring.logger import get_logger
from cloud_etl.pipeline.check import check_project
from cloud_etl.pipeline.wiring import open_store
from cloud_etl.state.journal import new_run_id
from cloud_etl.submit import entry
from cloud_etl.submit.job import arguments
from cloud_etl.submit.packages import environment_pack
from cloud_etl.submit.port import JobRequest, Machine
from cloud_etl.submit.preconditions import check_sendable, for_sending
from cloud_etl.submit.project_pack import project_pack
from cloud_etl.submit.record import FOLDER, SubmittedRun, how_to_follow

if TYPE_CHECKING:
    from cloud_etl.config.config import LoadedProject
    from cloud_etl.domain.submit_spec import SubmitSpec
    from cloud_etl.storage.object_store import ObjectStore
    from cloud_etl.submit.pack import Pack
    from cloud_etl.submit.port import Submitter

log = get_logger()
Tell = Callable[[str], None]
PACKAGE = "cloud_etl.submit"
_PACKS = f"{FOLDER}/packs"
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9 /_.:=+@-]")
_LONGEST_TAG = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to do."""

    pipelines: tuple[str, ...]
    run_date: date
    strict: bool = False


class Submission:
    """Sends runs of one environment to the place that its `submit` names."""

    def __init__(self, loaded: LoadedProject, tell: Tell) -> None:
        """Store the project; tell is told in a few words what is being done."""
        self._loaded = for_sending(loaded)
        self._tell = tell

    @cached_property
    def store(self) -> ObjectStore:
        """The environment's store."""
        return open_store(self._loaded)

    @cached_property
    def submitter(self) -> Submitter:
        """The backend that the environment names.

        Raises:
            UsageError: it names none.
        """
        submitter: Submitter = backends.backend(PACKAGE, self._backend, "Submitter")(self._loaded.environment)
        return submitter

    def send(self, wanted: Wanted, run_id: str | None = None) -> SubmittedRun:
        """Check, pack, upload, start.

        Args:
            wanted: what to run.
            run_id: id of the run; a new one without.

        Raises:
            ConfigError: the run would not find elsewhere what it finds here.
            UsageError: the place cannot run it.
            TargetError: store or place refuse; nothing was started.
            TemporaryError: a passing fault; the message says where the job may have been started all the same.
            RunInterruptedError: Ctrl-C or SIGTERM while the job was started.
        """
        check_sendable(self._loaded, wanted.pipelines)
        check_project(self._loaded)
        self._tell(f"looking at {self.submitter.place}")
        self.submitter.check(this_machine())
        request = self._request(wanted, run_id or new_run_id(datetime.now(UTC)))
        run = SubmittedRun(self._backend, request)
        # Kept before it is started: whoever dies in between can ask again and gets the same job.
        run.write(self.store)
        return self.start(run)

    def start(self, run: SubmittedRun) -> SubmittedRun:
        """Start a run that is kept and has no job yet; one that has a job already is given back as it is."""
        if run.job_id is not None:
            return run
        self._tell(f"starting in {self.submitter.place}")
        try:
            run = run.taken(self.submitter.start(run.request), self.store)
        except (KeyboardInterrupt, RunInterruptedError) as exc:
            number = exc.signal_number if isinstance(exc, RunInterruptedError) else 2
            raise RunInterruptedError(
                f"run {run.run_id} was interrupted while it was started in {self.submitter.place}, which may have "
                f"taken it. {how_to_follow(run)}",
                number,
            ) from exc
        except TemporaryError as exc:
            # An answer that was lost on the way says nothing about the job.
            raise TemporaryError(f"{exc} It may have been started all the same. {how_to_follow(run)}") from exc
        log.info("submit.started", run=run.run_id, job=run.job_id, place=self.submitter.place)
        return run

    def find(self, run_id: str) -> SubmittedRun:
        """A run that was submitted before.

        Raises:
            UsageError: there is none.
        """
        return self.start(SubmittedRun.read(self.store, run_id))

    @property
    def _spec(self) -> SubmitSpec:
        spec = self._loaded.environment.submit
        if spec is None:
            raise UsageError(f"environment {self._loaded.environment_name} has no `submit`")
        return spec

    @property
    def _backend(self) -> str:
        known = backends.names(PACKAGE, "Submitter")
        for name in known:
            if getattr(self._spec, name, None) is not None:
                return name
        raise UsageError(
            f"submit of environment {self._loaded.environment_name} names no place. Nothing was sent. "
            f"Write one of: {', '.join(f'submit.{name}' for name in known)}"
        )

    def _request(self, wanted: Wanted, run_id: str) -> JobRequest:
        loaded, store = self._loaded, self.store
        packages = environment_pack(self._spec.packages) if self.submitter.sends_packages else None
        names = " ".join(wanted.pipelines)
        tags = {"cloud-etl:project": loaded.spec.project, "cloud-etl:pipelines": names, "cloud-etl:run": run_id}
        return JobRequest(
            run_id=run_id,
            name=f"{loaded.spec.project} {run_id} {names}",
            pipelines=wanted.pipelines,
            arguments=arguments(
                run_id, loaded.environment_name, wanted.pipelines, wanted.run_date, strict=wanted.strict
            ),
            entry=self._upload_entry(),
            project=self._upload(project_pack(loaded, self._spec)),
            environment=None if packages is None else self._upload(packages),
            python=".".join(map(str, this_machine().python)),
            log_uri=f"{store.uri(FOLDER)}/logs/",
            variables=dict(self._spec.variables),
            tags={key: _NOT_IN_TAGS.sub("-", text)[:_LONGEST_TAG] for key, text in tags.items()},
        )

    def _upload(self, pack: Pack) -> str:
        """Uri of a pack in the store; it is written and sent only where the same content is not there yet."""
        self._tell(f"packing: {pack.name}")
        key = f"{_PACKS}/{pack.file_name}"
        if key not in self._there:
            with tempfile.TemporaryDirectory(prefix="cloud-etl-submit-") as folder:
                path = Path(folder) / pack.file_name
                pack.write(path)
                size_bytes = path.stat().st_size
                self._tell(f"sending: {pack.name}, {size(size_bytes)}")
                self.store.upload(path, key)
            log.info("submit.sent", pack=pack.name, size_bytes=size_bytes, uri=self.store.uri(key))
        return self.store.uri(key)

    def _upload_entry(self) -> str:
        data = entry_script()
        key = f"{_PACKS}/entry-{hashlib.sha256(data).hexdigest()[:32]}.py"
        if key not in self._there:
            self.store.write(key, data)
        return self.store.uri(key)

    @property
    def _there(self) -> frozenset[str]:
        """Keys of what was sent before."""
        return frozenset(info.key for info in self.store.list(_PACKS))


def entry_script() -> bytes:
    """The file that spark-submit starts."""
    return Path(entry.__file__).read_bytes()


def this_machine() -> Machine:
    """What the packages of this Python were made for."""
    return Machine(platform.system().lower(), platform.machine(), sys.version_info[:2])
