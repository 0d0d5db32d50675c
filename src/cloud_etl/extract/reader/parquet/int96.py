"""Times of the old kind, int96: nanoseconds of the day and a day, which pyarrow reads in one unit, cut or wrapped.

Read as seconds nothing wraps, read as nanoseconds nothing is cut; the two together give the exact time.
Of day 0, 4713 years before our era, pyarrow makes 1970-01-01, as if it were the filling of a null: where that date
stands in a column, DuckDB is asked. A limit: times inside lists and structs are not asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cloud_etl.extract.reader.parquet.batches import batches_of
from cloud_etl.extract.reader.parquet.nested import with_leaves

INT96 = "int96"
# How the text of a time ends that is not in the years 1 to 9999.
BEYOND = " seconds from 1970"
_NANOS_A_SECOND = 1_000_000_000
_NANOS_A_MICRO = 1_000
_MICROS_A_SECOND = 1_000_000
# Seconds from 1970 that 64 bits of microseconds can hold.
_MICROS_REACH = (1 << 63) // _MICROS_A_SECOND - 1
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


class Int96Columns:
    """The columns of one file that hold int96, at whatever depth."""

    def __init__(self, file: pq.ParquetFile, path: Path) -> None:
        """Find them."""
        leaves = (file.schema.column(place) for place in range(len(file.schema)))
        paths = [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]
        self._path = path
        self._day_0: dict[str, bool] = {}
        self._names = [
            name for name in file.schema_arrow.names if any(f"{path}.".startswith(f"{name}.") for path in paths)
        ]

    def shown(self, column: pa.Field) -> str:
        """The type of a column of the file, in words."""
        return INT96 if column.name in self._names and not pa.types.is_nested(column.type) else str(column.type)

    def complete(self, batches: Iterator[pa.RecordBatch], rows: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Batches that were read in seconds, with the exact times in place of these columns.

        Args:
            batches: in the order of the file.
            rows: how many rows of each row group can be read at a time.
        """
        if not self._names:
            yield from batches
            return
        with pq.ParquetFile(self._path) as file:
            fine = _Rows(batches_of(file, rows, self._names))
            first = 0
            for batch in batches:
                nanos = iter(fine.take(batch.num_rows).columns)
                yield pa.RecordBatch.from_arrays(
                    [
                        _exact(*self._with_day_0(name, first, column, next(nanos))) if name in self._names else column
                        for name, column in zip(batch.schema.names, batch.columns, strict=True)
                    ],
                    names=batch.schema.names,
                )
                first += batch.num_rows

    def _with_day_0(self, name: str, first: int, seconds: pa.Array, nanos: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Both readings of a column, with the times of day 0 in place of 1970-01-01.

        Args:
            name: of the column.
            first: number of the first row in the file.
            seconds: the column in seconds.
            nanos: the column in nanoseconds.
        """
        if pa.types.is_nested(seconds.type):
            return seconds, nanos
        epoch = [np.flatnonzero(part.cast(pa.int64()).fill_null(1).to_numpy() == 0) for part in (seconds, nanos)]
        doubtful = np.intersect1d(epoch[0], epoch[1])
        if not doubtful.size or not self._has_day_0(name):
            return seconds, nanos
        rows, micros = self._before_our_era(name, first, first + len(seconds) - 1)
        is_meant = np.isin(rows, doubtful)
        at, whole_micros = rows[is_meant], micros[is_meant]
        whole, rest = np.divmod(whole_micros, _MICROS_A_SECOND)
        with np.errstate(over="ignore"):
            # Wrapped, as pyarrow does it with what nanoseconds do not hold.
            wrapped = whole * _NANOS_A_SECOND + rest * _NANOS_A_MICRO
        return _replaced(seconds, at, whole), _replaced(nanos, at, wrapped)

    def _has_day_0(self, name: str) -> bool:
        """Asked once for each column; real times of 1970-01-01 cost no more than that."""
        if name not in self._day_0:
            [(found,)] = self._query(f"SELECT count(*) > 0 FROM {{}} WHERE {_early(name)}")
            self._day_0[name] = bool(found)
        return self._day_0[name]

    def _before_our_era(self, name: str, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of that part of the file with such a time, counted from its first, and the times in microseconds."""
        found = self._query(
            f"SELECT file_row_number - {first}, epoch_us({_quoted(name)}) FROM {{}} "
            f"WHERE file_row_number BETWEEN {first} AND {last} AND {_early(name)}"
        )
        table = np.array(found, np.int64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def _query(self, sql: str) -> list[tuple[object, ...]]:
        import duckdb

        source = "read_parquet($1, file_row_number = true)"
        with duckdb.connect(config={"threads": 1}) as connection:
            return connection.execute(sql.format(source), [[str(self._path)]]).fetchall()


class _Rows:
    """Rows in the numbers that are asked for; batches of two readers need not end at the same rows."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._held: list[pa.RecordBatch] = []

    def take(self, rows: int) -> pa.RecordBatch:
        while sum(batch.num_rows for batch in self._held) < rows:
            self._held.append(next(self._batches))
        held = pa.concat_batches(self._held)
        self._held = [held.slice(rows)]
        return held.slice(0, rows)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _early(name: str) -> str:
    return f"{_quoted(name)} < TIMESTAMP '0001-01-01'"


def _replaced(times: pa.Array, at: np.ndarray, values: np.ndarray) -> pa.Array:
    """The times with other ones in some places."""
    numbers = times.cast(pa.int64()).fill_null(0).to_numpy().copy()
    numbers[at] = values
    missing = times.is_null().to_numpy(zero_copy_only=False)
    return pa.array(numbers, pa.int64(), mask=missing).view(times.type)


def _exact(seconds: pa.Array, nanos: pa.Array) -> pa.Array:
    """The exact times of one column, or of the times inside it."""
    nested = pa.types.is_nested(seconds.type)
    return with_leaves(partial(_leaf, nested), seconds, nanos)


def _leaf(inside: bool, seconds: pa.Array, nanos: pa.Array) -> pa.Array:
    # Only int96 is read in two units.
    return seconds if seconds.type == nanos.type else _times(inside, seconds, nanos)


def _times(inside: bool, seconds: pa.Array, nanos: pa.Array) -> pa.Array:
    """Times in microseconds where these hold them all, else as text."""
    missing = seconds.is_null().to_numpy(zero_copy_only=False)
    whole = seconds.cast(pa.int64()).fill_null(0).to_numpy()
    with np.errstate(over="ignore"):
        # What was wrapped is right again in the difference, for the rest is less than a second.
        rest = nanos.cast(pa.int64()).fill_null(0).to_numpy() - whole * _NANOS_A_SECOND
    micros, beyond = np.divmod(rest, _NANOS_A_MICRO)
    zone = seconds.type.tz
    if np.abs(whole).max(initial=0) < _MICROS_REACH and not beyond.any():
        times = pa.array(whole * _MICROS_A_SECOND + micros, pa.int64(), mask=missing)
        return times.view(pa.timestamp("us", zone))
    texts = [_text(*time, inside=inside) for time in zip(whole.tolist(), rest.tolist(), strict=True)]
    if zone is not None:
        texts = [text if text.endswith(BEYOND) else text + ("+00:00" if inside else "Z") for text in texts]
    return pa.array(texts, pa.string(), mask=missing)


def _text(whole: int, rest: int, inside: bool) -> str:
    """A time as it would print in microseconds, with three more digits where it needs them."""
    if not _FIRST_SECOND <= whole <= _LAST_SECOND:
        return f"{whole}.{rest:09d}{BEYOND}"
    moment = (datetime(1970, 1, 1) + timedelta(seconds=whole)).isoformat(" ")
    if inside and not rest:
        return moment
    fraction = f"{rest:09d}"
    return f"{moment}.{fraction.removesuffix('000') if rest % _NANOS_A_MICRO == 0 else fraction}"
