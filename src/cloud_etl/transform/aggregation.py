"""Fold rows into groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.domain.schema import ROWS_FOLDED
from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import column
from cloud_etl.engines.sql.integers import checked_together
from cloud_etl.engines.sql.readable import readable
from cloud_etl.transform.columns import config_error, refuse_reserved, require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

    from cloud_etl.domain.spec import AggregateSpec


def folded(frame: DataFrame, spec: AggregateSpec, label: str) -> DataFrame:
    """One row per group: its columns, the metrics, and `_rows_folded`, the number of rows in it.

    A missing value in a group column makes a group of its own, so no row is lost. Without group columns all rows are
    one group, which is there even when there are no rows.

    Args:
        frame: the rows to fold; other columns than those named are not read.
        spec: group columns and metrics in Spark SQL.
        label: what asks for it, for messages.

    Raises:
        ConfigError: a column is not there, a name is taken, or a metric does not fold rows.
    """
    from pyspark.sql import functions as F

    try:
        require(spec.group_by, frame.columns, label)
        refuse_metric_names(spec, label)
    except ValueError as exc:
        raise config_error(str(exc)) from None
    with analysis_errors(label, frame.columns):
        metrics = _metrics(frame, spec.metrics, label)
        groups = frame.groupBy(*(column(name) for name in spec.group_by))
        result = groups.agg(*metrics, F.count(F.lit(1)).alias(ROWS_FOLDED))
        _ = result.schema
    return result


def refuse_metric_names(spec: AggregateSpec, label: str) -> None:
    """Make sure that groups and metrics have names of their own.

    Raises:
        ValueError: a name is reserved or there twice.
    """
    refuse_reserved([*spec.group_by, *spec.metrics], label)
    for name in spec.metrics:
        if name in spec.group_by:
            raise ValueError(f"{label}: {name!r} is a group column and a metric; rename one of them")


def _metrics(frame: DataFrame, metrics: Mapping[str, str], label: str) -> list[Column]:
    from pyspark.sql import functions as F

    expressions = [readable(frame.sparkSession, expression, label) for expression in metrics.values()]
    for expression in expressions:
        _ = frame.agg(F.expr(expression)).schema
    made = checked_together(frame, expressions, label)
    return [value.alias(name) for name, value in zip(metrics, made, strict=True)]
