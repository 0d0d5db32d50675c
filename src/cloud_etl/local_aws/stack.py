"""A local AWS in a folder: brought up, looked at, taken down; what is there already is left alone."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud_etl.errors import TargetError, UsageError
from cloud_etl.local_aws import processes
from cloud_etl.local_aws.parts import HOST, Part, check_installed, free_ports, parts_of, write_s3_credentials
from cloud_etl.local_aws.redshift.port import S3Settings
from cloud_etl.local_aws.redshift.server import RedshiftServer
from cloud_etl.local_aws.redshift.settings import ServerSettings
from cloud_etl.local_aws.state import PartState, State, read_state, write_state
from cloud_etl.storage.lock import locked

_START_SECONDS = 90
_POLL_SECONDS = 0.1
_LOG_CHARACTERS = 1_500
_IGNORE = "# Data, credentials and logs of `cloud-etl local`.\n*\n"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One server as it is now.

    Attributes:
        health: running, not answering, gone (it should run but was killed) or stopped.
        port: 0 where it never ran.
    """

    name: str
    title: str
    health: str
    pid: int
    port: int

    @property
    def healthy(self) -> bool:
        """Whether it runs and answers."""
        return self.health == "running"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers of a folder are, and the credentials for them."""

    s3_endpoint: str
    aws_endpoint: str
    access_key_id: str
    secret_access_key: str
    redshift_port: int
    redshift_user: str
    redshift_password: str
    redshift_database: str
    redshift_ca: Path


class LocalAws:
    """The servers over one folder."""

    def __init__(self, folder: Path) -> None:
        """Store the folder; nothing is read or made."""
        self._folder = folder.absolute()

    @property
    def folder(self) -> Path:
        """Where data, credentials and logs are."""
        return self._folder

    def up(self, s3: str | None = None) -> Addresses:
        """Start what does not run, and wait until everything answers.

        Args:
            s3: seaweed or moto; that of last time, at first seaweed, without.

        Raises:
            UsageError: a package is missing, the folder is another user's, or its objects lie in the other S3 server.
            TargetError: a server does not start; says which, and how its log ends.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._require_own()
        with locked(self._folder / "lock"):
            state = read_state(self._folder) or State.new(s3 or "seaweed")
            if s3 not in (None, state.s3):
                raise UsageError(
                    f"the objects of {self._folder} lie in {state.s3}, not in {s3}. Nothing was started. "
                    "Leave --s3 out, or name another --folder."
                )
            check_installed(state.s3)
            (self._folder / ".gitignore").write_text(_IGNORE)
            (self._folder / "logs").mkdir(exist_ok=True)
            write_s3_credentials(self._folder, state)
            parts = self._parts(state)
            for part in parts:
                self._start(part, state)
            self._wait(parts, state)
            return self._addresses(state)

    def _require_own(self) -> None:
        """Close the folder to others; one that another user made or filled is not used.

        Files are written and a password is taken there: a stranger's links would carry both elsewhere.
        """
        for path in (self._folder, *self._folder.iterdir()):
            found = path.lstat()
            # What lies in `redshift` belongs to the user that PostgreSQL runs as.
            if found.st_uid != os.getuid() or stat.S_ISLNK(found.st_mode):
                raise UsageError(
                    f"{path} is a link, or belongs to user {found.st_uid}. Nothing was read, written or started. "
                    "Name a --folder of your own: passwords lie in it."
                )
        self._folder.chmod(0o700)

    def down(self) -> tuple[str, ...]:
        """Stop what runs, the last started first, and give the names; the data stays."""
        if not self._folder.exists():
            return ()
        self._require_own()
        with locked(self._folder / "lock"):
            state = read_state(self._folder)
            if state is None:
                return ()
            stopped = []
            for part in reversed(self._parts(state)):
                known = state.parts.get(part.name)
                if known is not None and known.process.alive:
                    known.process.stop(part.grace_seconds)
                    stopped.append(part.name)
                if known is not None:
                    state.parts[part.name] = PartState(processes.Process(0, ""), known.command, known.ports)
            write_state(self._folder, state)
            return tuple(stopped)

    def status(self) -> tuple[PartStatus, ...]:
        """Every server as it is now; none where nothing was ever started."""
        if self._folder.exists():
            self._require_own()
        state = read_state(self._folder)
        return tuple(self._status(part, state) for part in self._parts(state)) if state else ()

    def _parts(self, state: State) -> tuple[Part, ...]:
        holder = "s3" if state.s3 == "seaweed" else "aws"
        return parts_of(state, self._folder, lambda: f"http://{HOST}:{state.parts[holder].ports['port']}")

    def _status(self, part: Part, state: State) -> PartStatus:
        known = state.parts.get(part.name)
        if known is None:
            return PartStatus(part.name, part.title, "stopped", 0, 0)
        port = known.ports["port"]
        health = "stopped" if not known.process.pid else "gone"
        if known.process.alive:
            health = "running" if part.answers(known.ports) else "not answering"
        return PartStatus(part.name, part.title, health, known.process.pid, port)

    def _start(self, part: Part, state: State) -> None:
        """Start one server, unless it runs with the very command that is wanted."""
        known = state.parts.get(part.name)
        if known is not None and known.process.alive:
            if known.command == tuple(part.command(known.ports)) and self._answers_soon(part, known):
                return
            known.process.stop(part.grace_seconds)
        ports = free_ports(part.ports, known.ports if known else {})
        command = part.command(ports)
        process = processes.start(command, self._log(part.name))
        # Written at once: whatever happens next, `down` and `status` know of it.
        state.parts[part.name] = PartState(process, tuple(command), ports)
        write_state(self._folder, state)

    def _answers_soon(self, part: Part, known: PartState) -> bool:
        deadline = time.monotonic() + 5
        while not part.answers(known.ports):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _wait(self, parts: tuple[Part, ...], state: State) -> None:
        deadline = time.monotonic() + _START_SECONDS
        for part in parts:
            known = state.parts[part.name]
            while not part.answers(known.ports):
                if not known.process.alive or time.monotonic() > deadline:
                    raise self._not_started(part)
                time.sleep(_POLL_SECONDS)

    def _not_started(self, part: Part) -> TargetError:
        log = self._log(part.name)
        end = log.read_text(errors="replace")[-_LOG_CHARACTERS:].strip()
        return TargetError(
            f"the local {part.name} server did not start. What did start runs on: look with cloud-etl local status, "
            f"end it with cloud-etl local down. Its log {log} ends:\n{end}"
        )

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def _addresses(self, state: State) -> Addresses:
        endpoints: Mapping[str, str] = {
            name: f"http://{HOST}:{part.ports['port']}" for name, part in state.parts.items()
        }
        settings = ServerSettings(self._folder / "redshift", S3Settings(endpoints.get("s3", endpoints["aws"])))
        return Addresses(
            s3_endpoint=endpoints.get("s3", endpoints["aws"]),
            aws_endpoint=endpoints["aws"],
            access_key_id=state.access_key_id,
            secret_access_key=state.secret_access_key,
            redshift_port=state.parts["redshift"].ports["port"],
            redshift_user=settings.user,
            redshift_password=settings.kept_password(),
            redshift_database=settings.database,
            redshift_ca=RedshiftServer(settings).certificate_path,
        )
