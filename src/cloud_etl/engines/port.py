"""What an engine must offer: a PySpark session and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from cloud_etl.domain.spec import EngineSpec


class Engine(Protocol):
    """A backend module of `cloud_etl.engines` has a class `Engine` with these two methods.

    A constructor stores; `start` connects.
    """

    def __init__(self, spec: EngineSpec, cores: int, scratch: Path) -> None:
        """Store the settings; scratch is where the engine may spill."""

    def start(self) -> SparkSession:
        """Start the engine and give a session in UTC with ANSI mode on.

        Raises:
            EngineError: it cannot be started; the message says what is missing and how to get it.
        """

    def stop(self) -> None:
        """Stop the engine and free what it holds; calling it twice is harmless."""
