"""What stands in a file's text beside its records, counted as it is left behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from cloud_etl.domain.ledger import TextCount


class Part(StrEnum):
    """What a line of a file is taken for."""

    HEADER = "header"
    SKIPPED = "skipped"
    COMMENT = "comment"
    BLANK = "blank"
    RECORD = "record"


@dataclass(slots=True)
class Tally:
    """Bytes and lines by what they were taken for; those of records are counted by who holds the records.

    Attributes:
        last: what the last line was taken for: of it alone the end may be missing in the file.
    """

    size: Counter[Part] = field(default_factory=Counter)
    lines: Counter[Part] = field(default_factory=Counter)
    last: Part = Part.RECORD

    def take(self, part: Part, size_bytes: int, lines: int = 1) -> None:
        """Count some text."""
        self.size[part] += size_bytes
        self.lines[part] += lines
        self.last = part

    def add(self, other: Tally) -> None:
        """Take over what another one counted further down."""
        self.size.update(other.size)
        self.lines.update(other.lines)
        self.last = other.last

    def count(self, total_bytes: int | None, lent_bytes: int) -> TextCount:
        """The count of a whole text, still without its records.

        Args:
            total_bytes: what the decoder gave up to the end of the file.
            lent_bytes: of the last line's end, where the file lacks it.
        """
        size = Counter(self.size)
        size[self.last] -= lent_bytes
        return TextCount(
            total_bytes, size[Part.HEADER], self.lines[Part.SKIPPED], size[Part.SKIPPED], self.lines[Part.COMMENT],
            size[Part.COMMENT], self.lines[Part.BLANK], size[Part.BLANK], size[Part.RECORD],
        )  # fmt: skip
