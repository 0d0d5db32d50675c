"""Where tasks read and write, and what they tell: rows of JSON, never a record."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Self

from cloud_etl import errors
from cloud_etl.domain.ledger import FileCount, TextCount
from cloud_etl.domain.schema import Schema
from cloud_etl.extract.cluster.scan import RangeScan

if TYPE_CHECKING:
    from cloud_etl.domain.files import FileRef, FileSlice
    from cloud_etl.storage.address import StoreAddress


@dataclass(frozen=True, slots=True)
class Places:
    """Where raw files are, and where staged Parquet and rejects go.

    Attributes:
        source: the store in which the keys of the files are.
        work: the store of the work area.
        prefix: the run's place in it.
    """

    source: StoreAddress
    work: StoreAddress
    prefix: str


@dataclass(frozen=True, slots=True)
class NumberedFile:
    """A file and its place in the whole batch, which stands in the row ids.

    Attributes:
        slice: which of its bytes are meant; all of them without.
    """

    index: int
    ref: FileRef
    slice: FileSlice | None = None

    @property
    def size_bytes(self) -> int:
        """Stored bytes that are to be read."""
        return self.ref.size_bytes if self.slice is None else self.slice.size_bytes


@dataclass(frozen=True, slots=True)
class WorkObject:
    """A Parquet file in the work area, by its key below the root of the store."""

    key: str
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class ClusterBatch:
    """What the executors made of a batch; counts are in the order of its files."""

    staged: tuple[WorkObject, ...]
    schema: Schema
    counts: tuple[FileCount, ...]
    staged_rows: int
    rejects: tuple[WorkObject, ...]
    rejected_rows: int


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one attempt of a task wrote, and counted.

    Attributes:
        counts: by index of the file in the batch.
        new_columns: columns that the contract lacks, in the order in which they were found.
        scan: what a range holds that was only looked through.
        entangled: the task had a slice that cannot be read by itself.
        error: class and message of what stopped it; everything else is empty then.
    """

    staged: tuple[WorkObject, ...] = ()
    rejects: tuple[WorkObject, ...] = ()
    counts: tuple[tuple[int, FileCount], ...] = ()
    new_columns: tuple[str, ...] = ()
    scan: RangeScan | None = None
    entangled: bool = False
    error: tuple[str, str] | None = None

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        """From JSON."""
        body = json.loads(text)
        return cls(
            tuple(WorkObject(**one) for one in body["staged"]),
            tuple(WorkObject(**one) for one in body["rejects"]),
            tuple((index, _count(one)) for index, one in body["counts"]),
            tuple(body["new_columns"]),
            _scan(body["scan"]) if body["scan"] else None,
            body["entangled"],
            tuple(body["error"]) if body["error"] else None,
        )


def _count(body: dict[str, object]) -> FileCount:
    count = FileCount(**body)  # type: ignore[arg-type]  # asdict of the same class
    text = TextCount(**body["text"]) if body["text"] else None  # type: ignore[arg-type]  # asdict as well
    return replace(count, notes=tuple(count.notes), text=text)


def _scan(body: dict[str, object]) -> RangeScan:
    scan = RangeScan(**body)  # type: ignore[arg-type]  # asdict of the same class
    return scan if scan.line_end is None else replace(scan, line_end=(scan.line_end[0], scan.line_end[1]))


def raised(error: tuple[str, str]) -> errors.CloudEtlError:
    """The error that stopped a task, as one of ours."""
    name, message = error
    if name == errors.ConfigError.__name__:
        return errors.ConfigError([errors.Problem(message)])
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, errors.CloudEtlError):
        return kind(message)
    return errors.EngineError(message)
