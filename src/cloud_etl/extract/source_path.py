"""Where a pipeline's files are: placeholders filled, the store found, the glob read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from cloud_etl.domain.glob import Glob
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import SourceError
from cloud_etl.storage.keys import key_problem

if TYPE_CHECKING:
    from cloud_etl.domain.spec import SourceSpec
    from cloud_etl.storage.object_store import ObjectStore

_PLACEHOLDER = re.compile(r"\{(\w*)(?::([^{}]*))?\}")
# What a date has, and nothing that widens it: a width would be filled with zeros, a gigabyte of them where it says so.
_OF_DATES = re.compile(r"(?:[^%]|%-?[YymdjbBaAuwUWVGeFDhC%])*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """A folder to list and the names to take.

    Attributes:
        store: the environment's store, or one of its own for an absolute url.
        prefix: folder below the store's root, without a slash at its end.
        pattern: fits the path below the folder.
        expected: the part of prefix that must exist; folders named by date need not be there yet.
        dated: the folders named by date above a store of its own, with a slash at their end; else empty.
    """

    store: ObjectStore
    prefix: str
    pattern: Glob
    expected: str
    dated: str = ""


def source_place(source: SourceSpec, store: ObjectStore, run_date: date) -> SourcePlace:
    """Find the place of a source on a day.

    Raises:
        SourceError: the path is absolute without being a url, leaves the store, or has an unknown placeholder.
    """
    path = fill(source.path, run_date)
    expected = source.path.partition("{")[0].rpartition("/")[0] if "{" in source.path else path
    pattern = filled_glob(source.pattern, run_date)
    if "://" in path:
        place = store.elsewhere(path.rstrip("/"))
        dated = f"{path.removeprefix(expected).strip('/')}/" if "{" in source.path else ""
        return SourcePlace(place, "", pattern, "", dated)
    prefix, expected = _below(path), _below(expected)
    if path.startswith("/"):
        raise SourceError(f"source.path {path!r} is absolute. Write file://{path}, or a folder below {store.url}.")
    problem = key_problem(prefix) if prefix else None
    if problem is not None:
        raise SourceError(f"source.path {path!r} is refused: {problem}. Write a folder below {store.url}, or a url.")
    return SourcePlace(store, prefix, pattern, expected)


def fill(text: str, run_date: date) -> str:
    """Put the run's date into `{date}` (2026-01-31) and `{date:%Y/%m/%d}`.

    Raises:
        SourceError: there is another placeholder, or its format is none of a date.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] != "date":
            hint = did_you_mean(found[1], ("date",))
            raise SourceError(f"source: unknown placeholder {found[0]} in {text!r}{hint}")
        if not _OF_DATES.fullmatch(found[2] or ""):
            raise SourceError(
                f"source: {found[0]} in {text!r} is no format of a date; write for example {{date:%Y/%m/%d}}"
            )
        return run_date.strftime(found[2] or "%Y-%m-%d")

    return _PLACEHOLDER.sub(value, text)


def filled_glob(text: str, run_date: date) -> Glob:
    """The glob on file names of a day.

    Raises:
        SourceError: as `fill`, or it is longer than any path.
    """
    filled = fill(text, run_date)
    try:
        return Glob(filled)
    except ValueError as exc:
        raise SourceError(f"source.pattern: {exc}") from None


def _below(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))
