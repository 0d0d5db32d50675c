"""COPY of a publication into a staging table, and why it failed where it did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_etl.errors import CloudEtlError, LedgerError, TargetError, TemporaryError
from cloud_etl.load.dialect import quote
from cloud_etl.load.redshift import failures
from cloud_etl.load.redshift.dialect import fold, literal
from cloud_etl.load.redshift.parquet_files import staging_columns

if TYPE_CHECKING:
    from cloud_etl.domain.run import LoadTask, Publication
    from cloud_etl.domain.warehouse import RedshiftSpec
    from cloud_etl.load.redshift.parquet_files import DataFiles
    from cloud_etl.load.redshift.session import Session
    from cloud_etl.load.redshift.transport import Fault

_SHOWN_ERRORS = 3
_BUSY = re.compile(r"SlowDown|ServiceUnavailable|InternalError|RequestTimeout|\b50[03]\b", re.IGNORECASE)
_ADVICE = (
    (
        re.compile(r"assume.*role|not associated|IAM role|default role", re.IGNORECASE),
        "Attach copy_role to the cluster and let redshift.amazonaws.com assume it (docs/how-to/redshift.md).",
    ),
    (
        re.compile(r"access ?denied|forbidden|\b403\b", re.IGNORECASE),
        "Let copy_role read the store: s3:GetObject and s3:ListBucket on its prefix, and kms:Decrypt on its key.",
    ),
    (
        re.compile(r"PermanentRedirect|different region|AuthorizationHeaderMalformed|\b301\b", re.IGNORECASE),
        "COPY reads a bucket in the cluster's own region only: keep the store there.",
    ),
    (
        re.compile(
            r"NoSuchKey|specified key does not exist|Mandatory url|\b404\b|\b416\b|content.?length", re.IGNORECASE
        ),
        "A file of the publication is gone or was changed after it was published: run again.",
    ),
    (
        re.compile(r"15001|longer than the length", re.IGNORECASE),
        "Widen the column, or cut the value in transform.",
    ),
    (
        re.compile(r"15007|unmatched number of columns|incompatible Parquet schema", re.IGNORECASE),
        "The files were changed after they were published: run again.",
    ),
)
_DETAIL = (
    "SELECT file_name, column_name, column_type, column_length, error_code, error_message FROM sys_load_error_detail "
    "WHERE session_id = pg_backend_pid() ORDER BY start_time DESC LIMIT 3"
)
_STL = (
    "SELECT filename, colname, type, col_length, err_code, err_reason FROM stl_load_errors "
    "WHERE session = pg_backend_pid() ORDER BY starttime DESC LIMIT 3"
)


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging table of one output.

    Attributes:
        name: as it is written into SQL.
        is_temporary: ends with the session.
        distkey: column to lay the rows out by, so that a merge with a table laid out alike stays on its node.
    """

    name: str
    is_temporary: bool
    distkey: str | None = None


def staging_of(spec: RedshiftSpec, task: LoadTask, number: int, pipeline: str) -> Staging:
    """Where an output is staged: a temporary table, or one in the schema that the settings name."""
    key = task.spec.distkey
    held = next((fold(name) for name in task.publication.schema.names if key and fold(name) == fold(key)), None)
    if spec.staging_schema is None:
        return Staging(f"cloud_etl_copied_{number}", True, held)
    # The name is that of the pipeline, which runs once at a time: what a run that died left is dropped by the next.
    name = f"{quote(spec.staging_schema)}.{quote(f'cloud_etl_copied_{pipeline}_{number}')}"
    return Staging(name, False, held)


