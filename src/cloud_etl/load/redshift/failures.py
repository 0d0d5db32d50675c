"""What Redshift says when it refuses, in our errors: what can be tried again, and no values of rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloud_etl.errors import CloudEtlError, ConnectionLostError, TargetError, TemporaryError

if TYPE_CHECKING:
    from cloud_etl.load.redshift.transport import Fault

ROLLED_BACK = "The transaction was rolled back; nothing was loaded."
# Serialization, deadlock, too many connections, and a server that goes down, comes up or is resized.
_PASSING_STATES = {"40001", "40P01", "53300", "57P01", "57P02", "57P03", "55006"}
_SERIALIZATION = re.compile(r"\b1023\b|serializable isolation violation|deadlock detected", re.IGNORECASE)
# Two loads that make the same table at once; the second finds it there when it tries again.
_MADE_BY_ANOTHER = re.compile(
    r"already exists|tuple concurrently|pg_(class|type|namespace)_\w+_index|could not complete because of conflict",
    re.IGNORECASE,
)
_CANCELLED = {"57014"}
_DENIED = {"42501"}
_VALUES = re.compile(r"(Value|value|Key|string|date|timestamp|integer|numeric)(:?\s*)(\"[^\"]*\"|'[^']*'|\([^)]*\)=.*)")
_ABOUT_VALUES = ("22", "23")
_LINE = re.compile(r"^\s*(error|code|context):\s*(?P<text>\S.*?)\s*$", re.MULTILINE)
_MOST_CHARACTERS = 600


def is_serialization(fault: Fault) -> bool:
    """Whether transactions got into each other's way; the same load does when it is tried again."""
    return fault.sqlstate in ("40001", "40P01") or bool(_SERIALIZATION.search(f"{fault.message} {fault.detail}"))


def error(fault: Fault, doing: str) -> CloudEtlError:
    """Our error for a fault.

    Args:
        fault: what the server said.
        doing: what was being done to what, to begin the message with: `loading analytics.sales`.
    """
    if fault.is_lost:
        return ConnectionLostError(
            f"{doing}: the connection to Redshift was lost ({said(fault)}). What was not committed is rolled back. "
            "Run again: the load ledger tells whether this batch is in."
        )
    if is_serialization(fault):
        return TemporaryError(f"{doing} met another transaction: {said(fault)}. {ROLLED_BACK} Run again.")
    if fault.is_passing or fault.sqlstate in _PASSING_STATES or _MADE_BY_ANOTHER.search(fault.message):
        return TemporaryError(f"{doing} stopped: {said(fault)}. {ROLLED_BACK} Run again.")
    if fault.sqlstate in _CANCELLED:
        return TargetError(
            f"{doing} stopped: {said(fault)}. {ROLLED_BACK} Raise statement_timeout_seconds, or ask who cancelled it."
        )
    if fault.sqlstate in _DENIED or "permission denied" in fault.message.lower():
        return TargetError(
            f"{doing} stopped: {said(fault)}. {ROLLED_BACK} Grant it to this user (docs/how-to/redshift.md)."
        )
    return TargetError(f"{doing} stopped: {said(fault)}. {ROLLED_BACK}")


def said(fault: Fault) -> str:
    """The server's words without values of rows."""
    if fault.sqlstate.startswith(_ABOUT_VALUES):
        return f"a value does not fit ({without_values(fault.message)})"
    told = [fault.message.splitlines()[0] if fault.message else "no message"]
    told += [match["text"] for match in _LINE.finditer(fault.detail) if match["text"] not in told[0]]
    if len(told) == 1 and fault.detail:
        told.append(fault.detail.splitlines()[0])
    return without_values("; ".join(told))[:_MOST_CHARACTERS].rstrip(".")


def without_values(text: str) -> str:
    """A message with what it quotes from rows left out."""
    return _VALUES.sub(r"\1 ...", text)
