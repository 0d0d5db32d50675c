"""Rejects as rows of the quarantine, in Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cloud_etl.domain.rejects import QUARANTINE_COLUMNS
from cloud_etl.domain.run import RunContext
from cloud_etl.errors import QuarantineError
from cloud_etl.extract.reader.pieces import Reject
from cloud_etl.extract.reader.text_rows import FileRejects

_ROWS_AT_ONCE = 50_000
_ARROW = {"string": pa.string(), "int64": pa.int64(), "binary": pa.binary(), "timestamp[us]": pa.timestamp("us")}
SCHEMA = pa.schema([(name, _ARROW[arrow]) for name, _, arrow in QUARANTINE_COLUMNS])


def write_rejects(path: Path, groups: Sequence[FileRejects], run: RunContext) -> int:
    """Write rejects to one Parquet file; none is written where there are none.

    Returns:
        How many rows the file has.

    Raises:
        QuarantineError: the file cannot be written.
    """
    count = sum(len(group.rejects) for group in groups)
    if count == 0:
        return 0
    flat = ((group, reject) for group in groups for reject in group.rejects)
    try:
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            while rows := list(islice(flat, _ROWS_AT_ONCE)):
                writer.write_table(_table(rows, run))
    except OSError as exc:
        message = f"{count} rejects cannot be written to {path}: {exc}; nothing was published or loaded, free the disk"
        raise QuarantineError(message) from exc
    return count


def _table(rows: Sequence[tuple[FileRejects, Reject]], run: RunContext) -> pa.Table:
    raw = [group.encoding.quarantine(reject.raw) for group, reject in rows]
    same: Mapping[str, object] = {
        "run_id": run.run_id, "pipeline": run.pipeline, "stage": "reader",
        "rejected_at": datetime.now(UTC).replace(tzinfo=None),
    }  # fmt: skip
    each: Mapping[str, Sequence[object]] = {
        "source_uri": [group.file.uri for group, _ in rows],
        "source_etag": [group.file.etag for group, _ in rows],
        "line": [reject.line for _, reject in rows],
        "byte_position": [reject.position for _, reject in rows],
        "column": [reject.column for _, reject in rows],
        "code": [str(reject.code) for _, reject in rows],
        "message": [reject.message for _, reject in rows],
        "raw_text": [text for text, _ in raw],
        "raw_bytes": [data for _, data in raw],
    }
    arrays = [
        pa.array(each[field.name], field.type)
        if field.name in each
        else pa.repeat(pa.scalar(same[field.name], field.type), len(rows))
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
