"""Rules on column names that all steps share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import LINEAGE, ROW_ID
from cloud_etl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from cloud_etl.domain.schema import ColumnType
    from cloud_etl.engines.marked_frame import MarkedFrame

_RESERVED_PREFIXES = ("_fate", "_partition_")

Columns = Mapping[str, "ColumnType | None"]


def require(names: Iterable[str], known: Iterable[str], label: str) -> None:
    """Make sure that columns are there.

    Raises:
        ValueError: one is not; the message has a "did you mean".
    """
    there = list(known)
    for name in names:
        if name not in there:
            raise ValueError(f"{label}: there is no column {name!r}{did_you_mean(name, there)}")


def refuse_reserved(names: Iterable[str], label: str) -> None:
    """Make sure that a step does not make or change a column that cloud-etl keeps for itself.

    Raises:
        ValueError: it does.
    """
    for name in names:
        if name.lower() in LINEAGE or name.lower().startswith(_RESERVED_PREFIXES):
            raise ValueError(f"{label}: the name {name!r} is kept for cloud-etl's own columns; choose another")


def refuse_twins(names: Iterable[str], label: str) -> None:
    """Make sure that no two columns have one name, where upper and lower case count as one, as they do in SQL.

    Raises:
        ValueError: two have.
    """
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise ValueError(f"{label}: the columns {twin!r} and {name!r} differ in case only; SQL takes them for one")


def checked(frame: MarkedFrame, names: Iterable[str], label: str) -> None:
    """`require` on the columns of a frame, at run time.

    Raises:
        ConfigError: a column is not there.
    """
    try:
        require(names, frame.columns, label)
    except ValueError as exc:
        raise config_error(str(exc)) from None


def config_error(message: str) -> ConfigError:
    """One finding that only the engine could make, as the configuration error it is; no row has been read."""
    return ConfigError([Problem(message)])


def without_row_id(names: Iterable[str]) -> tuple[str, ...]:
    """The names without the lineage column."""
    return tuple(name for name in names if name != ROW_ID)
