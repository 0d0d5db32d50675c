"""What a column of a Parquet file is, beyond its Arrow type, and which columns no type of the contract can take."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from cloud_etl.domain.schema import ColumnType

UUID_BYTES = 16
_EXTENSION_NAME = b"ARROW:extension:name"
# Extension types whose values are known; of any other only its storage is, which need not be what the value means.
_UUID, _JSON, _BOOLEAN = "arrow.uuid", "arrow.json", "arrow.bool8"


def refusal_of(field: pa.Field, logical: str, wanted: ColumnType) -> str | None:
    """Why nothing of a column can be read as a type of the contract.

    Args:
        field: the column.
        logical: its logical type in the file.
        wanted: its type in the contract.

    Returns:
        What it holds and what to do; None where its values can be read, or be refused one by one.
    """
    for name in _extension_names(field):
        if name not in (_UUID, _JSON, _BOOLEAN):
            return f"holds {name}, of which only its writer knows what a value means; write it as text, number or time"
    type_ = field.type
    if pa.types.is_fixed_size_binary(type_) and type_.byte_width != UUID_BYTES:
        shown = f"{type_} ({logical})" if logical != "None" else str(type_)
        return f"holds {shown}: bytes, which no type of the contract takes; write them as text"
    if pa.types.is_duration(type_) and wanted.kind not in ("string", "json"):
        return f"holds {type_}, a length of time, and the contract says {wanted}; declare string, or write a number"
    return None


def _extension_names(field: pa.Field) -> Iterator[str]:
    """The extension types of a column and of what is inside it, also of those that pyarrow does not know."""
    if isinstance(field.type, pa.BaseExtensionType):
        yield str(field.type.extension_name)
    elif name := (field.metadata or {}).get(_EXTENSION_NAME):
        yield name.decode("utf-8", "replace")
    if pa.types.is_nested(field.type):
        for place in range(field.type.num_fields):
            yield from _extension_names(field.type.field(place))


def plain(column: pa.Array) -> pa.Array:
    """The values of a column in a plain type: without dictionaries and extension types, in no view."""
    type_ = column.type
    if isinstance(type_, pa.BaseExtensionType):
        storage = column.storage
        return storage.cast(pa.bool_()) if type_.extension_name == _BOOLEAN else plain(storage)
    if pa.types.is_dictionary(type_):
        return plain(column.cast(type_.value_type))
    if pa.types.is_string_view(type_):
        return column.cast(pa.string())
    if pa.types.is_binary_view(type_):
        return column.cast(pa.binary())
    if pa.types.is_float16(type_):
        return column.cast(pa.float32())
    return column
