"""Why a Parquet file could not be read to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cloud_etl.domain.rejects import RejectCode

_ENCRYPTED_FOOTER = b"PARE"
_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError)


def damage_of(path: Path, fault: Exception) -> tuple[RejectCode, str]:
    """The code and the message for a file that failed, with the columns that cannot be read where others can."""
    with path.open("rb") as file:
        file.seek(-min(len(_ENCRYPTED_FOOTER), path.stat().st_size), 2)
        if file.read() == _ENCRYPTED_FOOTER:
            return RejectCode.ENCRYPTED_FILE, "the Parquet file is encrypted, its footer too"
    if "crypt" in str(fault).lower():
        return RejectCode.ENCRYPTED_FILE, f"the Parquet file has encrypted columns{_shown(path)}"
    return RejectCode.CORRUPT_FILE, f"not a Parquet file that can be read: {type(fault).__name__}{_shown(path)}"


def _shown(path: Path) -> str:
    try:
        names = list(_failing(path))
    except _FAULTS:
        return ""
    return f", in {'column' if len(names) == 1 else 'columns'} {', '.join(names)}" if names else ""


def _failing(path: Path) -> Iterator[str]:
    """Columns that cannot be read, each with its type."""
    with pq.ParquetFile(path) as file:
        for field in file.schema_arrow:
            try:
                for _ in file.iter_batches(columns=[field.name]):
                    pass
            except _FAULTS:
                yield f"{field.name} ({field.type})"
