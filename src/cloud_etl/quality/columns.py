"""Make sure that the columns a check names are there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def require(frame: DataFrame, names: Iterable[str], label: str) -> None:
    """Make sure that a check's columns are in the frame.

    Raises:
        ConfigError: one is not; names the nearest.
    """
    known = frame.columns
    problems = [
        Problem(f"check {label}: there is no column {name!r} at the quality gate{did_you_mean(name, known)}")
        for name in names
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
