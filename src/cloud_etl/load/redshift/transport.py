"""The small interface behind which the driver and the Data API are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave; rows_changed is -1 where the server does not tell."""

    rows: list[tuple[object, ...]]
    rows_changed: int = -1


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a statement failed, in the server's words.

    Attributes:
        sqlstate: five characters, or empty where the transport does not pass it on.
        is_lost: the connection is gone; whether the statement was run is not known.
        is_passing: the same statement may do later (throttling, a limit of connections).
    """

    sqlstate: str
    message: str
    detail: str = ""
    is_lost: bool = False
    is_passing: bool = False


class Transport(Protocol):
    """One session of the warehouse: temporary tables, settings and transactions live in it."""

    def run(self, sql: str, values: Sequence[object] = ()) -> Answer | Fault:
        """Run one statement with `?` for values; it is committed at once unless BEGIN came before.

        A fault is given back, not raised: what the vendor's library raises quotes rows, and stays in its file.
        """

    def close(self) -> None:
        """End the session; an open transaction is rolled back."""
