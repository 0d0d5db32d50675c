"""What the sequential pass over a file hands to the workers: records cut out, not yet split into columns."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.streams import Encoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a record costs as Python objects, beside its text; and what any line costs, though it be empty: its place as
# numbers, and a reject where it is refused.
_OBJECT_BYTES = 600
_LINE_BYTES = 64
NO_PLACES = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A file of the batch, as far as positions and raw text need it."""

    index: int
    uri: str
    etag: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How the fields of a file become columns; the same for all files with the same header.

    Attributes:
        width: fields in a record.
        sources: staged column name to field position; columns that the file lacks are not in it.
        refusal: set where every record is refused: code, message and column.
    """

    width: int
    sources: tuple[tuple[str, int], ...] = ()
    refusal: tuple[RejectCode, str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Runs:
    """Proven records of one line each that follow one another in their file; arrays with a number for each run.

    Attributes:
        first: number of its first record in the piece.
        line: line of the first record in its file, from 1.
        position: byte offset of the first record in the file's text.
    """

    first: NDArray[np.int64] = field(default_factory=lambda: NO_PLACES)
    line: NDArray[np.int64] = field(default_factory=lambda: NO_PLACES)
    position: NDArray[np.int64] = field(default_factory=lambda: NO_PLACES)


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was parsed one by one; fields in file order, None is a missing value."""

    line: int
    position: int
    raw: bytes
    fields: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was refused; raw is its text in UTF-8, or what was left of it by the decoder."""

    line: int
    position: int
    raw: bytes
    code: RejectCode
    message: str
    column: str | None = None


@dataclass(slots=True)
class Piece:
    """Some records of one file.

    Attributes:
        lines: whole records, each ending in LF, that pyarrow splits right.
        ends: offset of the LF at the end of each of them.
        runs: where in the file they come from.
        records: records in the piece, counted from its lines.
        looked_at_bytes: of the text of the records that are not in its lines.
        stored_bytes: how far the file had been read.
    """

    file: FilePlace
    layout: Layout
    encoding: Encoding
    dialect: Dialect
    lines: bytes = b""
    ends: NDArray[np.int64] = field(default_factory=lambda: NO_PLACES)
    runs: Runs = field(default_factory=Runs)
    parsed: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    records: int = 0
    looked_at_bytes: int = 0
    stored_bytes: int = 0

    @property
    def text_bytes(self) -> int:
        """Of the text of its records."""
        return len(self.lines) + self.looked_at_bytes

    @property
    def key(self) -> Hashable:
        """Pieces with the same key can be split together."""
        return self.layout, self.dialect.cr_file

    @property
    def weight(self) -> int:
        """Memory it stands for, roughly, in bytes."""
        parsed = sum(len(item.raw) for item in self.parsed) + sum(len(item.raw) for item in self.rejects)
        return (
            max(len(self.lines), _LINE_BYTES * len(self.ends))
            + parsed
            + _OBJECT_BYTES * (len(self.parsed) + len(self.rejects))
        )
