"""The errors of COPY and UNLOAD in Redshift's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloud_etl.errors import CloudEtlError, ObjectMissingError
from cloud_etl.local_aws.redshift.port import RedshiftError, SessionInfo

SCAN_ERROR = "Spectrum Scan Error"
_RULE = "-" * 47
_STATUS = re.compile(r"status code: (\d{3})|\b(40[134]|301|5\d\d)\b")
_MESSAGES = {
    "AccessDenied": (403, "Access Denied"),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "SignatureDoesNotMatch": (403, "The request signature we calculated does not match the signature you provided."),
    "ExpiredToken": (400, "The provided token has expired."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "PermanentRedirect": (
        301,
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.",
    ),
    "SlowDown": (503, "Please reduce your request rate."),
}


def detailed(
    session: SessionInfo, error: str, code: int, context: str, location: str = "dory_util.cpp:1450"
) -> RedshiftError:
    """An error with the block of lines that Redshift's leader puts into DETAIL."""
    process = "padbmaster" if location.startswith(("s3", "spectrum")) else "worker_thread"
    lines = (
        _RULE,
        f"error:  {error}",
        f"code:      {code}",
        f"context:   {context}",
        f"query:     {session.query_id}",
        f"location:  {location}",
        f"process:   {process} [pid={session.pid}]",
        _RULE,
    )
    return RedshiftError(error, sqlstate="XX000", detail="".join(f"\n  {line}" for line in lines))


@dataclass(frozen=True, slots=True)
class ScanFault:
    """What is wrong with a columnar file.

    Attributes:
        uri: the file as Redshift's messages name it.
        column: of the table, empty where the whole file is off.
    """

    code: int
    context: str
    uri: str
    column: str = ""
    error: str = SCAN_ERROR


class ScanError(RedshiftError):
    """What the scan of a columnar file ends in; it stands in the system tables too."""

    def __init__(self, session: SessionInfo, fault: ScanFault) -> None:
        """Put the fault into the lines of DETAIL."""
        location = "dory_util.cpp:1450" if fault.error == SCAN_ERROR else "column:1"
        made = detailed(session, fault.error, fault.code, fault.context, location)
        super().__init__(made.message, sqlstate=made.sqlstate, detail=made.detail)
        self.fault = fault


def s3_exception(code: str, prefix: str = "") -> RedshiftError:
    """An answer of S3 as the client sees it: `S3ServiceException:Access Denied,Status 403,Error AccessDenied`."""
    status, message = _MESSAGES.get(code, (500, "The request to S3 failed."))
    return RedshiftError(f"{prefix}S3ServiceException:{message},Status {status},Error {code},CanRetry 1")


@contextmanager
def s3_failures(prefix: str = "") -> Iterator[None]:
    """Turn what the storage layer raises into Redshift's words; prefix stands before them."""
    try:
        yield
    except CloudEtlError as exc:
        raise s3_exception(_code(exc), prefix) from exc


def _code(exc: CloudEtlError) -> str:
    text = f"{exc} {exc.__cause__}"
    for code in _MESSAGES:
        if code in text:
            return code
    if isinstance(exc, ObjectMissingError):
        return "NoSuchKey"
    found = _STATUS.search(text)
    status = (found[1] or found[2]) if found else ""
    return {"403": "AccessDenied", "401": "AccessDenied", "404": "NoSuchKey", "301": "PermanentRedirect"}.get(
        status, "SlowDown" if status.startswith("5") else "InternalError"
    )
