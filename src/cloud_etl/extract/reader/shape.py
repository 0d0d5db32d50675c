"""What a record of a file looks like, and whether the lines of one record could as well be records of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cloud_etl.domain.schema import Kind
from cloud_etl.extract.reader.dialect import Dialect

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A record: of each field its two groups, quoted and unquoted, one of which is None.
Pairs = Sequence[tuple[bytes | None, bytes | None]]

_NUMBER = re.compile(rb"([+-]?[0-9.]+([eE][+-]?[0-9]+)?)?")
_MOMENT = re.compile(rb"(.*[0-9].*)?", re.DOTALL)
_LOOKS: dict[Kind, re.Pattern[bytes]] = {
    "integer": _NUMBER, "bigint": _NUMBER, "decimal": _NUMBER, "double": _NUMBER, "date": _MOMENT, "timestamp": _MOMENT,
    "boolean": re.compile(rb"([A-Za-z]{1,5}|[01])?"),
}  # fmt: skip
# So many fields of bare text, in lines that all have the right number of them, are no accident.
_SURE_FIELDS = 4
# A line with so many more delimiters than a record is not looked into: it may be one.
_TRIED_DELIMITERS = 50


@dataclass(frozen=True)
class Shape:
    """What a record of a file looks like.

    Attributes:
        width: number of fields.
        patterns: for a field of a typed column: what its text roughly looks like.
    """

    width: int
    patterns: tuple[re.Pattern[bytes] | None, ...] = ()

    @classmethod
    def of(cls, width: int, kinds: Mapping[int, Kind]) -> Shape:
        """The shape of records whose fields at some places have a type."""
        return cls(width, tuple(_LOOKS.get(kinds.get(place, "string")) for place in range(width)))

    @cached_property
    def holds_text(self) -> NDArray[np.bool_]:
        """For each field, whether its column holds text, which may go over lines."""
        return np.array([self._pattern(place) is None for place in range(self.width)], dtype=np.bool_)

    def _pattern(self, place: int) -> re.Pattern[bytes] | None:
        return self.patterns[place] if place < len(self.patterns) else None

    def splits_a_typed_field(self, fields: Pairs) -> bool:
        """Whether a field goes over lines whose column holds no text."""
        return any(
            pattern is not None and b"\n" in ((unquoted if quoted is None else quoted) or b"")
            for pattern, (quoted, unquoted) in zip(self.patterns, fields, strict=False)
        )

    def is_ambiguous(self, span: bytes, fields: Pairs, dialect: Dialect) -> bool:
        """Whether lines of a record over lines could, taken by themselves, be records.

        The first and the last line hold the record's own fields, so that one of them alone says little. A line between
        them counts by a typed value; lines of bare text count where all of them look like records, or where the first
        line looks whole, or the last one.

        Args:
            span: the record's text, without its line end.
            fields: its fields.
            dialect: the grammar.
        """
        texts = [unquoted if quoted is None else quoted for quoted, unquoted in fields]
        split = [place for place, text in enumerate(texts) if b"\n" in (text or b"")]
        if self.width == 1:
            # Any line is a record: what can be told are two lines that hold a quote and nothing else.
            whole = texts[0] or b""
            return whole.startswith((b"\n", b"\r\n")) and whole.endswith(b"\n")
        first, *between, last = span.split(b"\n")
        tail = (texts[split[-1]] or b"").rpartition(b"\n")[2]
        head, end, opens = self._could_be(first, dialect), self._could_be(last, dialect), self._opens(tail, dialect)
        if head and (end or opens):
            return True
        lines = [line for line in between if not self.is_gap(line, dialect)]
        records = [record for line in lines if (record := self._record(line, dialect)) is not None]
        if not records or any(self._has_value(record, dialect) for record in records):
            return bool(records)
        if opens or (head and split[0] < self.width - 1) or (end and split[-1] > 0):
            return True
        return len(records) > 1 and 10 * len(records) >= 9 * len(lines)

    def are_records(self, text: bytes, dialect: Dialect) -> bool:
        """Whether lines are records beyond doubt, and not a text: all of them, by values, quotes or their number."""
        lines = [line for line in text.split(b"\n")[:-1] if not self.is_gap(line, dialect)]
        records = [record for line in lines if (record := self._record(line, dialect)) is not None]
        if len(records) < len(lines):
            return False
        sure = any(
            self._has_value(record, dialect) or any(quoted is not None for quoted, _ in record) for record in records
        )
        return not lines or sure or (self.width - 1) * len(lines) >= _SURE_FIELDS

    def is_record(self, line: bytes, dialect: Dialect) -> bool:
        """Whether a line is a record by the strict grammar, and by what its columns hold."""
        return self._record(line, dialect) is not None

    def is_gap(self, line: bytes, dialect: Dialect) -> bool:
        """Whether a line is blank or a comment."""
        blank = self.width > 1 and (not line or (line == b"\r" and not dialect.cr_file))
        return blank or (dialect.comment is not None and line.startswith(dialect.comment))

    def _record(self, line: bytes, dialect: Dialect) -> list[tuple[bytes | None, bytes | None]] | None:
        """The fields of a line that is a record by the strict grammar, and by what its columns hold."""
        match = dialect.record(self.width).fullmatch(line + b"\n")
        if match is None:
            return None
        groups = match.groups()[:-1]
        fields = list(zip(groups[::2], groups[1::2], strict=True))
        texts = [unquoted if quoted is None else quoted for quoted, unquoted in fields]
        return fields if all(self._fits(place, text or b"", dialect) for place, text in enumerate(texts)) else None

    def _fits(self, place: int, text: bytes, dialect: Dialect, is_text: bool = False) -> bool:
        pattern = self._pattern(place)
        if pattern is None or is_text:
            return pattern is None
        text = text.strip()
        return text in dialect.null_words or pattern.fullmatch(text) is not None

    def _has_value(self, record: Pairs, dialect: Dialect) -> bool:
        """Whether a typed field has a value."""
        texts = [(unquoted if quoted is None else quoted) or b"" for quoted, unquoted in record]
        typed = [text.strip() for place, text in enumerate(texts) if self._pattern(place) is not None]
        return any(text and text not in dialect.null_words for text in typed)

    def _could_be(self, line: bytes, dialect: Dialect) -> bool:
        """Whether a line could be a record if a quote in it may be text, or its partner may be lost."""
        line = line if dialect.cr_file else line.removesuffix(b"\r")
        if not self.width - 1 <= line.count(dialect.delimiter) <= self.width + _TRIED_DELIMITERS:
            return line.count(dialect.delimiter) >= self.width
        # Offsets at which a field may begin, each with the possible numbers of fields before it.
        reached: dict[int, set[int]] = {0: {0}}
        while reached:
            start = min(reached)
            counts = {count for count in reached.pop(start) if count < self.width}
            for end, is_text in _field_ends(line, start, dialect):
                text = line[start:end].replace(dialect.quote or b"\n", b"")
                after = {count + 1 for count in counts if self._fits(count, text, dialect, is_text)}
                if end < len(line) and after:
                    reached.setdefault(end + len(dialect.delimiter), set()).update(after)
                elif self.width in after:
                    return True
        return False

    def _opens(self, tail: bytes, dialect: Dialect) -> bool:
        """Whether the quote behind a text may open a field of another record: fields stand before it."""
        if not tail.endswith(dialect.delimiter):
            return False
        before = tail.removesuffix(dialect.delimiter).split(dialect.delimiter)
        return len(before) < self.width and all(self._fits(place, text, dialect) for place, text in enumerate(before))


def _field_ends(line: bytes, start: int, dialect: Dialect) -> Iterator[tuple[int, bool]]:
    """Where a field that begins at an offset may end, and whether it is a text of which one quote is lost."""
    bare = dialect.bare_field.match(line, start)
    end = len(line) if bare is None else bare.end()
    yield end, False
    if dialect.quote is None:
        return
    opened = line.startswith(dialect.quote, start)
    if opened and (quoted := dialect.quoted_field.match(line, start)) is not None:
        closed = quoted.end()
        if closed == len(line) or line.startswith(dialect.delimiter, closed):
            yield closed, False
    while end < len(line):
        end = line.find(dialect.delimiter, end + len(dialect.delimiter))
        end = len(line) if end < 0 else end
        if opened or line.endswith(dialect.quote, start, end):
            yield end, True
