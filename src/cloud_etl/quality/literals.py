"""Values of a pipeline file as constants of a column's own type.

A bound that is compared in another type than the column's would be rounded, or fail half-way through the data:
each value is brought into the column's type before a row is read, or refused.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column
    from pyspark.sql.types import DataType

    from cloud_etl.domain.schema import Kind

Value = bool | int | float | datetime | date | str
Constant = bool | Decimal | float | str

_KINDS: dict[str, Kind] = {
    "string": "string", "char": "string", "varchar": "string",
    "byte": "bigint", "short": "bigint", "integer": "bigint", "long": "bigint",
    "float": "double", "double": "double", "decimal": "decimal", "boolean": "boolean",
    "date": "date", "timestamp": "timestamp", "timestamp_ntz": "timestamp",
}  # fmt: skip


def constant(value: Value, kind: Kind) -> Constant:
    """Bring a value into the type of a column; dates and timestamps become ISO text in UTC.

    Raises:
        ValueError: the value is not of that type; says how to write it.
    """
    if kind in ("integer", "bigint", "decimal", "double"):
        return _number(value, kind)
    if kind == "boolean":
        if isinstance(value, bool):
            return value
    elif kind == "date":
        return _date(value).isoformat()
    elif kind == "timestamp":
        return _timestamp(value).isoformat(" ", "microseconds")
    elif isinstance(value, str):
        return value
    # YAML reads NO as false and 01 as a number; a text column must be given text.
    hint = "; write it in quotes" if kind in ("string", "json") else ""
    raise ValueError(f"{value!r} does not fit a column of type {kind}{hint}")


def kind_of(data_type: DataType) -> Kind | None:
    """The contract's word for an engine's type; None for lists, structs and the like."""
    return _KINDS.get(data_type.typeName().partition("(")[0])


def literal(value: Value, data_type: DataType) -> Column:
    """A constant that compares with a column of that type without rounding either.

    Raises:
        ValueError: the value is not of that type, or the type has no constants.
    """
    from pyspark.sql import functions as F

    kind = kind_of(data_type)
    if kind is None:
        raise ValueError(f"a column of type {data_type.simpleString()} cannot be compared with {value!r}")
    typed = constant(value, kind)
    if kind in ("date", "timestamp"):
        # As text and cast: PySpark turns a datetime without a zone by the zone of this machine.
        return F.lit(typed).cast(data_type)
    return F.lit(typed)


def _number(value: Value, kind: Kind) -> Decimal | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number, the column's type is {kind}")
    if kind == "double":
        return float(value)
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} does not fit a column of type {kind}")
    return number


def _date(value: Value) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"{value!r} is not a date; write 2024-12-31")


def _timestamp(value: Value) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a timestamp; write 2024-12-31 23:59:59") from None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime.combine(value, time())
    raise ValueError(f"{value!r} is not a timestamp; write 2024-12-31 23:59:59")
