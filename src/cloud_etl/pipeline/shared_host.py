"""A machine with other users, whom the engine's port would answer: `engine.shared_host`."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.engines.gate import can_close
from cloud_etl.errors import EngineError
from cloud_etl.monitoring.logger import get_logger

if TYPE_CHECKING:
    from cloud_etl.domain.environment import EngineSpec

# The first id that systems give to a person; macOS begins lower.
_FIRST_PERSON = 1000 if Path("/proc/self").exists() else 501
_NOBODY = 65534
_NO_SHELLS = ("nologin", "false", "sync")

log = get_logger()


def look_at_host(engine: EngineSpec) -> None:
    """Refuse or warn where other users of this machine could run code through the engine's port.

    Raises:
        EngineError: they could, and engine.shared_host is refuse.
    """
    if "sail" not in (engine.name, engine.verify) or engine.shared_host == "allow" or can_close():
        return
    if engine.shared_host == "refuse":
        raise EngineError(
            "this system cannot close the port of the sail engine to other users, and engine.shared_host is refuse. "
            "Nothing was read; run on Linux or with --engine spark, or write engine.shared_host: allow on a machine "
            "of your own."
        )
    if others := other_users():
        log.warning(
            "engine.port_is_open", users=", ".join(others[:5]),
            hint="they can run code as this user while the run lasts; see docs/explanation/security.md",
        )  # fmt: skip


def other_users() -> list[str]:
    """Names of others who may log in here, or who are running something."""
    me = os.getuid()
    found = {
        entry.pw_name
        for entry in pwd.getpwall()
        if _is_person(entry.pw_uid, me) and not entry.pw_shell.endswith(_NO_SHELLS)
    }
    return sorted(found | _running(me))


def _running(me: int) -> set[str]:
    # Accounts of a directory service are in no list; those who are here have processes.
    names = set[str]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            uid = entry.stat().st_uid
        except OSError:
            continue
        if _is_person(uid, me):
            names.add(f"user {uid}")
    return names


def _is_person(uid: int, me: int) -> bool:
    return uid not in (me, _NOBODY) and uid >= _FIRST_PERSON
