"""Records of delimited, CSV and fixed-width files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator

from cloud_etl.local_aws.redshift.copy.rows.records import BadRecord, Parsed, Record
from cloud_etl.local_aws.redshift.copy.statement import CopyStatement, RowFormat

_INVALID_LINE = 1216
_LONGEST_FIELD = 8 << 20


def parse(statement: CopyStatement, lines: Iterable[str]) -> Iterator[Parsed]:
    """Records of a file without its header."""
    rows = statement.rows
    numbered = _Numbered(lines, rows.ignore_header)
    if statement.format == "CSV":
        return _csv(rows, numbered)
    if statement.format == "FIXEDWIDTH":
        return _fixed_width(rows, numbered)
    return _delimited(rows, numbered)


class _Numbered:
    """Lines after the header, remembering those that the current record took."""

    def __init__(self, lines: Iterable[str], skipped: int) -> None:
        self._lines = iter(lines)
        self.number = 0
        self.taken: list[str] = []
        for _ in range(skipped):
            next(self, None)
        self.taken = []

    def __iter__(self) -> _Numbered:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.taken.append(line)
        return line

    def record(self) -> tuple[int, str]:
        """Number of the first line and the text of the lines taken since the last call."""
        first, raw = self.number - len(self.taken) + 1, "".join(self.taken).rstrip("\r\n")
        self.taken = []
        return first, raw


def _csv(rows: RowFormat, lines: _Numbered) -> Iterator[Parsed]:
    # The limit is the module's own; Redshift's longest field is 65,535 bytes, its longest line 4 MB.
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(lines, delimiter=rows.delimiter, quotechar=rows.quote, doublequote=True, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield BadRecord(*lines.record(), _INVALID_LINE, "Invalid quote formatting for CSV")
            continue
        first, raw = lines.record()
        if fields or not rows.ignore_blank_lines:
            yield Record(first, raw, list(fields) or [""])


def _fixed_width(rows: RowFormat, lines: _Numbered) -> Iterator[Parsed]:
    for line in lines:
        text = line.rstrip("\r\n")
        first, raw = lines.record()
        if not text and rows.ignore_blank_lines:
            continue
        fields: list[str | None] = []
        for _, width in rows.widths:
            fields.append(text[:width])
            text = text[width:]
        yield Record(first, raw, fields)


def _delimited(rows: RowFormat, lines: _Numbered) -> Iterator[Parsed]:
    simple = not (rows.escape or rows.remove_quotes)
    splitter = None if simple else _Splitter(rows)
    for line in lines:
        if splitter is not None and rows.escape:
            line = _continued(line, lines)
        text = line.removesuffix("\n").removesuffix("\r")
        first, raw = lines.record()
        if not text and rows.ignore_blank_lines:
            continue
        if splitter is None:
            yield Record(first, raw, list(text.split(rows.delimiter)))
            continue
        fields = splitter.fields(text)
        if fields is None:
            yield BadRecord(first, raw, _INVALID_LINE, "Delimited value missing end quote")
        else:
            yield Record(first, raw, fields)


def _continued(line: str, lines: _Numbered) -> str:
    r"""A line whose `\n` is escaped goes on in the next."""
    while line.endswith("\n"):
        slashes = len(line[:-1]) - len(line[:-1].rstrip("\\"))
        if slashes % 2 == 0:
            break
        more = next(lines, None)
        if more is None:
            break
        line += more
    return line


class _Splitter:
    """Splits a line at delimiters that are neither escaped nor quoted, as ESCAPE and REMOVEQUOTES ask."""

    def __init__(self, rows: RowFormat) -> None:
        self._rows = rows
        delimiter = re.escape(rows.delimiter)
        bare = rf"(?:\\.|[^{delimiter}])*" if rows.escape else rf"[^{delimiter}]*"
        inside = r"(?:\\.|[^{q}\\])*" if rows.escape else r"[^{q}]*"
        quoted = "|".join(f"{q}{inside.format(q=q)}{q}" for q in ("'", '"'))
        field = rf"(?:{quoted})(?={delimiter}|$)|{bare}" if rows.remove_quotes else bare
        self._field = re.compile(rf"({field})(?:{delimiter}|$)", re.DOTALL)

    def fields(self, text: str) -> list[str | None] | None:
        """The fields, or None where a quote is never closed."""
        found: list[str | None] = []
        position = 0
        while True:
            match = self._field.match(text, position)
            if match is None:
                return None
            value = self._value(match[1])
            if value is None:
                return None
            found.append(value)
            position = match.end()
            if position == len(text) and not text.endswith(self._rows.delimiter, match.end(1)):
                return found

    def _value(self, text: str) -> str | None:
        if self._rows.remove_quotes and text[:1] in ("'", '"'):
            if len(text) < 2 or text[-1] != text[0]:
                return None
            text = text[1:-1]
        # `\N` stays: it is the default text of NULL.
        return re.sub(r"\\([^N])", r"\1", text, flags=re.DOTALL) if self._rows.escape else text
