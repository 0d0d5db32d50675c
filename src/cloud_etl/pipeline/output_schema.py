"""Schemas of a pipeline's outputs, as the engine derives them from a frame; no row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.domain.schema import REFUSED, ROW_ID, ROWS_FOLDED, Column, ColumnType, Schema
from cloud_etl.engines.marked_frame import FATE, column
from cloud_etl.errors import TargetError, at
from cloud_etl.transform.aggregation import folded

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from cloud_etl.domain.spec import OutputSpec, PipelineSpec

# Spark's names for what a contract calls otherwise, or stores in the next wider type; as in the footers.
_CONTRACT_NAMES = {
    "tinyint": "integer", "smallint": "integer", "int": "integer", "float": "double", "timestamp_ntz": "timestamp",
}  # fmt: skip


def output_schemas(spec: PipelineSpec, frame: DataFrame, contract: Schema) -> dict[str, Schema]:
    """Schema of each output of a pipeline.

    Args:
        spec: the pipeline.
        frame: what its steps and checks give, with or without rows.
        contract: its json columns are text in frames and json in the schemas.

    Raises:
        ConfigError: the engine refuses an output.
        TargetError: a column has a type that no table takes.
    """
    rows = frame.drop(FATE, ROW_ID, REFUSED)
    schemas = {}
    for number, output in enumerate(spec.outputs):
        with at("outputs", number):
            schemas[output.name] = _schema_of(_shaped(output, rows), contract)
    return schemas


def _shaped(output: OutputSpec, frame: DataFrame) -> DataFrame:
    """The frame that an output would publish."""
    if output.aggregate is not None:
        return folded(frame, output.aggregate, output.name).drop(ROWS_FOLDED)
    return frame.select(*(column(name) for name in output.columns)) if output.columns else frame


def _schema_of(frame: DataFrame, contract: Schema) -> Schema:
    json = {(column.name, "string") for column in contract.columns if column.type.kind == "json"}
    return Schema(
        tuple(
            Column(name, ColumnType("json") if (name, kind) in json else _contract_type(name, kind))
            for name, kind in frame.dtypes
        )
    )


def _contract_type(name: str, kind: str) -> ColumnType:
    try:
        return ColumnType.parse(_CONTRACT_NAMES.get(kind, kind))
    except ValueError:
        raise TargetError(
            f"column {name} has type {kind}, which no table takes. "
            "Cast it in transform (nested columns to json text with to_json), or leave it out with columns."
        ) from None
