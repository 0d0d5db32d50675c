"""Why a Parquet file could not be read to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.extract.reader.parquet.batches import ExceedsMemoryError, batches_of, rows_at_once

_ENCRYPTED_FOOTER = b"PARE"
_ROWS = 1 << 16
_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError)


def damage_of(path: Path, fault: Exception, bound_bytes: int) -> tuple[RejectCode, str]:
    """The code and the message for a file that failed, with the columns that cannot be read where others can."""
    with path.open("rb") as file:
        file.seek(-min(len(_ENCRYPTED_FOOTER), path.stat().st_size), 2)
        if file.read() == _ENCRYPTED_FOOTER:
            return RejectCode.ENCRYPTED_FILE, "the Parquet file is encrypted, its footer too"
    if "crypt" in str(fault).lower():
        return RejectCode.ENCRYPTED_FILE, f"the Parquet file has encrypted columns{_shown(path, bound_bytes)}"
    return (
        RejectCode.CORRUPT_FILE,
        f"not a Parquet file that can be read: {type(fault).__name__}{_shown(path, bound_bytes)}",
    )


def _shown(path: Path, bound_bytes: int) -> str:
    try:
        names = list(_failing(path, bound_bytes))
    except _FAULTS:
        return ""
    return f", in {'column' if len(names) == 1 else 'columns'} {', '.join(names)}" if names else ""


def _failing(path: Path, bound_bytes: int) -> Iterator[str]:
    """Columns that cannot be read, each with its type."""
    with pq.ParquetFile(path) as file:
        for field in file.schema_arrow:
            try:
                rows = rows_at_once(file, path, _ROWS, bound_bytes, field.name)
                for _ in batches_of(file, rows, [field.name]):
                    pass
            except ExceedsMemoryError:
                continue
            except _FAULTS:
                yield f"{field.name} ({field.type})"
