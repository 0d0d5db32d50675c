"""Rows of a Parquet file, so few at a time that their worst case fits a bound of memory.

What a row comes to is not in the footer: a text in a dictionary is stored once and named by any number of rows, levels
of a nested column by runs. So the dictionaries' longest texts and the longest rows are looked for, where the sizes that
the pages declare do not say that there is room for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

import pyarrow as pa

from cloud_etl.domain.resources import MIB
from cloud_etl.extract.reader.parquet.kinds import plain
from cloud_etl.extract.reader.parquet.levels import LongestRow
from cloud_etl.extract.reader.parquet.pages import Chunk, Kind, Page, chunks_of, pages_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
# Levels of a value and the bit of its validity; and what each list around it costs.
_VALUE_BYTES, _LIST_BYTES = 5, 8
_DICTIONARY, _DELTAS, _PREFIXES = (2, 8), (5, 6, 7), 7
# What a decoder of differences holds of each value of a page.
_DELTA_BYTES = 12
_MOST_AT_ONCE_BYTES = 64 * MIB
_LENGTH = Struct("<I")
_UNPACKED = 0
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}


class ExceedsMemoryError(Exception):
    """Rows of a file cannot be decoded in the memory that there is, not even one by one."""


@dataclass(slots=True)
class _Leaf:
    """What a column of plain values costs in one row group.

    Attributes:
        page_bytes: its largest page, as it unpacks.
        fixed_bytes: what is held whatever the number of rows.
        row_bytes: what a row adds at most, beside what is fixed.
        value_bytes: its longest value, at most.
        row_values: values in a row, at most.
    """

    name: str
    page_bytes: int = 0
    fixed_bytes: int = 0
    row_bytes: int = 0
    value_bytes: int = 0
    row_values: int = 1


def rows_at_once(file: pq.ParquetFile, path: Path, most_rows: int, bound_bytes: int, column: str = "") -> list[int]:
    """How many rows of each row group can be decoded at a time.

    Args:
        file: the file, opened.
        path: where it is.
        most_rows: more are never taken.
        bound_bytes: what they may take.
        column: only that one is to be read.

    Raises:
        ExceedsMemoryError: there are rows of which not even one can.
        ValueError: pages cannot be read.
    """
    found = []
    places = [place for place in range(len(file.schema)) if not column or _top(file, place) == column]
    with path.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as data:
        costs = _Costs(file, data, bound_bytes)
        for group, chunks in enumerate(costs.chunks()):
            leaves = [costs.leaf(chunks[place], group, place) for place in places]
            fixed, row = sum(leaf.fixed_bytes for leaf in leaves), sum(leaf.row_bytes for leaf in leaves)
            rows = max(1, min(most_rows, min(bound_bytes // 2, _MOST_AT_ONCE_BYTES) // max(row, 1)))
            if fixed + rows * row > bound_bytes:
                raise ExceedsMemoryError(_message(leaves, group, bound_bytes))
            found.append(rows)
    return found


def batches_of(
    file: pq.ParquetFile, rows: Sequence[int], columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches of so many rows of each row group, without dictionaries."""
    for group, size in enumerate(rows):
        for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=columns):
            if any(pa.types.is_dictionary(type_) for type_ in batch.schema.types):
                arrays = [plain(array) if pa.types.is_dictionary(array.type) else array for array in batch.columns]
                batch = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
            yield batch


