"""What the tasks of a batch came to, taken together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import Column, ColumnType, Schema
from cloud_etl.extract.cluster.results import ClusterBatch, TaskResult

if TYPE_CHECKING:
    from cloud_etl.domain.ledger import FileCount
    from cloud_etl.domain.spec import PipelineSpec


def batch_of(results: Sequence[TaskResult], spec: PipelineSpec) -> ClusterBatch:
    """The batch that tasks read together; slices of a file have one count."""
    staged = tuple(one for result in results for one in result.staged)
    rejects = tuple(one for result in results for one in result.rejects)
    counts = _by_file((index, count) for result in results for index, count in result.counts)
    return ClusterBatch(
        staged, _schema(results, spec), counts, sum(one.rows for one in staged),
        rejects, sum(one.rows for one in rejects),
    )  # fmt: skip


def _by_file(counts: Iterable[tuple[int, FileCount]]) -> tuple[FileCount, ...]:
    found: dict[int, FileCount] = {}
    for index, count in counts:
        found[index] = _sum(found[index], count) if index in found else count
    return tuple(found[index] for index in sorted(found))


def _sum(one: FileCount, other: FileCount) -> FileCount:
    codes = Counter(one.codes) + Counter(other.codes)
    columns = {
        code: dict(Counter(one.columns.get(code)) + Counter(other.columns.get(code)))
        for code in sorted({*one.columns, *other.columns})
    }
    return replace(
        one, records_read=one.records_read + other.records_read, staged=one.staged + other.staged,
        rejected=one.rejected + other.rejected, codes=dict(sorted(codes.items())),
        columns=columns, text=one.text.plus(other.text) if one.text is not None and other.text is not None else None,
    )  # fmt: skip


def _schema(results: Sequence[TaskResult], spec: PipelineSpec) -> Schema:
    """The contract's columns, and new ones in the order of the tasks that met them first."""
    found: dict[str, str] = {}
    in_order = sorted(results, key=lambda result: min((index for index, _ in result.counts), default=0))
    for name in (name for result in in_order for name in result.new_columns):
        found.setdefault(name.casefold(), name)
    columns = [Column(name, column.type) for name, column in spec.schema_.items()]
    return Schema((*columns, *(Column(name, ColumnType("string")) for name in found.values())))
