"""The account of a batch: what each file gave, counted from what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloud_etl.domain.files import LocalFile
from cloud_etl.domain.ledger import FileCount, TextCount
from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.run import RunContext
from cloud_etl.domain.schema import LINE_BITS, ROW_ID, Column, ColumnType, Schema
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.header import SeenHeader
from cloud_etl.extract.reader.pieces import FilePlace, Reject
from cloud_etl.extract.reader.reject_table import write_rejects
from cloud_etl.extract.reader.stage import Part, file_numbers, write_staged
from cloud_etl.extract.reader.streams import Encoding
from cloud_etl.extract.reader.text_rows import FileRejects
from cloud_etl.extract.reader.typed import arrow_type

_UTF8 = Encoding("utf-8")


class NeedsWholeFileError(Exception):
    """What a slice holds changes how other slices are to be read; the file must be read from its first line."""


@dataclass(slots=True)
class FileAccount:
    """One file while it is read.

    Attributes:
        records: records found so far in its text.
        damage: set when the file broke off; nothing of it may be staged then.
        text: what its text is made of, once it was read to its end.
        seen: the last header of the batch; shared by its files.
        found: notes that are found while its records are parsed.
        refused: records of it that workers refused so far, by code.
    """

    index: int
    file: LocalFile
    records: int = 0
    damage: tuple[RejectCode, str] | None = None
    notes: tuple[str, ...] = ()
    text: TextCount | None = None
    seen: SeenHeader = field(default_factory=SeenHeader)
    found: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def place(self) -> FilePlace:
        """The file as positions and rejects need it."""
        return FilePlace(self.index, self.file.ref.uri, self.file.ref.etag)

    def stop_beyond(self, most_rejects: int | None) -> bool:
        """Whether more of its records were refused than may be; it is damaged then.

        Raises:
            NeedsWholeFileError: the file is a slice.
        """
        if self.damage is None and most_rejects is not None and self.refused.total() > most_rejects:
            if self.file.slice is not None:
                raise NeedsWholeFileError
            codes = ", ".join(f"{code} {count:,}" for code, count in self.refused.most_common())
            self.damage = (
                RejectCode.TOO_MANY_REJECTS,
                f"more records of the file were refused than the {most_rejects:,} of source.limits.rejects: reading "
                f"stopped after {self.records:,} records, of which so far: {codes}",
            )
            return True
        return False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the batch came to; every number is read back from the files."""

    staged: tuple[Path, ...]
    schema: Schema
    counts: tuple[FileCount, ...]
    staged_rows: int
    rejects: tuple[Path, ...]
    rejected_rows: int


@dataclass(slots=True)
class _Paths:
    staged: list[Path] = field(default_factory=list)
    rejects: list[Path] = field(default_factory=list)


def settle(accounts: Sequence[FileAccount], parts: Sequence[Part], spec: PipelineSpec, run: RunContext) -> Outcome:
    """Take back what damaged files gave, make all parts have one schema, and count."""
    paths = _take_back(accounts, parts, run)
    schema = _one_schema(paths, spec, run.scratch / "staged")
    staged = _staged_counts(paths.staged, parts)
    reasons = _reject_reasons(paths.rejects, accounts)
    counts = tuple(_count(account, staged.get(account.index, 0), reasons[account.index]) for account in accounts)
    return Outcome(
        tuple(sorted(paths.staged)), schema, counts, _footer_rows(paths.staged), tuple(sorted(paths.rejects)),
        _footer_rows(paths.rejects),
    )  # fmt: skip


def _count(account: FileAccount, staged: int, reasons: Counter[tuple[str, str | None]]) -> FileCount:
    ref = account.file.ref
    records = account.records if account.damage is None else 1
    codes: Counter[str] = Counter()
    columns: dict[str, dict[str, int]] = {}
    for (code, column), rejected in sorted(reasons.items(), key=str):
        codes[code] += rejected
        if column is not None:
            columns.setdefault(code, {})[column] = rejected
    return FileCount(
        ref.uri, ref.etag, ref.size_bytes, records, staged, codes.total(), dict(codes),
        (*account.notes, *sorted(account.found)), columns, account.text,
    )  # fmt: skip


