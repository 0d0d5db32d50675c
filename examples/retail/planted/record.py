"""A planted record, and the file it stands in."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Value = object
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands in a raw file.

    Attributes:
        raw: its bytes without the line end; line ends inside quoted fields are its own.
        row: the typed values the contract gives it; None where it must be rejected, or is no record at all.
        code: why the reader must reject it; None with a row, or where it is no record (blank line).
    """

    raw: bytes
    row: Row | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class RawFile:
    """A text file: what stands above the records, the records, and how lines end."""

    name: str
    records: tuple[Record, ...]
    head: bytes = b""
    line_end: bytes = b"\n"
    ends_with_line_end: bool = True

    @property
    def content(self) -> bytes:
        """The bytes of the file as stored; compressed where the name ends in .gz, with no time in it."""
        text = self.head + self.line_end.join(record.raw for record in self.records)
        text += self.line_end if self.ends_with_line_end else b""
        return gzip.compress(text, mtime=0) if self.name.endswith(".gz") else text

    def numbered(self) -> Iterator[tuple[int, Record]]:
        """The records that count as such, with the physical line on which each begins, from 1."""
        line = 1 + self.head.count(b"\n")
        for record in self.records:
            if record.row is not None or record.code is not None:
                yield line, record
            line += 1 + record.raw.count(b"\n")
