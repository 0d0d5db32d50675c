"""How stages tell what they are doing; the command line draws it, the library stays silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloud_etl.domain.run import Phase


class Progress(Protocol):
    """Listener of a run; every method may be called from any thread and returns at once."""

    def phase(self, pipeline: str, phase: Phase) -> None:
        """A pipeline enters a phase."""

    def files(self, count: int, size_bytes: int) -> None:
        """The phase will go through that many files."""

    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None:
        """A file is that far: stored bytes done, records read so far."""


class NoProgress:
    """A listener that ignores everything."""

    def phase(self, pipeline: str, phase: Phase) -> None:
        """Ignore it."""

    def files(self, count: int, size_bytes: int) -> None:
        """Ignore it."""

    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None:
        """Ignore it."""
