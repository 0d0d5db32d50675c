"""Where a record ends that cannot be read: no line before that may become a record."""

from __future__ import annotations

from enum import Enum, auto

from cloud_etl.extract.reader.dialect import Dialect


class _At(Enum):
    """Where in a record a place is: where a field begins, in bare text, inside quotes, behind a closing quote."""

    BEGIN = auto()
    BARE = auto()
    QUOTED = auto()
    CLOSED = auto()


class RecordEnd:
    """Looks for the end of a record in texts that follow one another: it may be longer than any of them.

    On the record's first line a quote counts where the grammar has one, be the line damaged or not. If a field is open
    at its end, the record ends at the first line end that has an even number of quotes before it: for a sound record
    that is its end, and a damaged one is never left before its quotes are even.
    """

    def __init__(self, dialect: Dialect) -> None:
        """Stand at the beginning of a record."""
        self._dialect = dialect
        self._at = _At.BEGIN
        self._on_first_line = True
        self._longest = max(2, len(dialect.delimiter), len(dialect.quote or b""))

    def feed(self, text: bytes, final: bool) -> tuple[int, bool]:
        """Look at more text.

        Args:
            text: begins where the last text was left.
            final: nothing follows behind it.

        Returns:
            How many bytes are done with, and whether the record ends with them.
        """
        settled = len(text) if final else len(text) - self._longest + 1
        dialect, position = self._dialect, 0
        while True:
            pattern = dialect.marks_inside if self._at is _At.QUOTED else dialect.marks_outside
            match = pattern.search(text, position)
            if match is None or match.start() >= settled:
                self._pass(text, position, max(position, settled))
                return max(position, settled), False
            self._pass(text, position, match.start())
            position = match.end()
            if self._take(match[0]):
                return position, True

    def _pass(self, text: bytes, start: int, end: int) -> None:
        """Go over text without a mark."""
        if self._at is _At.QUOTED:
            self._on_first_line &= text.find(b"\n", start, end) < 0
        elif start < end:
            self._at = _At.BARE

    def _take(self, mark: bytes) -> bool:
        """Go over a mark; whether it ends the record."""
        if mark == self._dialect.quote:
            if self._at is _At.QUOTED:
                self._at = _At.CLOSED
            elif self._at in (_At.BEGIN, _At.CLOSED) or not self._on_first_line:
                self._at = _At.QUOTED
        elif self._at is not _At.QUOTED:
            self._at = _At.BEGIN if mark == self._dialect.delimiter else _At.BARE
            return mark == b"\n"
        elif mark.endswith(b"\n"):
            self._on_first_line = False
        return False