def create_statements(staging: Staging, columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Statements that make an empty staging table."""
    kind = "TEMP TABLE" if staging.is_temporary else "TABLE"
    body = ", ".join(f"{quote(name)} {type_name}" for name, type_name in columns)
    layout = f" DISTKEY ({quote(staging.distkey)})" if staging.distkey else ""
    drop = () if staging.is_temporary else (f"DROP TABLE IF EXISTS {staging.name}",)
    return (*drop, f"CREATE {kind} {staging.name} ({body}){layout}")


def copy_statement(staging: Staging, columns: Sequence[str], publication: Publication, role: str) -> str:
    """COPY by the publication's manifest; columns stand in the order of the files.

    Raises:
        TargetError: the publication is not in S3.
    """
    if not publication.manifest_uri.startswith("s3://"):
        raise TargetError(
            f"{publication.manifest_uri} is not in S3, where COPY reads. Nothing was loaded. Set the store to s3://..."
        )
    names = ", ".join(map(quote, columns))
    who = "default" if role == "default" else literal(role)
    return (
        f"COPY {staging.name} ({names}) FROM {literal(publication.manifest_uri)} IAM_ROLE {who} "
        "FORMAT AS PARQUET MANIFEST"
    )


def stage(session: Session, staging: Staging, task: LoadTask, files: DataFiles, role: str) -> None:
    """Copy the files of a publication into its staging table and count them.

    Raises:
        TargetError: COPY refused; names file and column where Redshift does.
        TemporaryError: S3 or Redshift was busy.
        LedgerError: Redshift copied another number of rows than the footers hold.
    """
    publication = task.publication
    columns = staging_columns(files, publication.schema)
    if not columns:
        # An empty output of unknown columns: there is nothing to stage.
        return
    for statement in create_statements(staging, columns):
        session.change(statement)
    if not files.files:
        return
    fault = session.attempt(copy_statement(staging, [name for name, _ in columns], publication, role))
    if fault is not None:
        raise _copy_error(session, fault, task)
    said = session.number("SELECT pg_last_copy_count()")
    there = session.number(f"SELECT count(*) FROM {staging.name}")
    if not said == there == publication.rows:
        raise LedgerError(
            f"COPY of {publication.output} does not reconcile: the footers hold {publication.rows:,} rows, Redshift "
            f"says it copied {said:,}, and the staging table holds {there:,}. Nothing was loaded. "
            "See that nobody writes below the store's processed-data/, and run again."
        )


def _copy_error(session: Session, fault: Fault, task: LoadTask) -> CloudEtlError:
    doing = f"COPY of {task.publication.output} for {task.spec.table}"
    if fault.is_lost or fault.is_passing or failures.is_serialization(fault):
        return failures.error(fault, doing)
    rows = _error_rows(session)
    text = f"{failures.said(fault)}{''.join(f'; {row}' for row in rows)}"
    if _BUSY.search(fault.message):
        return TemporaryError(f"{doing} stopped: {text}. Nothing was loaded. Run again.")
    everything = f"{text} {fault.message} {fault.detail}"
    advice = next((remedy for pattern, remedy in _ADVICE if pattern.search(everything)), "")
    plain = failures.error(fault, doing)
    if isinstance(plain, TemporaryError):
        return plain
    return TargetError(f"{doing} stopped: {text}. Nothing was loaded. {advice}".rstrip())


def _error_rows(session: Session) -> tuple[str, ...]:
    """What Redshift wrote down of the failure: SYS_LOAD_ERROR_DETAIL, or STL_LOAD_ERRORS on older clusters."""
    for sql in (_DETAIL, _STL):
        try:
            rows = session.rows(sql)
        except CloudEtlError:
            # A user may lack the right to see it, and serverless has no STL tables: the server's message remains.
            continue
        if rows:
            return tuple(dict.fromkeys(_readable(row) for row in rows))[:_SHOWN_ERRORS]
    return ()


def _readable(row: tuple[object, ...]) -> str:
    file, column, kind, length, code, reason = (str(cell).strip() if cell is not None else "" for cell in row)
    parts = [file.rpartition("/")[2]] if file else []
    if column:
        width = f"({length})" if length and length != "0" and "(" not in kind else ""
        parts.append(f"column {column}{f' {kind}{width}' if kind else ''}")
    parts.append(f"error {code}: {failures.without_values(reason)}")
    return ", ".join(parts)
