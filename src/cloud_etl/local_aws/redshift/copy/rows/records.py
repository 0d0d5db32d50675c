"""One record of a text file, before its fields are read as values."""

from __future__ import annotations

from dataclasses import dataclass

Field = str | None
"""Text of a field as it stands in the file; None where JSON says null or nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """Fields of a record and where it stands.

    Attributes:
        line: number of its first line, from 1.
        raw: the text of the record.
    """

    line: int
    raw: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that has no fields, since it is not written as its format wants."""

    line: int
    raw: str
    code: int
    reason: str


Parsed = Record | BadRecord
