"""Sizes that bound the memory of the reader."""

from __future__ import annotations

from dataclasses import dataclass

from cloud_etl.domain.resources import MIB, Resources


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """Sizes that bound the reader's memory; results do not depend on them, but for files that do not fit them.

    Attributes:
        window_bytes: text that is cut into records at a time.
        segment_bytes: records that are cast and written together, about.
        threads: workers; the run's cores without.
        decode_bytes: what rows of Parquet may take while they are decoded.
    """

    window_bytes: int = 4 * MIB
    segment_bytes: int = 16 * MIB
    threads: int | None = None
    decode_bytes: int = 512 * MIB

    @classmethod
    def within(cls, resources: Resources) -> ReaderLimits:
        """The sizes that a bound on memory leaves room for."""
        segment = resources.segment_bytes
        return cls(min(4 * MIB, segment), segment, resources.cores, resources.decode_bytes)
