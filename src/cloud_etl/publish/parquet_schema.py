"""What Parquet footers say: rows and the contract's types, the same in every file of a publication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cloud_etl.domain.schema import LINEAGE, MAX_PRECISION, Column, ColumnType, Schema
from cloud_etl.errors import TargetError
from cloud_etl.storage import parquet_footers

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import FileMetaData

    from cloud_etl.domain.work_path import WorkPath


def footer(path: WorkPath) -> FileMetaData:
    """The footer of a Parquet file.

    Raises:
        TargetError: it cannot be read; the file is cut or is no Parquet file.
    """
    import pyarrow as pa

    try:
        return parquet_footers.footer(path)
    except (OSError, pa.ArrowInvalid) as exc:
        raise TargetError(f"{path} cannot be read as Parquet. Nothing was published. Run again.") from exc


def schema_of(paths: Sequence[WorkPath], hints: Schema) -> Schema:
    """The schema that all files share, without lineage columns; empty where there is no file.

    Args:
        paths: Parquet files.
        hints: the contract; its json columns are text in files and json in the schema.

    Raises:
        TargetError: the files differ, or a column has a type that no table takes.
    """
    json = {column.name for column in hints.columns if column.type.kind == "json"}
    schema: Schema | None = None
    for path, metadata in zip(paths, parquet_footers.for_each(footer, paths), strict=True):
        found = _read(metadata, json)
        if schema is None:
            schema = found
        elif [(c.name, c.type) for c in found.columns] != [(c.name, c.type) for c in schema.columns]:
            raise TargetError(
                f"{path.name} has other columns than the files beside it. Nothing was published. "
                "This is a fault of the engine: run again, or with another engine."
            )
    return schema or Schema(())


def _read(metadata: FileMetaData, json: set[str]) -> Schema:
    columns = []
    physical = {metadata.schema.column(i).path: metadata.schema.column(i) for i in range(len(metadata.schema))}
    for field in metadata.schema.to_arrow_schema():
        if field.name in LINEAGE:
            continue
        leaf = physical.get(field.name)
        type_ = ColumnType("timestamp") if leaf and leaf.physical_type == "INT96" else column_type(field.type)
        if type_ is None:
            raise TargetError(
                f"column {field.name} has type {field.type}, which no table takes. Nothing was published. "
                "Cast it in transform (nested columns to json text with to_json), or leave it out with columns."
            )
        if type_.kind == "string" and field.name in json:
            type_ = ColumnType("json")
        columns.append(Column(field.name, type_, leaf is None or leaf.max_definition_level > 0))
    return Schema(tuple(columns))


def column_type(arrow: pa.DataType) -> ColumnType | None:
    """The smallest type of the contract that holds every value of an Arrow type; None where there is none."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow):
        arrow = arrow.value_type
    if pa.types.is_decimal(arrow):
        fits = arrow.precision <= MAX_PRECISION and 0 <= arrow.scale <= arrow.precision
        return ColumnType("decimal", arrow.precision, arrow.scale) if fits else None
    if pa.types.is_timestamp(arrow):
        return ColumnType("timestamp") if arrow.unit in ("s", "ms", "us") else None
    return _simple_types().get(arrow)


def _simple_types() -> Mapping[pa.DataType, ColumnType]:
    import pyarrow as pa

    arrow_types = {
        "string": (pa.string(), pa.large_string(), pa.string_view()),
        "integer": (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16()),
        "bigint": (pa.int64(), pa.uint32()),
        "double": (pa.float32(), pa.float64()),
        "boolean": (pa.bool_(),),
        "date": (pa.date32(),),
    }
    return {arrow: ColumnType.parse(name) for name, types in arrow_types.items() for arrow in types}
