"""Which pipelines a person means: by name, by tag, with those they read or those that read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.errors import UsageError
from cloud_etl.pipeline.order import in_order, upstream

_WORD = re.compile(r"(?P<above>\+?)(?P<tag>tag:)?(?P<name>[^+]+)(?P<below>\+?)")


def select(words: Iterable[str], exclude: Iterable[str], pipelines: Mapping[str, PipelineSpec]) -> tuple[str, ...]:
    """All that one of the words names, without what one of the others names, each after those it reads.

    A word is a name or `tag:` and a tag; `+` before it adds all that these read, `+` behind it all that read them.

    Raises:
        UsageError: a word names no pipeline, or nothing is left.
    """
    reads = {name: upstream(name, pipelines) for name in pipelines}
    wanted, left_out = _meant(words, pipelines, reads), _meant(exclude, pipelines, reads)
    if not wanted - left_out:
        raise UsageError("no pipeline is left of those selected: all of them are excluded")
    return in_order(wanted - left_out, pipelines)


def _meant(
    words: Iterable[str], pipelines: Mapping[str, PipelineSpec], reads: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    read_by = {name: frozenset(other for other in reads if name in reads[other]) for name in reads}
    meant: frozenset[str] = frozenset()
    for word in words:
        found = _WORD.fullmatch(word)
        if found is None:
            raise UsageError(
                f"{word!r} selects nothing: write a name or tag:TAG, with + before it for all that it reads, and + "
                "behind it for all that read it"
            )
        names = _tagged(found["name"], pipelines) if found["tag"] else _named(found["name"], pipelines)
        above = _reached(names, reads) if found["above"] else names
        meant |= above | (_reached(names, read_by) if found["below"] else names)
    return meant


def _named(name: str, pipelines: Mapping[str, PipelineSpec]) -> frozenset[str]:
    if name in pipelines:
        return frozenset({name})
    tags = {tag for spec in pipelines.values() for tag in spec.tags}
    hint = f"; the tag is written tag:{name}" if name in tags else did_you_mean(name, pipelines)
    raise UsageError(f"no pipeline is named {name!r}{hint}")


def _tagged(tag: str, pipelines: Mapping[str, PipelineSpec]) -> frozenset[str]:
    names = frozenset(name for name, spec in pipelines.items() if tag in spec.tags)
    if not names:
        hint = did_you_mean(tag, (one for spec in pipelines.values() for one in spec.tags))
        raise UsageError(f"no pipeline has the tag {tag!r}{hint or '; none has tags'}")
    return names


def _reached(names: frozenset[str], graph: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """These, and all that can be reached from them."""
    found, new = names, names
    while new:
        new = frozenset(other for name in new for other in graph[name]) - found
        found |= new
    return found
