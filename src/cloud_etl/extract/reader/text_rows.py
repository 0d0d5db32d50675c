"""Records as columns of text: what every format is turned into before it is cast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloud_etl.extract.reader.pieces import FilePlace, Reject
from cloud_etl.extract.reader.streams import Encoding

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Origins:
    """Where rows come from; arrays of one length.

    Attributes:
        files: index of the file.
        lines: line of the record in its file, from 1.
        positions: byte offset of the record in its file's text.
    """

    files: NDArray[np.int64]
    lines: NDArray[np.int64]
    positions: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Origins:
        """Those of some rows."""
        return Origins(self.files[rows], self.lines[rows], self.positions[rows])


class RawText(Protocol):
    """Gives back the text of a record."""

    def __call__(self, row: int, /) -> bytes:
        """The text of the record behind that row."""


@dataclass(frozen=True, slots=True)
class TextRows:
    """Rows of text, not yet cast.

    Attributes:
        columns: staged column to its texts, null where missing; a column that the files lack is not in it. One that
            has the contract's type already is taken as it is.
        raw: the text of the record behind a row, in UTF-8.
        held: where the texts were printed from typed values, column to its type in the file: then a text that does not
            fit is a lossy cast.
    """

    columns: Mapping[str, pa.ChunkedArray]
    origins: Origins
    raw: RawText
    held: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class FileRejects:
    """Records of one file that were refused before they became rows."""

    file: FilePlace
    encoding: Encoding
    rejects: list[Reject]
