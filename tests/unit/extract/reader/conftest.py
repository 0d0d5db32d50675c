from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.files import FileRef, LocalFile
from cloud_etl.domain.ledger import FileCount
from cloud_etl.domain.progress import NoProgress
from cloud_etl.domain.run import Batch, RunContext
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.read_batch import ReaderLimits, read_batch

SMALL = ReaderLimits(window_bytes=1024, segment_bytes=1024, threads=2)


@dataclass
class Result:
    batch: Batch

    @property
    def rows(self) -> list[dict[str, Any]]:
        found = [row for path in self.batch.staged for row in pq.read_table(path).to_pylist()]
        return sorted(found, key=lambda row: row["_row_id"])

    @property
    def values(self) -> list[tuple[Any, ...]]:
        return [tuple(value for name, value in row.items() if name != "_row_id") for row in self.rows]

    @property
    def rejects(self) -> list[dict[str, Any]]:
        found = [row for path in self.batch.rejects for row in pq.read_table(path).to_pylist()]
        return sorted(found, key=lambda row: (row["source_uri"], row["line"], row["byte_position"]))

    @property
    def codes(self) -> list[tuple[int, str]]:
        return [(row["line"], row["code"]) for row in self.rejects]

    @property
    def count(self) -> FileCount:
        (only,) = self.batch.counts
        return only


Read = Callable[..., Result]
NAME = {"id": {"type": "integer"}, "name": {"type": "string"}}


def pipeline(schema: Mapping[str, Any], source: Mapping[str, Any], new_columns: str) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "pipeline": "sales",
            "source": {"path": "raw", "format": "csv", **source},
            "schema": schema,
            "new_columns": new_columns,
            "outputs": [{"name": "out"}],
        }
    )


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads contents with a contract; every read reconciles, file by file, or the test fails."""
    numbers = count()

    def run(
        data: bytes | Sequence[bytes], schema: Mapping[str, Any] | None = None, *, new_columns: str = "reject",
        source: Mapping[str, Any] | None = None, name: str = "x.csv", limits: ReaderLimits | None = None,
    ) -> Result:  # fmt: skip
        folder = tmp_path / f"read{next(numbers)}"
        folder.mkdir()
        contents = [data] if isinstance(data, bytes) else list(data)
        files = []
        for index, content in enumerate(contents):
            path = folder / f"{index}-{name}"
            path.write_bytes(content)
            ref = FileRef(f"file://{path}", path.name, len(content), f"etag{index}", None, datetime.now(UTC))
            files.append(LocalFile(ref, path))
        run_context = RunContext(
            "run1", "sales", "local", date(2026, 1, 1), datetime.now(UTC), folder / "scratch", cores=2
        )
        spec = pipeline(schema or NAME, source or {}, new_columns)
        result = Result(read_batch(files, spec, run_context, NoProgress(), limits))
        for file in result.batch.counts:
            assert file.records_read == file.staged + file.rejected, file
            if file.text is not None:
                assert file.text.total_bytes == file.text.accounted_bytes, file
            elif spec.source.format == "csv" or "jsonl" in name:
                assert set(file.codes) <= {
                    "corrupt_stream", "wrong_encoding", "wrong_compression", "expands_too_far", "too_many_rejects",
                }, file  # fmt: skip
        assert sum(file.staged for file in result.batch.counts) == result.batch.staged_rows == len(result.rows)
        assert sum(file.rejected for file in result.batch.counts) == result.batch.rejected_rows == len(result.rejects)
        ids = [row["_row_id"] for row in result.rows]
        assert len(set(ids)) == len(ids)
        return result

    return run
