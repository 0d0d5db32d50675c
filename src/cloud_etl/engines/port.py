"""What an engine must offer: a PySpark session and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyspark.sql import SparkSession

    from cloud_etl.domain.environment import EngineSpec


class Engine(Protocol):
    """A backend module of `cloud_etl.engines` has a class `Engine` with these three methods.

    A constructor stores; `start` connects.
    """

    def __init__(
        self, spec: EngineSpec, cores: int, scratch: Path, store_settings: Mapping[str, str] | None = None
    ) -> None:
        """Store the settings.

        Args:
            spec: which engine, its memory and its own settings.
            cores: threads the engine may use.
            scratch: where the engine may spill.
            store_settings: how Hadoop's S3 client reaches the store, for an engine whose workers read it themselves.
        """

    def start(self) -> SparkSession:
        """Start the engine and give a session in UTC with ANSI mode on.

        Raises:
            EngineError: it cannot be started; the message says what is missing and how to get it.
        """

    def fit(self, size_bytes: int) -> None:
        """Prepare for input of that many bytes of Parquet; may be called before each pipeline."""

    def abandon(self) -> None:
        """Make the calls that are under way fail, from another thread; the engine is of no use after it."""

    def stop(self) -> None:
        """Stop the engine and free what it holds; calling it twice is harmless."""
