"""Checks on keys: unique within the batch, and references into another table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, ClassVar, Self
from uuid import uuid4

from pydantic import Field, model_validator

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import ROW_ID
from cloud_etl.engines.dialect import read_files, write_files
from cloud_etl.engines.failures import engine_errors
from cloud_etl.engines.marked_frame import column, compared
from cloud_etl.errors import ConfigError, Problem
from cloud_etl.quality.columns import require
from cloud_etl.quality.literals import kind_of
from cloud_etl.quality.port import ComparingCheck, GateContext, Prepared, RowCheck, Rule
from cloud_etl.storage.parquet_footers import footers

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from cloud_etl.domain.work_path import WorkPath
    from cloud_etl.engines.marked_frame import MarkedFrame

_NUMBERS = ("integer", "bigint", "decimal", "double")


class Unique(ComparingCheck):
    """No two rows have the same key. A key with a null in it is equal to none.

    Of the rows that share a key the first, by file and line, passes; each further one fails.
    """

    kind: ClassVar[str] = "unique"
    columns: tuple[str, ...] = Field(min_length=1, description="Columns that together make the key.")

    @property
    def columns_used(self) -> tuple[str, ...]:
        """The key."""
        return self.columns

    @property
    def label(self) -> str:
        """The given name, else kind and key."""
        return self.name or f"{self.kind}.{'+'.join(self.columns)}"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """One rule."""
        return (Rule(self.label, self.columns, f"no other row with the same {', '.join(self.columns)}"),)

    def proven_by(self, marked: MarkedFrame) -> bool:
        """Whether a part of the key is known to be unique."""
        return any(proven <= set(self.columns) for proven in marked.unique_keys)

    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """A condition that is true for all rows of a key but the first.

        Keys are counted first, by an action of its own that reads the key's columns only: keys that occur twice are few
        and are joined back, where a window would sort every row of the batch.
        """
        from pyspark.sql import functions as F

        require(marked.frame, self.columns, self.label)
        if not marked.row_ids_unique:
            return self._numbered(marked)
        repeated = self._repeated_keys(marked, context)
        if repeated is None:
            return Prepared(marked.frame, (F.lit(False),))
        frame = marked.frame.join(F.broadcast(repeated), self._same_key(marked.frame, repeated), "left")
        *keys, first = repeated.columns
        return Prepared(frame.drop(*keys), (F.col(ROW_ID) > F.col(first),), (first,))

    def count_failed(self, accepted: MarkedFrame) -> int:
        """Rows beyond the first of their key, by one aggregate."""
        from pyspark.sql import functions as F

        keys = (
            accepted.frame.where(self._whole_key)
            .groupBy(*(compared(accepted.frame, name) for name in self.columns))
            .agg(F.count("*").alias("rows"))
        )
        with engine_errors(f"check {self.label}"):
            found = keys.where(F.col("rows") > 1).agg(F.sum(F.col("rows") - 1).alias("failed")).first()
        return int(found["failed"] or 0) if found else 0

    @property
    def _whole_key(self) -> Column:
        return reduce(and_, (column(name).isNotNull() for name in self.columns))

    def _repeated_keys(self, marked: MarkedFrame, context: GateContext) -> DataFrame | None:
        """Keys that occur more than once and their first _row_id, on disk; None when there are none."""
        from pyspark.sql import functions as F

        folder = context.work / f"repeated-keys-{uuid4().hex[:12]}"
        names = [compared(marked.frame, name).alias(f"_key_{place}") for place, name in enumerate(self.columns)]
        # Not where(alive): the engine would push it into the marks below, and their plan triples with each mark.
        first = F.min(F.when(marked.alive, F.col(ROW_ID))).alias("_first_row_id")
        keys = marked.frame.where(self._whole_key).groupBy(*names)
        counted = keys.agg(F.count(F.when(marked.alive, 1)).alias("rows"), first)
        with engine_errors(f"check {self.label}", marked.probes):
            write_files(counted.where(F.col("rows") > 1).drop("rows"), folder)
        found: list[WorkPath] = sorted(folder.rglob("*.parquet"), key=str)
        files = [path for path, footer in zip(found, footers(found), strict=True) if footer.num_rows]
        return read_files(context.session, files) if files else None

    def _same_key(self, frame: DataFrame, repeated: DataFrame) -> Column:
        pairs = zip(self.columns, repeated.columns[:-1], strict=True)
        return reduce(and_, (compared(frame, own) == column(key) for own, key in pairs))

    def _numbered(self, marked: MarkedFrame) -> Prepared:
        """Number the rows of each key by a window, for frames in which several rows may share their _row_id."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        number = "_number_in_key"
        keys = (compared(marked.frame, name) for name in self.columns)
        # Groups have no line: their values decide, so that each run and each engine lets the same one pass.
        ties = (column(name).asc_nulls_last() for name in marked.columns)
        window = Window.partitionBy(*keys, marked.alive).orderBy(F.col(ROW_ID).asc_nulls_last(), *ties)
        frame = marked.frame.withColumn(number, F.row_number().over(window))
        return Prepared(frame, (self._whole_key & (F.col(number) > 1),), (number,))


