"""How much one source file may come to: bounds for files that were made, or went wrong, to be enormous."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from cloud_etl.domain.resources import MIB, bytes_of
from cloud_etl.domain.spec_model import SpecModel

# Small files may unpack to many times their size; only beyond these does it matter how many. Values of Parquet repeat
# by reference, and honestly more often than text does.
_TEXT_FREE_BYTES, _VALUES_FREE_BYTES = 1024 * MIB, 4096 * MIB


class LimitsSpec(SpecModel):
    """Bounds for each file of a source; one that meets a bound is refused whole."""

    expanded: str | None = Field(
        "1000GB",
        pattern=r"^\d+(MB|GB)$",
        examples=["20GB"],
        description="Most bytes that a packed file may unpack to, or that the values of a Parquet file may come to; "
        "null for no bound.",
    )
    ratio: int | None = Field(
        250,
        ge=1,
        description="Most bytes that a packed or Parquet file may give for each byte that is stored; looked at beyond "
        "1GB of text and 4GB of Parquet values, as small files may repeat as they like. null for no bound.",
    )
    rejects: int | None = Field(
        1_000_000, ge=1, description="Most records of a file that the reader may refuse; null for no bound."
    )

    def for_text(self, stored_bytes: int) -> ExpandedLimit | None:
        """The bound of a packed text file."""
        return self._bound(stored_bytes, _TEXT_FREE_BYTES)

    def for_values(self, stored_bytes: int) -> ExpandedLimit | None:
        """The bound of a Parquet file."""
        return self._bound(stored_bytes, _VALUES_FREE_BYTES)

    def _bound(self, stored_bytes: int, free_bytes: int) -> ExpandedLimit | None:
        bounds = []
        if self.expanded is not None:
            size = bytes_of(self.expanded)
            bounds.append(ExpandedLimit(size, f"the bound is source.limits.expanded: {self.expanded}"))
        if self.ratio is not None:
            saying = f"{self.ratio} times its {stored_bytes:,} stored bytes are allowed by source.limits.ratio"
            bounds.append(ExpandedLimit(max(free_bytes, self.ratio * stored_bytes), saying))
        return min(bounds, key=lambda bound: bound.size_bytes, default=None)


@dataclass(frozen=True, slots=True)
class ExpandedLimit:
    """How much a file may unpack to.

    Attributes:
        saying: which setting bounds it, for a message.
    """

    size_bytes: int
    saying: str
