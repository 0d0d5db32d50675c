"""The pages of a column chunk as their headers declare them: nothing is decoded, and nothing large is unpacked.

The header of a page says how large it unpacks; a reader takes its word, whatever the footer says.
It is in Thrift's compact protocol.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from mmap import mmap
from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
_MOST_NESTED, _LONG_LIST = 16, 15
# Numbers of the fields that are wanted, with those inside them; of lists, those inside their items.
_Wanted = dict[int, Any]
_ONE: _Wanted = {}
_HEADER: _Wanted = {
    1: _ONE, 2: _ONE, 3: _ONE, 5: {1: _ONE, 2: _ONE}, 7: {1: _ONE, 2: _ONE}, 8: {1: _ONE, 4: _ONE, 5: _ONE, 6: _ONE},
}  # fmt: skip
_COLUMN: _Wanted = {4: _ONE, 5: _ONE, 7: _ONE, 9: _ONE, 11: _ONE}
_FOOTER: _Wanted = {4: {1: {3: _COLUMN, 8: _ONE, 9: _ONE}}}


class Kind(IntEnum):
    """What a page holds."""

    DATA = 0
    DICTIONARY = 2
    DATA_V2 = 3


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a column chunk.

    Attributes:
        kind: what it holds; other kinds than those named are passed over by readers.
        start: offset of its stored bytes.
        stored_bytes: how many those are.
        unpacked_bytes: how many it declares to unpack to.
        values: how many it declares to have, nulls too.
        encoding: how its values are encoded.
        levels: of the second kind of data page, the bytes of its levels of repetition and of definition.
    """

    kind: int
    start: int
    stored_bytes: int
    unpacked_bytes: int
    values: int
    encoding: int
    levels: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The values of one leaf in a row group.

    Attributes:
        codec: number of the codec that packs its pages.
        values: how many there are, nulls too.
        start: offset of its first page.
        stored_bytes: from there to its end.
    """

    codec: int
    values: int
    start: int
    stored_bytes: int


def chunks_of(data: mmap) -> list[list[Chunk | None]]:
    """The chunks of each row group, from the footer; None for one that is encrypted, at which pyarrow would abort.

    Raises:
        ValueError: the footer cannot be read.
    """
    size = int.from_bytes(data[-8:-4], "little")
    footer = _Thrift(data, max(0, len(data) - 8 - size)).struct(_FOOTER)
    groups: list[dict[int, Any]] = footer.get(4) or []
    return [[_chunk(column) for column in group.get(1) or []] for group in groups]


def _chunk(column: dict[int, Any]) -> Chunk | None:
    numbers = (column.get(3) or {}).get
    codec, values, stored, first = numbers(4), numbers(5), numbers(7), numbers(9)
    if 8 in column or 9 in column or codec is None or values is None or stored is None or first is None:
        return None
    # As other readers do, where a dictionary is named that does not stand above the data.
    dictionary = numbers(11) or first
    return Chunk(codec, values, min(first, dictionary) if dictionary > 0 else first, stored)


def pages_of(data: mmap, chunk: Chunk) -> Iterator[Page]:
    """The pages of a chunk, as a reader finds them: up to the number of values that the footer gives.

    Raises:
        ValueError: what stands there is no header of a page.
    """
    position, values = chunk.start, 0
    end = position + chunk.stored_bytes
    while position < end and values < chunk.values:
        header = _Thrift(data, position)
        page = _page(header.struct(_HEADER), header.position)
        yield page
        position = page.start + page.stored_bytes
        values += 0 if page.kind == Kind.DICTIONARY else page.values


def _page(fields: dict[int, Any], start: int) -> Page:
    kind, unpacked, stored = (fields.get(number) for number in (1, 2, 3))
    if not (isinstance(kind, int) and isinstance(unpacked, int) and isinstance(stored, int)):
        raise ValueError("no header of a page")
    inner = fields.get({Kind.DATA: 5, Kind.DICTIONARY: 7, Kind.DATA_V2: 8}.get(Kind(kind), 0)) if kind in _KINDS else {}
    if not isinstance(inner, dict):
        raise ValueError("a page without a header of its kind")
    values = inner.get(1, 0)
    encoding = inner.get(4 if kind == Kind.DATA_V2 else 2, 0)
    levels = (inner.get(6, 0), inner.get(5, 0)) if kind == Kind.DATA_V2 else (0, 0)
    if min(unpacked, stored, values, *levels) < 0:
        raise ValueError("a page of a negative size")
    return Page(kind, start, stored, unpacked, values, encoding, levels)


_KINDS = frozenset(Kind)


class _Thrift:
    """Reads structs of Thrift's compact protocol: of what is wanted the value, and everything else is passed over."""

    def __init__(self, data: mmap, position: int) -> None:
        self._data = data
        self.position = position

    def struct(self, wanted: _Wanted, depth: int = 0) -> dict[int, Any]:
        """The wanted fields of a struct, by their number."""
        if depth > _MOST_NESTED:
            raise ValueError("nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step = head >> 4
            number = number + step if step else self._zigzag()
            value = self._value(head & 0x0F, wanted.get(number, {}), depth)
            if number in wanted:
                fields[number] = value
        return fields

    def _value(self, kind: int, wanted: _Wanted, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(wanted, depth + 1)
        if kind in (_LIST, _SET):
            return self._list(wanted, depth)
        size = {_BYTE: 1, _DOUBLE: 8}.get(kind) or (self._varint() if kind == _BINARY else None)
        if size is None:
            raise ValueError("an unknown type of a field")
        self.position += size
        return None

    def _list(self, wanted: _Wanted, depth: int) -> list[Any]:
        head = self._byte()
        kind, count = head & 0x0F, head >> 4 if head >> 4 != _LONG_LIST else self._varint()
        found = []
        for _ in range(count):
            value = self._byte() if kind in (_TRUE, _FALSE) else self._value(kind, wanted, depth + 1)
            if wanted:
                found.append(value)
        return found

    def _byte(self) -> int:
        if not 0 <= self.position < len(self._data):
            raise ValueError("a header beyond the end of the file")
        self.position += 1
        return self._data[self.position - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number that is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
