"""PostgreSQL's errors in Redshift's shape: its SQLSTATEs and texts where they differ."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloud_etl.local_aws.redshift import protocol
from cloud_etl.local_aws.redshift.port import RedshiftError

# Byte widths are CHECK constraints in PostgreSQL, named by type and width in `catalog/attributes.sql`.
_WIDTH_CHECK = re.compile(r"^redshift_(varchar|char|multibyte)_(\d+)_\d+$")
_SERIALIZATION = ("40001", "40P01")


def from_postgres(body: bytes) -> RedshiftError:
    """The error of an ErrorResponse's body, as Redshift would say it."""
    got = protocol.fields(body)
    return (
        _width(got)
        or _serializable(got)
        or _identity(got)
        or _merge(got)
        or RedshiftError(got.get("M", ""), sqlstate=got.get("C", "XX000"), detail=got.get("D"), hint=got.get("H"))
    )


def _width(got: Mapping[str, str]) -> RedshiftError | None:
    check = _WIDTH_CHECK.match(got.get("n", ""))
    if got.get("C") != "23514" or check is None:
        return None
    kind, width = check.groups()
    if kind == "multibyte":
        return RedshiftError(
            "CHAR string contains invalid ASCII character", sqlstate="22021", hint="try using the VARCHAR type"
        )
    name = "character varying" if kind == "varchar" else "character"
    return RedshiftError(f"value too long for type {name}({width})", sqlstate="22001")


def _merge(got: Mapping[str, str]) -> RedshiftError | None:
    if got.get("C") != "21000" or not got.get("M", "").startswith("MERGE"):
        return None
    return RedshiftError("Found multiple matches to update the same tuple.")


def _identity(got: Mapping[str, str]) -> RedshiftError | None:
    if got.get("C") != "428C9":
        return None
    return RedshiftError("cannot set an identity column to a value", sqlstate="0A000")


def _serializable(got: Mapping[str, str]) -> RedshiftError | None:
    if got.get("C") not in _SERIALIZATION:
        return None
    if got["C"] == "40P01":
        return RedshiftError("deadlock detected", sqlstate="40P01", detail=got.get("D"))
    return RedshiftError(
        "1023",
        detail="Serializable isolation violation on table in Redshift - one of the transactions forming the cycle was "
        f"stopped ({got.get('M', '')}).",
    )


def to_message(error: RedshiftError) -> bytes:
    """The ErrorResponse a client gets."""
    values = {"C": error.sqlstate, "M": error.message}
    if error.detail:
        values["D"] = error.detail
    if error.hint:
        values["H"] = error.hint
    return protocol.error("ERROR", values)
