"""Change the type of columns: cast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloud_etl.domain.spec import TypeField
from cloud_etl.engines.dialect import rounded
from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import Fate, column
from cloud_etl.transform.columns import Columns, checked, refuse_reserved, require
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from cloud_etl.domain.schema import ColumnType, Kind
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext

# Wide enough to hold any 64-bit integer and to show digits that a narrower type would lose.
_EXACT = "decimal(38,18)"
_DIGITS = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
# Texts in lower case that both engines read alike.
_FORMS: Mapping[Kind, str] = {
    "decimal": rf"\A[ \t\r\n]*{_DIGITS}[ \t\r\n]*\z",
    "double": rf"\A[ \t\r\n]*(?:{_DIGITS}(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?|nan)[ \t\r\n]*\z",
    "date": r"\A[ \t\r\n]*[0-9]{4}-[0-9]{2}-[0-9]{2}[ \t\r\n]*\z",
}


class Cast(Step):
    """Give columns another type. A value that does not fit takes its row out; it never becomes NULL unseen.

    Status rejected, reason `cast.<column>`; the quarantine has the value as it was. A value fits when it can be read as
    the new type without losing digits: 12.0 fits integer, 12.5 does not; 1.239 does not fit decimal(12,2). From double
    to decimal is rounded, by the digits that the double is written with.
    """

    kind: ClassVar[str] = "cast"
    wrap: ClassVar[str] = "types"
    types: Mapping[str, TypeField] = Field(min_length=1, description="Column: its new type.")

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Mark rows whose value does not fit, then change the type."""
        from pyspark.sql import functions as F

        checked(frame, self.types, self.label)
        for name, target in self.types.items():
            source = dict(frame.frame.dtypes)[name]
            value = _read(context.session, column(name), source, target)
            misfit = column(name).isNotNull() & (value.isNull() | _loses_digits(column(name), value, source, target))
            with analysis_errors(f"{self.label}.{name}", frame.columns):
                _ = frame.frame.select(value).schema
            demand = f"{name} as {target}, without a digit lost"
            frame = frame.refuse(
                misfit, Fate(self.label, "rejected", f"{self.kind}.{name}", name, demand), column(name)
            )
            # A name of its own for the condition's column: mark has read the old value by now.
            frame = frame.changed(frame.frame.withColumn(name, F.when(frame.alive, value)), [name])
        return frame

    def columns_after(self, columns: Columns) -> Columns:
        """The columns with their new types."""
        require(self.types, columns, self.label)
        refuse_reserved(self.types, self.label)
        return {**columns, **self.types}


def _read(session: SparkSession, value: Column, source: str, target: ColumnType) -> Column:
    """The value in its new type, NULL where it does not fit.

    Engines read more than digits as a number (1e2, 1.5d) and more than a date as a date, and not the same.
    """
    from pyspark.sql import functions as F

    if source == "double" and target.kind == "decimal":
        return rounded(session, value, target.spark)
    read = value.try_cast(target.spark)
    form = _FORMS.get(target.kind) if source == "string" else None
    return read if form is None else F.when(F.lower(value).rlike(form), read)


def _loses_digits(old: Column, new: Column, source: str, target: ColumnType) -> Column:
    """Whether a value that could be read as the new type is not the value it was."""
    from pyspark.sql import functions as F

    numeric = source.startswith("decimal") or source in ("double", "float")
    if target.kind in ("integer", "bigint") and numeric:
        return new.cast("double" if source in ("double", "float") else _EXACT) != old
    if target.kind in ("integer", "bigint", "decimal") and (source == "string" or source.startswith("decimal")):
        return F.coalesce(new.cast(_EXACT) != old.try_cast(_EXACT), F.lit(False))
    return F.lit(False)
