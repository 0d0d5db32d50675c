"""Where a pipeline's files are: placeholders filled, the store found, the glob made a pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.errors import SourceError
from cloud_etl.storage.keys import key_problem

if TYPE_CHECKING:
    from cloud_etl.domain.spec import SourceSpec
    from cloud_etl.storage.object_store import ObjectStore

_PLACEHOLDER = re.compile(r"\{(\w*)(?::([^{}]*))?\}")
_GLOB = re.compile(r"(?P<folders>\*\*/)|(?P<all>\*\*)|(?P<some>\*)|(?P<one>\?)|\[(?P<set>!?\]?[^\]/]*)\]")


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
    pattern: re.Pattern[str]
    expected: str
    dated: str = ""


def source_place(source: SourceSpec, store: ObjectStore, run_date: date) -> SourcePlace:
    """Find the place of a source on a day.

    Raises:
        SourceError: the path is absolute without being a url, leaves the store, or has an unknown placeholder.
    """
    path = fill(source.path, run_date)
    expected = source.path.partition("{")[0].rpartition("/")[0] if "{" in source.path else path
    pattern = glob_pattern(fill(source.pattern, run_date))
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
        SourceError: there is another placeholder.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] != "date":
            hint = did_you_mean(found[1], ("date",))
            raise SourceError(f"source: unknown placeholder {found[0]} in {text!r}{hint}")
        return run_date.strftime(found[2] or "%Y-%m-%d")

    return _PLACEHOLDER.sub(value, text)


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob on paths as a pattern for fullmatch: `*` and `?` stay in a folder, `**/` crosses any number, also none."""
    parts = []
    end = 0
    for found in _GLOB.finditer(glob):
        parts += [re.escape(glob[end : found.start()]), _part(found)]
        end = found.end()
    return re.compile("".join([*parts, re.escape(glob[end:])]), re.DOTALL)


def _part(found: re.Match[str]) -> str:
    fixed = {"folders": "(?:[^/]+/)*", "all": ".*", "some": "[^/]*", "one": "[^/]"}
    if found.lastgroup in fixed:
        return fixed[found.lastgroup]
    members = found["set"]
    if members in ("", "!"):
        return re.escape(found[0])
    negated = members.startswith("!")
    # All but the - of a range loses its special meaning.
    escaped = re.sub(r"[\\^\[\]&~|]", r"\\\g<0>", members.removeprefix("!"))
    return f"[^/{escaped}]" if negated else f"[{escaped}]"


def _below(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))
