"""Columns from another table: join."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import LINEAGE
from cloud_etl.engines.failures import engine_errors
from cloud_etl.engines.marked_frame import Fate, column, compared
from cloud_etl.errors import StepFailedError
from cloud_etl.transform.columns import Columns, checked, config_error, refuse_reserved, refuse_twins, require
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext

_KEY, _FOUND, _ROWS = "_fate_key_", "_fate_found", "_fate_rows"
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "double", "float", "decimal")
# Up to here a reference is given to every core whole, and the frame need not be shuffled to it.
_BROADCAST_ROWS = 1_000_000


class Join(Step):
    """Add columns of another pipeline's output or of a table. A missing key matches nothing.

    left keeps every row; inner takes rows without a match out (status filtered, reason `join.<to>.unmatched`).
    A key that is in the reference more than once would multiply rows: the run stops, or, with on_fan_out allow,
    goes on with the rows before and after in the ledger.
    """

    kind: ClassVar[str] = "join"
    to: str = Field(description="A pipeline, an output or schema.table.")
    on: str | tuple[str, ...] | Mapping[str, str] = Field(
        description="Key columns of the same name on both sides, or own column: column of the reference."
    )
    how: Literal["left", "inner"] = Field("left", description="Keep rows without a match, or take them out.")
    columns: tuple[str, ...] = Field((), description="Columns of the reference to add; all but its keys without.")
    prefix: str = Field("", description="Put before the names of the added columns.")
    on_fan_out: Literal["fail", "allow"] = Field("fail", description="When a key is in the reference more than once.")

    @model_validator(mode="before")
    @classmethod
    def _called_with(cls, value: object) -> object:
        """`with` is what `to` was called; the check `references` has always said `to`."""
        if isinstance(value, Mapping) and "with" in value and "to" not in value:
            return {"to" if key == "with" else key: item for key, item in value.items()}
        return value

    @property
    def barrier(self) -> bool:
        """Where rows may multiply."""
        return self.on_fan_out == "allow"

    @property
    def references(self) -> tuple[str, ...]:
        """The other side."""
        return (self.to,)

    @property
    def _keys(self) -> dict[str, str]:
        """Own key column: the reference's."""
        if isinstance(self.on, Mapping):
            return dict(self.on)
        return {name: name for name in ((self.on,) if isinstance(self.on, str) else self.on)}

    def columns_after(self, columns: Columns) -> Columns | None:
        """The columns and the added ones, of unknown type; None where the reference's columns are all taken."""
        require(self._keys, columns, self.label)
        if not self._keys:
            raise ValueError(f"{self.label}: on names no column")
        if not self.columns:
            return None
        added = [self.prefix + name for name in self.columns]
        self._refuse_clash(added, columns)
        return {**columns, **dict.fromkeys(added)}

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Join; the reference's keys are counted first, by an action of its own."""
        from pyspark.sql import functions as F

        checked(frame, self._keys, self.label)
        reference = self._reference(frame, context)
        with engine_errors(f"reading {self.to} for {self.label}"):
            rows, repeated = _count_keys(reference, len(self._keys))
        if repeated and self.on_fan_out == "fail":
            keys = ", ".join(self._keys.values())
            raise StepFailedError(
                f"{self.label} with {self.to}: keys ({keys}) that are there more than once: {repeated}, so rows "
                "would multiply. Nothing was published; deduplicate the reference, or set on_fan_out: allow."
            )
        side = F.broadcast(reference) if rows <= _BROADCAST_ROWS else reference
        kinds = dict(reference.dtypes)
        pairs = [(own, f"{_KEY}{place}") for place, own in enumerate(self._keys)]
        same = [compared(frame.frame, own, kinds[key]) == F.col(key) for own, key in pairs]
        joined = frame.with_frame(frame.frame.join(side, reduce(and_, same), "left"))
        if self.how == "inner":
            fate = Fate(self.label, "filtered", f"{self.kind}.{self.to}.unmatched")
            joined = joined.mark(F.col(_FOUND).isNull(), fate)
        joined = joined.with_frame(joined.frame.drop(_FOUND, *(f"{_KEY}{place}" for place in range(len(self._keys)))))
        if not self.barrier:
            return joined
        return replace(joined, row_ids_unique=joined.row_ids_unique and not repeated, unique_keys=())

    def _reference(self, frame: MarkedFrame, context: StepContext) -> DataFrame:
        """Keys under names of their own, the added columns under their final names, and a flag."""
        from pyspark.sql import functions as F

        # Reading by key first: a mapping that makes frames on demand has no full list of names.
        try:
            source = context.references[self.to]
        except KeyError:
            hint = did_you_mean(self.to, context.references)
            raise config_error(f"{self.label}: there is no {self.to!r} to join with{hint}") from None
        known = [name for name in source.columns if name not in LINEAGE]
        taken = self.columns or tuple(name for name in known if name not in self._keys.values())
        try:
            require([*self._keys.values(), *taken], known, f"{self.label} with {self.to}")
            self._refuse_clash([self.prefix + name for name in taken], frame.columns)
        except ValueError as exc:
            raise config_error(str(exc)) from None
        self._refuse_mixed_types(frame.frame, source)
        kinds = dict(frame.frame.dtypes)
        pairs = enumerate(self._keys.items())
        keys = [compared(source, name, kinds[own]).alias(f"{_KEY}{place}") for place, (own, name) in pairs]
        added = [column(name).alias(self.prefix + name) for name in taken]
        return source.select(*keys, *added, F.lit(True).alias(_FOUND))

    def _refuse_clash(self, added: list[str], there: Columns | tuple[str, ...]) -> None:
        refuse_reserved(added, self.label)
        for name in added:
            if name in there or added.count(name) > 1:
                raise ValueError(f"{self.label}: there would be two columns named {name!r}; set prefix, or columns")
        refuse_twins([*there, *added], self.label)

    def _refuse_mixed_types(self, frame: DataFrame, source: DataFrame) -> None:
        """Text against numbers would be cast row by row, and fail on the first word that is no number."""
        own, other = dict(frame.dtypes), dict(source.dtypes)
        for name, key in self._keys.items():
            if _family(own[name]) != _family(other[key]):
                raise config_error(
                    f"{self.label}: {name!r} is of type {own[name]}, {key!r} of {self.to} of type {other[key]}; "
                    "cast one of them before"
                )


def _family(kind: str) -> str:
    if kind.startswith("timestamp"):
        return "timestamp"
    return "number" if kind.startswith(_NUMBERS) else kind


def _count_keys(reference: DataFrame, keys: int) -> tuple[int, int]:
    """Rows of the reference, and whole keys that occur more than once."""
    from pyspark.sql import functions as F

    names = [f"{_KEY}{place}" for place in range(keys)]
    counted = reference.groupBy(*names).agg(F.count(F.lit(1)).alias(_ROWS))
    repeated: Column = reduce(and_, (F.col(name).isNotNull() for name in names), F.col(_ROWS) > 1)
    row = counted.agg(F.sum(_ROWS), F.sum(F.when(repeated, 1).otherwise(0))).first()
    return (int(row[0] or 0), int(row[1] or 0)) if row is not None else (0, 0)
