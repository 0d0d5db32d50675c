"""What `cloud-etl local` remembers in its folder: processes, ports, credentials."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cloud_etl.errors import TargetError
from cloud_etl.local_aws.processes import Process

_FILE = "state.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class PartState:
    """One server as it was last started."""

    process: Process
    command: tuple[str, ...]
    ports: Mapping[str, int]


@dataclass(slots=True)
class State:
    """The folder's memory.

    Attributes:
        s3: which server keeps the objects, seaweed or moto.
        parts: by name; those that were stopped keep their ports.
    """

    s3: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    parts: dict[str, PartState] = field(default_factory=dict)

    @classmethod
    def new(cls, s3: str) -> State:
        """A state with credentials of its own."""
        return cls(s3, f"LOCAL{secrets.token_hex(8).upper()}", secrets.token_urlsafe(24))


def read_state(folder: Path) -> State | None:
    """The state of a folder, None where nothing was ever started.

    Raises:
        TargetError: the file is damaged.
    """
    path = folder / _FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("version") != _VERSION:
            raise ValueError
        parts = {
            name: PartState(Process(**part["process"]), tuple(part["command"]), part["ports"])
            for name, part in data.pop("parts").items()
        }
        return State(parts=parts, **data)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise TargetError(
            f"{path} is damaged, or was written by another version. Nothing was started or stopped. "
            "Stop what still runs by hand, then delete the file: the data beside it stays."
        ) from exc


def write_state(folder: Path, state: State) -> None:
    """Write the state whole; only its owner can read it."""
    path = folder / _FILE
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"version": _VERSION, **asdict(state)}, file, indent=2)
    draft.replace(path)
