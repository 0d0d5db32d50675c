"""Steps on the set of columns: rename, select and drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloud_etl.engines.marked_frame import column
from cloud_etl.transform.columns import Columns, checked, refuse_reserved, refuse_twins, require
from cloud_etl.transform.port import Step

if TYPE_CHECKING:
    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext


class Rename(Step):
    """Give columns other names; all at once, so two may swap theirs."""

    kind: ClassVar[str] = "rename"
    wrap: ClassVar[str] = "names"
    names: Mapping[str, str] = Field(min_length=1, description="Old name: new name.")

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Rename; what was proven of a column stays proven under its new name."""
        checked(frame, self.names, self.label)
        columns = [column(name).alias(self.names.get(name, name)) for name in frame.columns]
        renamed = frame.frame.select(*columns, *frame.marks)
        keys = tuple(frozenset(self.names.get(name, name) for name in key) for key in frame.unique_keys)
        return replace(frame, frame=renamed, unique_keys=keys)

    def columns_after(self, columns: Columns) -> Columns:
        """The columns in their order, with their new names."""
        require(self.names, columns, self.label)
        refuse_reserved([*self.names, *self.names.values()], self.label)
        after = [self.names.get(name, name) for name in columns]
        for name in self.names.values():
            if after.count(name) > 1:
                raise ValueError(f"{self.label}: there would be two columns named {name!r}; drop or rename the other")
        refuse_twins(after, self.label)
        return dict(zip(after, columns.values(), strict=True))


class Select(Step):
    """Keep these columns, in this order."""

    kind: ClassVar[str] = "select"
    wrap: ClassVar[str] = "columns"
    columns: tuple[str, ...] = Field(min_length=1, description="Columns to keep.")

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Select the columns beside lineage and fate."""
        checked(frame, self.columns, self.label)
        return _keep(frame, self.columns)

    def columns_after(self, columns: Columns) -> Columns:
        """The named columns."""
        require(self.columns, columns, self.label)
        refuse_reserved(self.columns, self.label)
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"{self.label}: a column is named twice")
        return {name: columns[name] for name in self.columns}


class Drop(Step):
    """Leave these columns out."""

    kind: ClassVar[str] = "drop"
    wrap: ClassVar[str] = "columns"
    columns: tuple[str, ...] = Field(min_length=1, description="Columns to leave out.")

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Select the other columns."""
        checked(frame, self.columns, self.label)
        return _keep(frame, tuple(name for name in frame.columns if name not in self.columns))

    def columns_after(self, columns: Columns) -> Columns:
        """The other columns."""
        require(self.columns, columns, self.label)
        refuse_reserved(self.columns, self.label)
        left = {name: kind for name, kind in columns.items() if name not in self.columns}
        if not left:
            raise ValueError(f"{self.label}: no column would be left")
        return left


def _keep(frame: MarkedFrame, names: tuple[str, ...]) -> MarkedFrame:
    kept = frame.frame.select(*(column(name) for name in names), *frame.marks)
    return replace(frame, frame=kept, unique_keys=tuple(keys for keys in frame.unique_keys if keys <= set(names)))
