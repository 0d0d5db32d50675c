"""One row per key: deduplicate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from pydantic import Field, field_validator

from cloud_etl.domain.schema import ROW_ID
from cloud_etl.engines.dialect import gathered, read_files, write_files
from cloud_etl.engines.failures import engine_errors
from cloud_etl.engines.marked_frame import FATE, Fate, column, compared
from cloud_etl.storage.parquet_footers import footers
from cloud_etl.storage.parquet_queries import parquet_queries
from cloud_etl.storage.parquet_queries import quoted as as_identifier
from cloud_etl.storage.parquet_queries import text as as_text
from cloud_etl.transform.columns import Columns, checked, require
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from cloud_etl.domain.run import RunContext
    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext

_ORDER = re.compile(r"\s*(?:`((?:[^`]|``)+)`|(\S+?))(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?\s*", re.IGNORECASE)
_HASH, _RANK, _SURPLUS = "_fate_hash", "_fate_rank", "_fate_surplus"
# A row id is one bigint; while few they are sent to every core instead of shuffling the whole frame to them. On Spark
# a JVM holds them twice, packed and as a hash table; this is a cautious guess of what both take.
_BROADCAST_BYTES_PER_ROW = 400
# Types of which equal values are equal for DuckDB as well, so that it finds all rows that may share a key.
_PLAIN = ("string", "int", "bigint", "decimal", "date", "timestamp", "boolean")


class Deduplicate(Step):
    """Keep one row of those that share a key; status duplicate, reason `deduplicate.<keys>`.

    Of the rows with one key the first in `order_by` stays; where it does not decide, and without it, the row that was
    read first: the earlier file, then the earlier line. A missing value comes last in either direction, or first where
    the order says `nulls first`.
    A row without a value in one of its keys is no duplicate of any other: nothing is taken out on a guess.
    Only rows still in the frame are compared.
    """

    kind: ClassVar[str] = "deduplicate"
    keys: tuple[str, ...] = Field(min_length=1, description="Columns that make a row the same row.")
    order_by: tuple[str, ...] = Field(
        (),
        description="Which of the rows stays: columns with asc or desc and nulls first or nulls last, the "
        "first decides; a text or a list.",
    )

    @field_validator("keys", mode="before")
    @classmethod
    def _one_key(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("order_by", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("order_by")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _ORDER.fullmatch(text):
                raise ValueError(
                    f"order_by {text!r}: write a column with asc or desc, and nulls first or nulls last; "
                    "make what is computed with derive before"
                )
        return value

    @property
    def _order(self) -> tuple[tuple[str, str], ...]:
        """Columns of the order, and the name of the method that orders by each."""
        matches = [match for text in self.order_by if (match := _ORDER.fullmatch(text))]
        return tuple(
            (
                (match[1] or match[2]).replace("``", "`"),
                f"{(match[3] or 'asc').lower()}_nulls_{(match[4] or 'last').lower()}",
            )
            for match in matches
        )

    def columns_after(self, columns: Columns) -> Columns:
        """The same columns."""
        require([*self.keys, *(name for name, _ in self._order)], columns, self.label)
        return columns

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Mark the rows; reads keys and order once or twice beforehand, see docs/adr/0005-deduplicate.md."""
        from pyspark.sql import functions as F

        checked(frame, [*self.keys, *(name for name, _ in self._order)], self.label)
        fate = Fate(self.label, "duplicate", f"{self.kind}.{'+'.join(self.keys)}")
        if any(proven <= set(self.keys) for proven in frame.unique_keys):
            return frame.mark(F.lit(False), fate)
        if not frame.row_ids_unique:
            return self._by_window(frame, fate)
        with engine_errors(f"{self.label} of {', '.join(self.keys)}", frame.probes):
            return self._by_losers(frame, fate, context.work / f"deduplicate-{uuid4().hex[:12]}", context.run)

    def _by_losers(self, frame: MarkedFrame, fate: Fate, folder: WorkPath, run: RunContext) -> MarkedFrame:
        from pyspark.sql import functions as F

        rows = frame.still_in()
        needed = [compared(rows, name).alias(name) for name in self._needed]
        hashed = rows.select(self._hash(rows).alias(_HASH), *needed, ROW_ID)
        if isinstance(folder, Path) and self._readable_by_duckdb(frame):
            by, (suspects, incomplete) = ROW_ID, self._suspect_rows(frame.files, folder, run)
            if incomplete and frame.fates:
                # They may be out already.
                incomplete = hashed.where(F.col(_HASH).isNull()).limit(1).count()
        else:
            by, (suspects, incomplete) = _HASH, self._suspect_hashes(hashed, folder)
        session = frame.frame.sparkSession
        if suspects:
            found = _sent(read_files(session, [folder / "suspects"]), suspects, run.memory_bytes)
            ranked = hashed.join(found, by, "left_semi").withColumn(_RANK, self._rank(hashed, _HASH))
            write_files(ranked.where(F.col(_RANK) > 1).select(ROW_ID), folder / "surplus")
            frame = self._marked(frame, fate, folder / "surplus", run.memory_bytes)
        else:
            frame = frame.mark(F.lit(False), fate)
        proven = () if incomplete else (frozenset(self.keys),)
        return replace(frame, unique_keys=(*frame.unique_keys, *proven))

    def _readable_by_duckdb(self, frame: MarkedFrame) -> bool:
        """Whether the keys stand in files of this machine as they are in the frame."""
        kinds = dict(frame.frame.dtypes)
        return (
            bool(frame.files)
            and all(isinstance(path, Path) for path in frame.files)
            and all(kinds[name].startswith(_PLAIN) for name in self.keys)
        )

    def _suspect_rows(self, files: Sequence[WorkPath], folder: Path, run: RunContext) -> tuple[int, int]:
        """Write the ids of the rows that may share their key with another; also those that are out already.

        Returns:
            How many they are, and a number that is 0 where no row lacks a whole key.
        """
        (folder / "suspects").mkdir(parents=True)
        names = ", ".join(as_identifier(name) for name in self.keys)
        whole = " AND ".join(f"{as_identifier(name)} IS NOT NULL" for name in self.keys)
        with parquet_queries(run.resources, folder / "spill") as queries:
            rows = queries.files(files)
            [(suspects,)] = queries.rows(
                f"COPY (WITH keyed AS (SELECT hash({names}) AS h, {ROW_ID} FROM {rows} WHERE {whole}), "
                "repeated AS (SELECT h FROM keyed GROUP BY h HAVING count(*) > 1) "
                f"SELECT {ROW_ID} FROM keyed SEMI JOIN repeated USING (h)) "
                f"TO {as_text(folder / 'suspects' / 'rows.parquet')} (FORMAT parquet, COMPRESSION zstd)"
            )
            incomplete = _nulls(files, self.keys)
            if incomplete is None:
                [(counted,)] = queries.rows(f"SELECT count(*) FROM {rows} WHERE NOT ({whole})")
                incomplete = int(str(counted))
        return int(str(suspects)), incomplete

    def _suspect_hashes(self, hashed: DataFrame, folder: WorkPath) -> tuple[int, int]:
        """Write the hashes of keys that occur more than once.

        Returns:
            How many they are, and 1 where rows lack a whole key, whose hash is null.
        """
        from pyspark.sql import functions as F

        counted = gathered(hashed.select(_HASH), _HASH).groupBy(_HASH).agg(F.count(F.lit(1)).alias(_RANK))
        kept = counted.where((F.col(_RANK) > 1) | F.col(_HASH).isNull()).select(_HASH)
        write_files(kept, folder / "suspects")
        found, incomplete = _footers(folder / "suspects", _HASH)
        return found - incomplete, incomplete

    def _marked(self, frame: MarkedFrame, fate: Fate, folder: WorkPath, memory_bytes: int) -> MarkedFrame:
        from pyspark.sql import functions as F

        rows, _ = _footers(folder, ROW_ID)
        if not rows:
            return frame.mark(F.lit(False), fate)
        surplus = read_files(frame.frame.sparkSession, [folder]).withColumn(_SURPLUS, F.lit(True))
        surplus = _sent(surplus, rows, memory_bytes)
        order = frame.frame.columns
        joined = frame.with_frame(frame.frame.join(surplus, ROW_ID, "left"))
        marked = joined.mark(F.col(_SURPLUS).isNotNull(), fate)
        return marked.with_frame(marked.frame.select(*(column(name) for name in order)))

    def _by_window(self, frame: MarkedFrame, fate: Fate) -> MarkedFrame:
        """In one pass over whole rows: where row ids may repeat they cannot name the rows to take out."""
        from pyspark.sql import functions as F

        ties = [column(name).asc_nulls_last() for name in frame.columns]
        ranked = frame.frame.withColumn(_RANK, self._rank(frame.frame, FATE, ties))
        marked = frame.with_frame(ranked).mark(self._complete & (F.col(_RANK) > 1), fate)
        return marked.with_frame(marked.frame.drop(_RANK))

    def _rank(self, rows: DataFrame, first: str, ties: Sequence[Column] = ()) -> Column:
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        order = [getattr(column(name), method)() for name, method in self._order]
        window = Window.partitionBy(first, *(compared(rows, name) for name in self.keys))
        return F.row_number().over(window.orderBy(*order, F.col(ROW_ID).asc_nulls_last(), *ties))

    @property
    def _needed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.keys, *(name for name, _ in self._order)]))

    @property
    def _complete(self) -> Column:
        return reduce(and_, (column(name).isNotNull() for name in self.keys))

    def _hash(self, rows: DataFrame) -> Column:
        from pyspark.sql import functions as F

        return F.when(self._complete, F.hash(*(compared(rows, name) for name in self.keys)))


def _sent(frame: DataFrame, rows: int, memory_bytes: int) -> DataFrame:
    """A frame of row ids or hashes, sent to every core where memory has room for that many rows."""
    from pyspark.sql import functions as F

    return F.broadcast(frame) if rows * _BROADCAST_BYTES_PER_ROW <= memory_bytes else frame


def _nulls(files: Sequence[WorkPath], names: Sequence[str]) -> int | None:
    """Missing values in the columns of these files, from the footers; None where one does not say."""
    found = 0
    for metadata in footers(files):
        places = [metadata.schema.names.index(name) for name in names]
        for group in range(metadata.num_row_groups):
            for place in places:
                statistics = metadata.row_group(group).column(place).statistics
                if statistics is None or not statistics.has_null_count:
                    return None
                found += statistics.null_count
    return found


def _footers(folder: WorkPath, name: str) -> tuple[int, int]:
    """Rows below a folder, and rows without a value in that column, from the footers."""
    rows = nulls = 0
    for metadata in footers(list(folder.rglob("*.parquet"))):
        place = metadata.schema.names.index(name)
        rows += metadata.num_rows
        for group in range(metadata.num_row_groups):
            nulls += metadata.row_group(group).column(place).statistics.null_count
    return rows, nulls
