"""JSON lines that are flat and name their keys in one order, as programs write them, taken by one pattern.

A line that the pattern matches is a JSON object of scalars without escapes, so its values stand in it as they are;
every other line goes to the strict parser.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.extract.reader.json_array import Element
from cloud_etl.extract.reader.json_rows import FaultError, JsonColumns, parse
from cloud_etl.extract.reader.scan import is_text, line_ends, line_starts
from cloud_etl.extract.reader.text_rows import Origins, TextRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

BLANKS = b" \t\r\n"
_SAMPLE_LINES = 10
_WHITE = rb"[ \t\r]*+"
_SCALAR = rb'("[^"\\\x00-\x1f]*+"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)'


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Whole lines of a file, each ending in LF.

    Attributes:
        line: number of the first one in its file, from 1.
        position: its byte offset in the file's text.
        records: how many lines are not blank.
        record_bytes: of those lines.
    """

    text: bytes
    line: int
    position: int
    records: int = field(init=False)
    record_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the lines."""
        sizes = [len(line) + 1 for line in self.text.split(b"\n") if line.strip(BLANKS)]
        object.__setattr__(self, "records", len(sizes))
        object.__setattr__(self, "record_bytes", sum(sizes))

    def elements(self) -> Iterator[Element]:
        """The lines that are not blank."""
        position = self.position
        for number, line in enumerate(self.text.split(b"\n")[:-1], self.line):
            if raw := line.strip(BLANKS):
                yield Element(number, position, raw)
            position += len(line) + 1


@dataclass(frozen=True, slots=True)
class _Taken:
    """The records that were taken of a block."""

    block: LineBlock
    columns: dict[str, pa.Array]
    starts: Places
    ends: Places
    origins: Origins

    def raw(self, row: int) -> bytes:
        return self.block.text[self.starts[row] : self.ends[row]].strip(BLANKS)


@dataclass(frozen=True)
class FlatRecords:
    """Collects the flat records of line blocks as columns of text, beside those that are parsed."""

    parsed: JsonColumns
    _taken: list[_Taken] = field(default_factory=list)

    def take(self, file: int, block: LineBlock) -> Iterator[Element]:
        """Take the flat records of a block; gives the other lines."""
        keys = _usual_keys(block) if is_text(block.text) else None
        pattern = _pattern(keys) if keys else None
        try:
            names = self.parsed.names(file, keys) if keys and pattern else ()
        except FaultError:
            pattern = None
        if pattern is None:
            return block.elements()
        ends = line_ends(block.text)
        *values, others = zip(*pattern.findall(block.text), strict=True)
        first = pa.array(values[0], pa.binary())
        taken = np.asarray(pc.greater(pc.binary_length(first), 0))
        rows = np.flatnonzero(taken)
        starts = line_starts(ends)
        columns = {
            name: self._texts(name, pa.array(column, pa.binary()).filter(pa.array(taken)))
            for name, column in zip(names, values, strict=True)
            if name is not None
        }
        origins = Origins(np.full(len(rows), file), block.line + rows, block.position + starts[rows])
        self._taken.append(_Taken(block, columns, starts[rows], ends[rows], origins))
        return _others(block, others, np.flatnonzero(~taken), starts)

    def _texts(self, name: str, scalars: pa.Array) -> pa.Array:
        """The texts of values as they are written; those of a json column keep their quotes."""
        texts = scalars
        if self.parsed.kind(name) != "json":
            quoted = pc.starts_with(scalars, pattern=b'"')
            texts = pc.if_else(quoted, pc.binary_slice(scalars, 1, -1), scalars)
        missing = pc.equal(scalars, pa.scalar(b"null", pa.binary()))
        return pc.if_else(missing, pa.scalar(None, pa.binary()), texts).cast(pa.string())

    def rows(self) -> TextRows:
        """All records: the flat ones, then those that were parsed."""
        parsed = self.parsed.rows()
        if not self._taken:
            return parsed
        counts = [len(taken.starts) for taken in self._taken]
        columns = {
            name: pa.chunked_array(
                [taken.columns.get(name, pa.nulls(count, pa.string())) for taken, count in
                 zip(self._taken, counts, strict=True)] + column.chunks, pa.string(),
            )
            for name, column in parsed.columns.items()
        }  # fmt: skip
        places = [taken.origins for taken in self._taken] + [parsed.origins]
        origins = Origins(
            np.concatenate([place.files for place in places]),
            np.concatenate([place.lines for place in places]),
            np.concatenate([place.positions for place in places]),
        )
        first = [0, *np.cumsum(counts).tolist()]

        def raw(row: int) -> bytes:
            place = bisect_right(first, row) - 1
            if place == len(self._taken):
                return parsed.raw(row - first[place])
            return self._taken[place].raw(row - first[place])

        return TextRows(columns, origins, raw)


def _others(block: LineBlock, others: Sequence[bytes], numbers: Places, starts: Places) -> Iterator[Element]:
    for number, start in zip(numbers.tolist(), starts[numbers].tolist(), strict=True):
        if raw := others[number].strip(BLANKS):
            yield Element(block.line + number, block.position + start, raw)


def _usual_keys(block: LineBlock) -> tuple[str, ...] | None:
    """The keys of most of the first records, if they have any."""
    found: Counter[tuple[str, ...]] = Counter()
    for element in islice(block.elements(), _SAMPLE_LINES):
        try:
            record = parse(element.raw)
        except FaultError:
            continue
        if isinstance(record, dict) and record:
            found[tuple(record)] += 1
    return found.most_common(1)[0][0] if found else None


@lru_cache(maxsize=16)
def _pattern(keys: tuple[str, ...]) -> re.Pattern[bytes] | None:
    """Matches every line: one group for each value of a flat record, or the last one for any other line."""
    quoted = [json.dumps(key, ensure_ascii=False) for key in keys]
    if any(text[1:-1] != key for text, key in zip(quoted, keys, strict=True)):
        return None
    members = [re.escape(text.encode()) + _WHITE + b":" + _WHITE + _SCALAR for text in quoted]
    record = rb"\{" + _WHITE + (_WHITE + b"," + _WHITE).join(members) + _WHITE + rb"\}"
    return re.compile(rb"(?:" + _WHITE + record + _WHITE + rb"|([^\n]*+))\n")
