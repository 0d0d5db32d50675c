"""A column of texts becomes values: plain texts in one go, repeated ones once, the rest one by one with care."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.quick import QuickCast, quick_cast_of
from cloud_etl.extract.reader.verdicts import Query, Verdicts

_SAMPLE_ROWS = 1000
# A sample with no more distinct texts promises a column that has few.
_SAMPLE_TEXTS = 50
_FEW_TEXTS = 4096


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column of the contract that is cast from text.

    Attributes:
        quick: the cast by pyarrow; None where the contract's way of writing is not one that pyarrow knows.
        verdicts: the careful cast.
    """

    quick: QuickCast | None
    verdicts: Verdicts

    @classmethod
    def of(cls, spec: ColumnSpec, query: Query) -> TypedColumn | None:
        """The column, cast by what runs SQL over a table named texts; None where its texts are taken as they are."""
        verdicts = Verdicts.of(spec, query)
        return None if verdicts is None else cls(quick_cast_of(spec), verdicts)

    def values(self, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """The value of each text, null where it has none."""
        # Whole numbers are cheaper to cast than to tell apart.
        is_integer = self.quick is not None and pa.types.is_integer(self.quick.type)
        if is_integer and (values := self._whole(texts)) is not None:
            return values
        if _promises_few(texts):
            encoded = pc.dictionary_encode(texts).unify_dictionaries()
            if len(encoded.chunk(0).dictionary) <= _FEW_TEXTS:
                return self._repeated(encoded)
        values = None if is_integer else self._whole(texts)
        return self._proven(texts) if values is None else values

    def _whole(self, texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
        return None if self.quick is None else self.quick.whole(texts)

    def _repeated(self, encoded: pa.ChunkedArray) -> pa.ChunkedArray:
        values = self._proven(pa.chunked_array([encoded.chunk(0).dictionary])).combine_chunks()
        return pa.chunked_array([values.take(chunk.indices) for chunk in encoded.chunks], type=values.type)

    def _proven(self, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """Cast the plain texts, and put what the others are worth among their values."""
        values = None if self.quick is None else self.quick.proven(texts)
        if values is None:
            return self.verdicts.values(texts)
        if values.null_count == texts.null_count:
            return values
        doubtful = pc.and_(pc.is_null(values), pc.is_valid(texts))
        others = texts.filter(doubtful)
        if self.verdicts.has_none(others):
            return values
        found = self.verdicts.values(others)
        if found.null_count == len(found):
            return values
        return pc.replace_with_mask(values, doubtful.combine_chunks(), found.combine_chunks())


def _promises_few(texts: pa.ChunkedArray) -> bool:
    sample = texts.slice(0, _SAMPLE_ROWS)
    distinct: int = pc.count_distinct(sample).as_py()
    return len(sample) == _SAMPLE_ROWS and distinct <= _SAMPLE_TEXTS