class References(RowCheck):
    """The key stands in another pipeline's output or in a table. A key with a null in it passes."""

    kind: ClassVar[str] = "references"
    column: str | None = Field(None, description="Column that refers; or several as columns.")
    columns: tuple[str, ...] = Field((), description="Columns that refer together.")
    to: str = Field(description="What is referred to: a pipeline, an output or schema.table.")
    key: str | tuple[str, ...] | None = Field(None, description="Its key column or columns; the same names without.")

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if (self.column is None) == (not self.columns):
            raise ValueError("references needs column or columns, and not both")
        if len(self.referred_columns) != len(self.columns_used):
            raise ValueError(f"references has {len(self.columns_used)} columns and {len(self.referred_columns)} in key")
        return self

    @property
    def columns_used(self) -> tuple[str, ...]:
        """Columns that refer."""
        return self.columns if self.column is None else (self.column,)

    @property
    def referred_columns(self) -> tuple[str, ...]:
        """Columns of the table referred to, in the order of `columns_used`."""
        if self.key is None:
            return self.columns_used
        return (self.key,) if isinstance(self.key, str) else self.key

    @property
    def references(self) -> tuple[str, ...]:
        """What is referred to."""
        return (self.to,)

    @property
    def label(self) -> str:
        """The given name, else kind and columns."""
        return self.name or f"{self.kind}.{'+'.join(self.columns_used)}"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """One rule."""
        return (Rule(self.label, self.columns_used, f"{', '.join(self.columns_used)} found in {self.to}"),)

    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """A condition that is true for keys that are not there; the join is to distinct keys and cannot fan out."""
        from pyspark.sql import functions as F

        require(marked.frame, self.columns_used, self.label)
        keys = self._distinct_keys(context.references, marked.frame)
        self._refuse_mixed_types(marked.frame, keys)
        *referred, found = keys.columns
        kinds = dict(keys.dtypes)
        pairs = zip(self.columns_used, referred, strict=True)
        same = reduce(and_, (compared(marked.frame, own, kinds[key]) == column(key) for own, key in pairs))
        frame = marked.frame.join(F.broadcast(keys), same, "left").drop(*referred)
        whole = reduce(and_, (column(name).isNotNull() for name in self.columns_used))
        return Prepared(frame, (whole & column(found).isNull(),), (found,))

    def _distinct_keys(self, references: Mapping[str, DataFrame], referring: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        frame = references.get(self.to)
        if frame is None:
            message = f"check {self.label}: there is no {self.to!r} to refer to{did_you_mean(self.to, references)}"
            raise ConfigError([Problem(message)])
        require(frame, self.referred_columns, f"{self.label} (in {self.to})")
        # Named by the label: several checks may add their columns to one frame.
        names = [f"_key_{place}_{self.label}" for place, _ in enumerate(self.referred_columns)]
        kinds = dict(referring.dtypes)
        pairs = zip(self.referred_columns, self.columns_used, names, strict=True)
        keys = frame.select(*(compared(frame, key, kinds[own]).alias(name) for key, own, name in pairs)).distinct()
        whole = reduce(and_, (column(name).isNotNull() for name in names))
        return keys.where(whole).withColumn(f"_found_{self.label}", F.lit(True))

    def _refuse_mixed_types(self, frame: DataFrame, keys: DataFrame) -> None:
        """Text against numbers would be cast row by row and fail on the first word that is no number."""
        for own, other in zip(self.columns_used, keys.columns, strict=False):
            kinds = [kind_of(found.dataType) for found in (frame.schema[own], keys.schema[other])]
            if kinds[0] != kinds[1] and not all(kind in _NUMBERS for kind in kinds):
                message = f"check {self.label}: {own} is of type {kinds[0]}, its key in {self.to} of type {kinds[1]}"
                raise ConfigError([Problem(f"{message}; cast one of them in transform")])