def evenly(batches: Iterator[pa.RecordBatch], most_rows: int, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """The rows of batches, in batches of about that size: larger ones are cut and smaller ones put together."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for part in (part for batch in batches for part in _halved(batch, most_bytes)):
        if held and (
            rows + part.num_rows > most_rows or size + part.nbytes > most_bytes or _stands_alone(part.schema.types)
        ):
            yield _joined(held)
            held, rows, size = [], 0, 0
        held.append(part)
        rows, size = rows + part.num_rows, size + part.nbytes
    if held:
        yield _joined(held)


def _stands_alone(types: Sequence[pa.DataType]) -> bool:
    """Whether batches of it are left as they are: named values tell no size, and views cannot be joined."""
    return any(
        pa.types.is_dictionary(type_)
        or pa.types.is_list_view(type_)
        or pa.types.is_large_list_view(type_)
        or (pa.types.is_nested(type_) and _stands_alone([type_.field(place).type for place in range(type_.num_fields)]))
        for type_ in types
    )


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.concat_batches(batches) if len(batches) > 1 else batches[0]


def _halved(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    if batch.num_rows < 2 or batch.nbytes <= most_bytes:
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _halved(batch.slice(0, middle), most_bytes)
    yield from _halved(batch.slice(middle), most_bytes)


def _top(file: pq.ParquetFile, place: int) -> str:
    """The column of the file that a leaf belongs to; names may hold points themselves."""
    path: str = file.schema.column(place).path
    return next((name for name in file.schema_arrow.names if f"{path}.".startswith(f"{name}.")), path)


def _message(leaves: Sequence[_Leaf], group: int, bound_bytes: int) -> str:
    worst = max(leaves, key=lambda leaf: leaf.fixed_bytes + leaf.row_bytes)
    beside = f", beside {len(leaves) - 1:,} other columns" if len(leaves) > 1 else ""
    return (
        f"column {worst.name} of row group {group + 1} cannot be decoded in the {bound_bytes:,} bytes that "
        f"engine.memory leaves for it{beside}: a page of it unpacks to as much as {worst.page_bytes:,} bytes, "
        f"a value may have {worst.value_bytes:,} bytes, and a row {worst.row_values:,} values"
    )


@dataclass(slots=True)
class _Pages:
    """The pages of a chunk, taken together."""

    data: list[Page] = field(default_factory=list)
    dictionary: Page | None = None


@dataclass(frozen=True, slots=True)
class _Costs:
    """What the leaves of row groups cost."""

    file: pq.ParquetFile
    data: mmap
    bound_bytes: int

    def chunks(self) -> list[list[Chunk | None]]:
        try:
            found = chunks_of(self.data)
        except ValueError:
            self._let_reader_say(0, None)
            raise
        if [len(chunks) for chunks in found] != [len(self.file.schema)] * self.file.num_row_groups:
            raise ValueError("row groups without some of the columns")
        return found

    def leaf(self, chunk: Chunk | None, group: int, place: int) -> _Leaf:
        schema = self.file.schema.column(place)
        if chunk is None:
            self._let_reader_say(group, [schema.path])
            raise ValueError("a column without its place")
        pages = self._pages(chunk, group, schema.path)
        leaf = _Leaf(schema.path)
        width = schema.length if schema.physical_type == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS[schema.physical_type]
        depth = schema.max_repetition_level
        each = width + _VALUE_BYTES + _LIST_BYTES * depth
        unpacked = max((page.unpacked_bytes for page in pages.data), default=0)
        named = pages.dictionary.unpacked_bytes if pages.dictionary is not None else 0
        deltas = max((page.values for page in pages.data if page.encoding in _DELTAS), default=0)
        leaf.page_bytes = max(unpacked, named)
        # A page, what comes out of it, and a dictionary as it is stored and as it is held.
        leaf.fixed_bytes = 2 * unpacked + 2 * named + _DELTA_BYTES * deltas
        leaf.value_bytes = max(width, leaf.page_bytes if schema.physical_type == "BYTE_ARRAY" else 0)
        if leaf.fixed_bytes > self.bound_bytes:
            return leaf
        if schema.physical_type == "BYTE_ARRAY":
            text, dense = self._texts(pages, chunk.codec)
            leaf.value_bytes = max(text, unpacked if dense else 0)
            each += text + dense
        if depth == 0:
            leaf.row_bytes = each
        elif (whole := each * chunk.values) <= self.bound_bytes // 32:
            leaf.fixed_bytes += whole
        else:
            leaf.row_values = self._longest_row(pages, depth, chunk.codec)
            leaf.row_bytes = each * leaf.row_values
        return leaf

    def _pages(self, chunk: Chunk, group: int, path: str) -> _Pages:
        pages = _Pages()
        try:
            for page in pages_of(self.data, chunk):
                if page.kind == Kind.DICTIONARY:
                    pages.dictionary = page
                elif page.kind in (Kind.DATA, Kind.DATA_V2):
                    pages.data.append(page)
        except ValueError:
            self._let_reader_say(group, [path])
            raise
        return pages

    def _let_reader_say(self, group: int, columns: list[str] | None) -> None:
        """Read a row of what cannot be understood: the reader's own error says why, such as that a key is missing."""
        for _ in self.file.iter_batches(batch_size=1, row_groups=[group], columns=columns):
            break

    def _texts(self, pages: _Pages, codec: int) -> tuple[int, int]:
        """The longest text that a value may name, and the most bytes that a page of stored texts has for each value."""
        longest = dense = 0
        if pages.dictionary is not None and any(page.encoding in _DICTIONARY for page in pages.data):
            longest = self._longest_text(pages.dictionary, codec)
        for page in pages.data:
            if page.encoding == _PREFIXES:
                # A text may begin with all of the one before it.
                longest = max(longest, page.unpacked_bytes)
            elif page.encoding not in _DICTIONARY:
                dense = max(dense, page.unpacked_bytes // max(page.values, 1) + 1)
        return longest, dense

    def _longest_text(self, page: Page, codec: int) -> int:
        try:
            texts = self._unpacked(page, codec)
        except (pa.ArrowException, OSError, ValueError, KeyError):
            return page.unpacked_bytes
        longest = position = 0
        length_at, last = _LENGTH.unpack_from, len(texts) - _LENGTH.size
        for _ in range(page.values):
            if position > last:
                break
            (size,) = length_at(texts, position)
            position += 4 + size
            if size > longest:
                longest = size
        return min(longest, page.unpacked_bytes)

    def _longest_row(self, pages: _Pages, depth: int, codec: int) -> int:
        row = LongestRow(depth)
        for page in pages.data:
            try:
                row.add(self._levels(page, codec), page.values)
            except (pa.ArrowException, OSError, ValueError, KeyError):
                row.add_unknown(page.values)
        return row.values

    def _levels(self, page: Page, codec: int) -> bytes:
        if page.kind == Kind.DATA_V2:
            return self.data[page.start : page.start + page.levels[0]]
        unpacked = self._unpacked(page, codec)
        size = int.from_bytes(unpacked[:4], "little")
        return unpacked[4 : 4 + size]

    def _unpacked(self, page: Page, codec: int) -> bytes:
        stored = self.data[page.start : page.start + page.stored_bytes]
        if codec == _UNPACKED:
            return stored
        return bytes(pa.Codec(_CODECS[codec]).decompress(stored, page.unpacked_bytes, asbytes=True))
