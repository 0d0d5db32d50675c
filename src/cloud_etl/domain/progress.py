"""How stages tell what they are doing; the command line draws it, the library stays silent."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from cloud_etl import interrupts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cloud_etl.domain.run import Phase


class Progress(Protocol):
    """Listener of a run; every method may be called from any thread and returns at once."""

    def of(self, pipeline: str) -> AbstractContextManager[Progress]:
        """A listener for one of the pipelines of a run, until it is through: several may be under way at once."""

    def phase(self, pipeline: str, phase: Phase) -> None:
        """A pipeline enters a phase."""

    def files(self, count: int, size_bytes: int) -> None:
        """The phase will go through that many files."""

    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None:
        """A file is that far: stored bytes done, records read so far."""

    def writes(self, paths: Sequence[Path]) -> None:
        """The phase writes these files, or below these folders; whoever wants to know how far it is looks there."""

    def tables(self, done: int, count: int) -> None:
        """So many of the tables that the phase fills are done."""


class NoProgress:
    """A listener that ignores everything."""

    def of(self, pipeline: str) -> AbstractContextManager[Progress]:
        """The same for all."""
        return nullcontext(self)

    def phase(self, pipeline: str, phase: Phase) -> None:
        """Ignore it."""

    def files(self, count: int, size_bytes: int) -> None:
        """Ignore it."""

    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None:
        """Ignore it."""

    def writes(self, paths: Sequence[Path]) -> None:
        """Ignore it."""

    def tables(self, done: int, count: int) -> None:
        """Ignore it."""


class Interruptible:
    """Passes on what it is told; each word of a stage is a place where it may be asked to end."""

    def __init__(self, listener: Progress) -> None:
        """Store who listens."""
        self._listener = listener

    def of(self, pipeline: str) -> AbstractContextManager[Progress]:
        """Pass it on."""
        return self._listener.of(pipeline)

    def phase(self, pipeline: str, phase: Phase) -> None:
        """Pass it on."""
        interrupts.check()
        self._listener.phase(pipeline, phase)

    def files(self, count: int, size_bytes: int) -> None:
        """Pass it on."""
        interrupts.check()
        self._listener.files(count, size_bytes)

    def file(self, key: str, done_bytes: int, size_bytes: int, rows: int) -> None:
        """Pass it on."""
        interrupts.check()
        self._listener.file(key, done_bytes, size_bytes, rows)

    def writes(self, paths: Sequence[Path]) -> None:
        """Pass it on."""
        interrupts.check()
        self._listener.writes(paths)

    def tables(self, done: int, count: int) -> None:
        """Pass it on."""
        interrupts.check()
        self._listener.tables(done, count)
