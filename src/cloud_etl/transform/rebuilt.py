"""A marked frame made anew after a step that may change the number of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.domain.schema import ROW_ID, ROWS_FOLDED
from cloud_etl.engines.marked_frame import FATE, MarkedFrame, column
from cloud_etl.transform.columns import config_error, refuse_reserved, refuse_twins, without_row_id

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def rebuilt(frame: DataFrame, label: str) -> MarkedFrame:
    """Take what a step gave as the rows that go on, all of them still in.

    `_row_id` stays where the step kept it, and is NULL (unknown) where it did not.

    Args:
        frame: the step's result; lazy.
        label: the step, for messages.

    Raises:
        ConfigError: a column has a reserved name or a name that is there twice, or there is no column.
    """
    from pyspark.sql import functions as F

    names = without_row_id(name for name in frame.columns if name != ROWS_FOLDED)
    try:
        refuse_reserved(names, label)
        refuse_twins(names, label)
    except ValueError as exc:
        raise config_error(str(exc)) from None
    if not names or len(set(names)) < len(names):
        raise config_error(f"{label} gives {'two columns of one name' if names else 'no column'}; name each one")
    kept = ROW_ID in frame.columns
    row_id = F.col(ROW_ID) if kept else F.lit(None)
    lineage = row_id.cast("bigint").alias(ROW_ID)
    whole = frame.select(*(column(name) for name in names), lineage, F.lit(0).alias(FATE))
    return MarkedFrame(whole, row_ids_unique=False)
