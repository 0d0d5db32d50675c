"""The schema of a Parquet file against the table: number of columns, physical and logical types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from cloud_etl.local_aws.redshift.copy.failures import ScanError, ScanFault
from cloud_etl.local_aws.redshift.port import RedshiftError, SessionInfo

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from cloud_etl.local_aws.redshift.copy.objects import S3Address
    from cloud_etl.local_aws.redshift.copy.table import TableColumn, Target

_INCOMPATIBLE = _UNMATCHED = 15007
_PHYSICAL = {
    "int2": "INT32", "int4": "INT32", "int8": "INT64", "float4": "FLOAT", "float8": "DOUBLE", "bool": "BOOLEAN",
    "varchar": "BYTE_ARRAY", "char": "BYTE_ARRAY", "varbyte": "BYTE_ARRAY",
}  # fmt: skip
_TIME_UNITS = ("MILLIS", "MICROS")


class SchemaCheck:
    """Compares the files of one COPY with its table."""

    def __init__(self, target: Target, session: SessionInfo, *, fill_record: bool, to_json: bool) -> None:
        """Store what the table wants."""
        self._target = target
        self._session = session
        self._fill_record = fill_record
        self._to_json = to_json

    def check_super(self) -> None:
        """Refuse a table with SUPER columns where the statement lacks SERIALIZETOJSON."""
        if not self._to_json and any(column.type == "super" for column in self._target.columns):
            raise RedshiftError("SUPER column in COPY query requires SERIALIZETOJSON option")

    def check(self, metadata: pq.FileMetaData, schema: pa.Schema, address: S3Address) -> None:
        """Refuse a file whose columns do not fit.

        Raises:
            RedshiftError: unmatched number of columns, or an incompatible type; names file and column.
        """
        wanted, found = len(self._target.columns), len(schema)
        if found > wanted or (found < wanted and not self._fill_record):
            url = file_url(address, self._session)
            context = (
                f"Unmatched number of columns between table and file. Table columns: {wanted}, Data columns: {found}, "
                f"File name: {url}"
            )
            raise ScanError(self._session, ScanFault(_UNMATCHED, context, url))
        leaf = 0
        for column, field in zip(self._target.columns, schema, strict=False):
            leaves = _leaves(field.type)
            primitive = metadata.schema.column(leaf) if leaves == 1 and not pa.types.is_nested(field.type) else None
            if not (column.type == "super" or (primitive is not None and _fits(column, primitive, field.type))):
                raise self._incompatible(column, field, primitive, leaf, address)
            leaf += leaves

    def _incompatible(
        self, column: TableColumn, field: pa.Field, primitive: Any, place: int, address: S3Address
    ) -> RedshiftError:
        kind = str(field.type) if primitive is None else primitive.physical_type.lower()
        logical = _logical(primitive)
        shown = f"optional {kind} {field.name}" if field.nullable else f"required {kind} {field.name}"
        url = file_url(address, self._session)
        context = (
            f"File '{url}' has an incompatible Parquet schema for column '{address.uri}.{column.name}'. "
            f"Column type: {column.ddl}, Parquet schema:\\n{shown}{logical} [i:{place} d:1 r:0]"
        )
        return ScanError(self._session, ScanFault(_INCOMPATIBLE, context, url, column.name))


def file_url(address: S3Address, session: SessionInfo) -> str:
    """How Redshift's messages name a file."""
    return f"https://s3.{session.s3.region}.amazonaws.com/{address.bucket}/{quote(address.key)}"


def _leaves(kind: pa.DataType) -> int:
    if not pa.types.is_nested(kind):
        return 1
    return sum(_leaves(kind.field(place).type) for place in range(kind.num_fields))


def _logical(primitive: Any) -> str:
    if primitive is None:
        return ""
    text = str(primitive.logical_type)
    return "" if text == "None" else f" ({text})"


def _fits(column: TableColumn, primitive: Any, kind: pa.DataType) -> bool:
    """Whether a Parquet column can be scanned as the type of a table column."""
    physical = primitive.physical_type
    if column.type == "numeric":
        return _decimal_fits(column, primitive, kind)
    if column.type in ("timestamp", "timestamptz"):
        return physical == "INT96" or (
            physical == "INT64" and pa.types.is_timestamp(kind) and kind.unit in ("ms", "us")
        )
    if column.type == "date":
        return physical == "INT32" and bool(pa.types.is_date32(kind))
    if column.type == "time":
        return bool(pa.types.is_time(kind)) and kind.unit in ("ms", "us")
    if physical != _PHYSICAL.get(column.type):
        return False
    # A decimal, date or time under an integer is no integer; an unsigned one does not fit into the same width.
    whole = column.type in ("int2", "int4", "int8")
    return not whole or bool(pa.types.is_signed_integer(kind))


def _decimal_fits(column: TableColumn, primitive: Any, kind: pa.DataType) -> bool:
    if not pa.types.is_decimal(kind) or (kind.precision, kind.scale) != (column.precision, column.scale):
        return False
    if primitive.physical_type == "INT32":
        return column.precision <= 9
    if primitive.physical_type == "INT64":
        return column.precision <= 18
    return bool(primitive.physical_type == "BYTE_ARRAY" or primitive.length == _decimal_bytes(column.precision))


def _decimal_bytes(precision: int) -> int:
    """Least bytes of a two's complement that holds so many digits."""
    return int(10**precision).bit_length() // 8 + 1
