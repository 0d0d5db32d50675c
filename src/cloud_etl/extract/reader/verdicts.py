"""The careful cast of a column by DuckDB, and what it said of texts that are no value: dirt repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.casts import Cast, cast_of

Query = Callable[[str, pa.Table], pa.Table]
# Texts remembered for a column, and their length: planning a query costs more than casting a few texts.
_REMEMBERED = 4096
_REMEMBERED_CHARS = 64


class Verdicts:
    """What the careful cast says of the texts of one column."""

    def __init__(self, cast: Cast, query: Query) -> None:
        """Store the cast of a column c0, tried as r0, and what runs SQL over a table named texts."""
        self.wanted = cast.wanted
        self._cast = cast
        self._query = query
        self._codes: dict[str, str] = {}

    @classmethod
    def of(cls, spec: ColumnSpec, query: Query) -> Verdicts | None:
        """Those of a column; None where its texts are taken as they are."""
        cast = cast_of(spec, "c0", "r0")
        return None if cast is None else cls(cast, query)

    def values(self, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """The value of each text, null where it has none."""
        return self._ask(self._cast.proven, texts)

    def has_none(self, texts: pa.ChunkedArray) -> bool:
        """Whether it is known already that none of these texts has a value."""
        return len(texts) <= _REMEMBERED and all(text in self._codes for text in texts.to_pylist())

    def codes(self, texts: Sequence[str]) -> Mapping[str, str]:
        """The reject code of each of some texts that have no value."""
        unknown = list(set(texts) - self._codes.keys())
        if not unknown:
            return self._codes
        found = self._ask(self._cast.code, pa.chunked_array([unknown], pa.string()))
        codes = dict(zip(unknown, found.to_pylist(), strict=True))
        short = {text: code for text, code in codes.items() if len(text) <= _REMEMBERED_CHARS}
        known = self._codes | codes
        if len(self._codes) + len(short) <= _REMEMBERED:
            self._codes |= short
        return known

    def _ask(self, expression: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        numbers = np.arange(len(texts))
        table = pa.table({"c0": texts, "n": numbers})
        sql = f"SELECT {expression} AS found, n FROM (SELECT c0, n, {self._cast.tried} AS r0 FROM texts)"
        answer = self._query(sql, table)
        # Nothing in SQL promises the order, and a value in another row would not be noticed.
        if not np.array_equal(answer.column("n").to_numpy(), numbers):
            answer = answer.sort_by("n")
        return answer.column("found")
