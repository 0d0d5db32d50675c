"""See that the executors reach the work area, before any of its files is made."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.engines.dialect import read_files
from cloud_etl.engines.failures import engine_exceptions, quiet_client
from cloud_etl.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from cloud_etl.domain.work_path import RemotePath

# What a JVM says, and what it means.
_REASONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"S3AFileSystem|No FileSystem for scheme|software[./]amazon[./]awssdk", re.IGNORECASE),
        "Spark has no jars for S3; leave engine.jars out, or put Hadoop's S3 client and what it needs there",
    ),
    (
        re.compile(r"AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|NoAuth|credential", re.IGNORECASE),
        "their credentials are missing or lack the permission; give the machines of the cluster a role for the bucket",
    ),
    (
        re.compile(r"UnknownHost|refused|timed out|Unable to execute HTTP|NoRouteToHost|unreachable", re.IGNORECASE),
        "they do not reach the server; s3.endpoint must be an address that all machines of the cluster know",
    ),
)


def require_reach(session: SparkSession, work: RemotePath, who: str) -> None:
    """Let an executor read one row that this process wrote.

    Args:
        session: of the cluster.
        work: the work area of the run.
        who: the cluster, for the message.

    Raises:
        EngineError: it cannot; says why.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="cloud-etl-probe-") as folder:
        row = Path(folder) / "row.parquet"
        pq.write_table(pa.table({"reached": [True]}), row)
        probe = (work / "probe.parquet").put(row)
    try:
        with quiet_client():
            read_files(session, [probe]).collect()
    except engine_exceptions() as exc:
        # The probe holds no data, so what the engine says can be told.
        raise EngineError(
            f"the executors of {who} cannot read {work}: {_reason(str(exc))}. Nothing was read or loaded."
        ) from None


def _reason(text: str) -> str:
    for pattern, reason in _REASONS:
        if pattern.search(text):
            return reason
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason was given")[:300]
