"""A query over the rows: sql."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from pydantic import Field

from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import FATE
from cloud_etl.engines.sql.queries import checked_query
from cloud_etl.engines.sql.readable import readable_query
from cloud_etl.transform.columns import Columns
from cloud_etl.transform.port import Step
from cloud_etl.transform.rebuilt import rebuilt

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext


class Sql(Step):
    """Go on with the result of a SELECT over the rows, which it knows as `input`.

    Rows before and after stand in the ledger. `input` also has `_row_id`, the row's place in its source file: a query
    that selects it keeps the way back to the raw line.
    """

    kind: ClassVar[str] = "sql"
    wrap: ClassVar[str] = "query"
    query: str = Field(min_length=1, description="SELECT in Spark SQL from the table `input`.")

    @property
    def barrier(self) -> bool:
        """Always."""
        return True

    @property
    def queries(self) -> tuple[str, ...]:
        """The query."""
        return (self.query,)

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Run the query, lazily."""
        # A view of its own for each step: the engine looks names up when the rows are computed, not here.
        view = f"input_{uuid4().hex}"
        query = self.query.strip().rstrip(";")
        with analysis_errors(self.label, frame.columns):
            frame.frame.drop(FATE).createTempView(view)
            query = readable_query(context.session, query, self.label)
            names = _result(context.session, query, view).columns
            query = checked_query(context.session, query, view, self.label)
            # A column without a name is called by its text, which may be another now.
            result = _result(context.session, query, view).toDF(*names)
            _ = result.schema
        return rebuilt(result, self.label)

    def columns_after(self, columns: Columns) -> Columns | None:
        """Known to the engine alone."""
        return None


def _result(session: SparkSession, query: str, view: str) -> DataFrame:
    # In brackets, so that it can be nothing but a query; the line end closes a trailing comment.
    return session.sql(f"WITH input AS (SELECT * FROM {view}) SELECT * FROM (\n{query}\n)")
