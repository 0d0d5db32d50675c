"""What warehouses write differently in SQL; what they share is written once, in ddl.py and modes.py."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from cloud_etl.errors import TargetError

if TYPE_CHECKING:
    from cloud_etl.domain.schema import Column
    from cloud_etl.domain.spec import LoadSpec


class Dialect(ABC):
    """The words of one warehouse.

    Attributes:
        merges: upsert is a MERGE; else rows are deleted and inserted.
        batch_is_table: the relation with the batch's rows is a table, which may be read more than once for little.
        text_type: type of a text of up to 64 KB, for the tables that cloud-etl keeps itself.
    """

    merges: ClassVar[bool] = False
    batch_is_table: ClassVar[bool] = False
    text_type: ClassVar[str]
    json_type: ClassVar[str]

    @abstractmethod
    def type_name(self, column: Column) -> str:
        """The type of a new column."""

    @abstractmethod
    def change_type(self, table: str, column: str, native: str, type_name: str) -> str:
        """What it takes to give a column another type than the native one it has; table and column are quoted."""

    @abstractmethod
    def differs(self, column: Column, left: str, right: str) -> str:
        """Condition: the column has another value in one relation than in the other; NULL and NULL are equal."""

    def widened(self, found: Column, width: int | None, wanted: Column) -> str | None:
        """The type that an existing text column needs for longer values; None where they fit.

        Args:
            found: the column as it is.
            width: bytes it holds, or None where there is no limit.
            wanted: the column of the output.
        """
        return None

    def can_widen(self, found: Column, wanted: Column) -> bool:
        """Whether a column may be given a wider type in place."""
        return True

    def column_options(self, spec: LoadSpec, column: str) -> str:
        """What stands between the type and NOT NULL, with a leading blank."""
        return ""

    def table_options(self, spec: LoadSpec) -> str:
        """What stands behind the columns, with a leading blank."""
        return ""

    def comments(self, spec: LoadSpec, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Statements that put comments on a new table and its columns."""
        return ()


def quote(identifier: str) -> str:
    """The identifier in double quotes, whatever it holds.

    Raises:
        TargetError: it is empty or holds NUL, which no warehouse takes.
    """
    if not identifier or "\0" in identifier:
        raise TargetError(f"{identifier!r} cannot be the name of a table or a column; rename it")
    return '"' + identifier.replace('"', '""') + '"'


def qualified(table: str) -> str:
    """`schema.table` with both parts quoted."""
    schema, name = table.split(".", 1)
    return f"{quote(schema)}.{quote(name)}"