def _footer_rows(paths: Sequence[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in paths)


def _staged_counts(staged: Sequence[Path], parts: Sequence[Part]) -> dict[int, int]:
    """Rows by file: from the footer where a part holds one file, else from its row ids."""
    single = {part.staged: part.files[0] for part in parts if part.staged is not None and len(part.files) == 1}
    counts: Counter[int] = Counter()
    for path in staged:
        if path in single:
            counts[single[path]] += pq.read_metadata(path).num_rows
        else:
            counts.update(file_numbers([path]))
    return counts


def _reject_reasons(
    rejects: Sequence[Path], accounts: Sequence[FileAccount]
) -> dict[int, Counter[tuple[str, str | None]]]:
    """Rejected records of each file, by code and column."""
    reasons: dict[int, Counter[tuple[str, str | None]]] = {account.index: Counter() for account in accounts}
    index = {(account.file.ref.uri, account.file.ref.etag): account.index for account in accounts}
    for path in rejects:
        table = pq.read_table(path, columns=["source_uri", "source_etag", "code", "column"])
        for row in table.group_by(table.column_names).aggregate([([], "count_all")]).to_pylist():
            counted = reasons[index[row["source_uri"], row["source_etag"]]]
            counted[row["code"], row["column"]] += row["count_all"]
    return reasons


def _take_back(accounts: Sequence[FileAccount], parts: Sequence[Part], run: RunContext) -> _Paths:
    """Remove the rows and rejects of damaged files, and write one reject for each."""
    damaged = {account.index: account for account in accounts if account.damage is not None}
    paths = _Paths()
    for part in parts:
        mixed = bool(damaged.keys() & set(part.files))
        if part.staged is not None and (not mixed or _without_rows(part.staged, list(damaged))):
            paths.staged.append(part.staged)
        if part.rejects is not None and (not mixed or _without_rejects(part.rejects, damaged)):
            paths.rejects.append(part.rejects)
    groups = [
        FileRejects(account.place, _UTF8, [Reject(1, 0, b"", account.damage[0], account.damage[1])])
        for account in damaged.values()
        if account.damage is not None
    ]
    path = run.scratch / "rejects" / "reader-damaged.parquet"
    if write_rejects(path, groups, run):
        paths.rejects.append(path)
    return paths


def _without_rows(path: Path, files: Sequence[int]) -> bool:
    table = pq.read_table(path)
    index = pc.shift_right(table.column(ROW_ID), pa.scalar(LINE_BITS, pa.int64()))
    kept = table.filter(pc.invert(pc.is_in(index, value_set=pa.array(files, pa.int64()))))
    path.unlink()
    if kept.num_rows:
        write_staged(path, kept)
    return bool(kept.num_rows)


def _without_rejects(path: Path, damaged: dict[int, FileAccount]) -> bool:
    uris = pa.array([account.file.ref.uri for account in damaged.values()], pa.string())
    table = pq.read_table(path)
    kept = table.filter(pc.invert(pc.is_in(table.column("source_uri"), value_set=uris)))
    path.unlink()
    if kept.num_rows:
        pq.write_table(kept, path, compression="zstd")
    return bool(kept.num_rows)


def _one_schema(paths: _Paths, spec: PipelineSpec, folder: Path) -> Schema:
    """The contract's columns, and the new ones of all files; a part that lacks one gets it, empty."""
    columns = [Column(name, column.type) for name, column in spec.schema_.items()]
    if spec.new_columns == "evolve":
        columns += _new_columns(paths.staged, spec)
    schema = Schema(tuple(columns))
    wanted = pa.schema([*((column.name, arrow_type(column.type)) for column in columns), (ROW_ID, pa.int64())])
    if not paths.staged:
        empty = folder / "part-empty.parquet"
        write_staged(empty, wanted.empty_table())
        paths.staged.append(empty)
    for path in paths.staged if spec.new_columns == "evolve" else ():
        if pq.read_schema(path).names != wanted.names:
            _complete(path, wanted)
    return schema


def _new_columns(staged: Sequence[Path], spec: PipelineSpec) -> list[Column]:
    found: dict[str, str] = {}
    for path in sorted(staged):
        for name in pq.read_schema(path).names:
            if name not in spec.schema_ and name != ROW_ID:
                found.setdefault(name.casefold(), name)
    return [Column(name, ColumnType("string")) for name in found.values()]


def _complete(path: Path, wanted: pa.Schema) -> None:
    table = pq.read_table(path)
    present = {name.casefold(): name for name in table.column_names}
    arrays = [
        table.column(present[field.name.casefold()])
        if field.name.casefold() in present
        else pa.nulls(table.num_rows, field.type)
        for field in wanted
    ]
    write_staged(path, pa.table(arrays, schema=wanted))
