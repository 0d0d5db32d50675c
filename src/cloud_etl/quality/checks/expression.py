"""The check whose rule is written in SQL: expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.sql.integers import checked_arithmetic
from cloud_etl.engines.sql.readable import readable
from cloud_etl.errors import ConfigError, Problem
from cloud_etl.quality.port import GateContext, Prepared, RowCheck, Rule

if TYPE_CHECKING:
    from cloud_etl.engines.marked_frame import MarkedFrame


class Expression(RowCheck):
    """A boolean expression is true for the row. Unlike the other checks, a null answer fails."""

    kind: ClassVar[str] = "expression"
    that: str = Field(min_length=1, description="Boolean expression in Spark SQL over the columns of the row.")

    @property
    def expressions(self) -> tuple[str, ...]:
        """The expression."""
        return (self.that,)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """One rule, without columns: the expression names them."""
        return (Rule(self.label, (), self.that),)

    def prepare(self, marked: MarkedFrame, context: GateContext) -> Prepared:
        """A condition that is true where the expression is false or null."""
        from pyspark.sql import functions as F

        with analysis_errors(f"check {self.label}: {self.that!r}", marked.columns):
            that = readable(marked.frame.sparkSession, self.that, f"check {self.label}")
            found = marked.frame.select(F.expr(that).alias("that")).schema["that"].dataType
        if found.typeName() != "boolean":
            message = f"check {self.label}: {self.that!r} gives {found.simpleString()}, not true or false"
            raise ConfigError([Problem(message)])
        true = checked_arithmetic(marked.frame, that, f"check {self.label}")
        return Prepared(marked.frame, (~F.coalesce(true, F.lit(False)),))
