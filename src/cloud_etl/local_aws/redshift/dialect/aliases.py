"""Lateral aliases: a name given in a SELECT list and used again in that list or in WHERE.

A column of that name comes first, and only PostgreSQL knows the columns. So a query that may use one is prepared on
trial, and what PostgreSQL does not find is written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloud_etl.local_aws.redshift.dialect.tokens import Token, Tokens, raw, significant, sql_of, tokenize

_UNKNOWN_COLUMN = re.compile(r'^column "(.+)" does not exist$')
_LIST_ENDS = ("FROM", "WHERE", "UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", ")")
_WHERE_ENDS = ("GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "INTERSECT", "EXCEPT", ")", ";")


@dataclass(frozen=True, slots=True)
class _Select:
    """One SELECT: its aliases with their expressions, and the places where they may be used."""

    aliases: dict[str, str]
    places: tuple[tuple[int, int], ...]


def may_use(tokens: Tokens) -> bool:
    """Whether some name of a SELECT list is used again where PostgreSQL would not look for it."""
    return any(True for select in _selects(tokens) for _ in _uses(tokens, select, None))


def unknown_column(message: str) -> str | None:
    """The column that an error of PostgreSQL's does not find."""
    found = _UNKNOWN_COLUMN.match(message)
    return found.group(1) if found else None


def written_out(sql: str, name: str) -> str | None:
    """The query with the uses of an alias replaced by what it stands for; None when it stands nowhere."""
    tokens = tokenize(sql)
    changes = {at: select.aliases[name] for select in _selects(tokens) for at in _uses(tokens, select, name)}
    if not changes:
        return None
    return sql_of([raw(f"({changes[at]})") if at in changes else token for at, token in enumerate(tokens)])


def _selects(tokens: Tokens) -> Iterator[_Select]:
    for start in significant(tokens):
        if tokens[start].upper == "SELECT":
            end = _until(tokens, start + 1, _LIST_ENDS)
            aliases = dict(_aliases(tokens, start + 1, end))
            where = _until(tokens, end, ("WHERE", *_WHERE_ENDS))
            places = [(start + 1, end)]
            if where < len(tokens) and tokens[where].upper == "WHERE":
                places.append((where + 1, _until(tokens, where + 1, _WHERE_ENDS)))
            if aliases:
                yield _Select(aliases, tuple(places))


def _until(tokens: Sequence[Token], at: int, ends: Sequence[str]) -> int:
    depth = 0
    while at < len(tokens):
        word = tokens[at].upper
        if depth == 0 and word in ends:
            return at
        depth += {"(": 1, ")": -1}.get(word, 0)
        at += 1
    return at


def _aliases(tokens: Tokens, start: int, end: int) -> Iterator[tuple[str, str]]:
    begin = start
    while begin < end:
        item_end = min(_until(tokens, begin, (",",)), end)
        solid = [at for at in significant(tokens) if begin <= at < item_end]
        if len(solid) > 2 and tokens[solid[-2]].upper == "AS" and tokens[solid[-1]].is_name:
            yield tokens[solid[-1]].name, sql_of(tokens[solid[0] : solid[-2]]).strip()
        begin = item_end + 1


def _uses(tokens: Tokens, select: _Select, name: str | None) -> Iterator[int]:
    for start, end in select.places:
        solid = [at for at in significant(tokens) if start <= at < end]
        for index, at in enumerate(solid):
            token = tokens[at]
            before = tokens[solid[index - 1]].upper if index else ""
            after = tokens[solid[index + 1]].upper if index + 1 < len(solid) else ""
            is_alone = before not in (".", "AS", "::") and after not in (".", "(")
            if token.is_name and token.name in select.aliases and name in (None, token.name) and is_alone:
                yield at
