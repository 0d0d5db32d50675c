"""Columns of a frame by their exact name, whatever characters it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def column(name: str) -> Column:
    """The column of that name; dots and blanks in it are part of the name."""
    from pyspark.sql import functions as F

    return F.col("`" + name.replace("`", "``") + "`")


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
