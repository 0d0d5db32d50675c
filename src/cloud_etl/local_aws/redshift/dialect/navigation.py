"""Navigation into SUPER columns: `order.items[0].price` as PostgreSQL's subscripts of jsonb.

What is a table and what a column is decided by the text alone: a name that no FROM, JOIN, UPDATE, INTO or USING of the
statement introduces is a column, and the names after it lead into its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_etl.local_aws.redshift.dialect.tokens import (
    QUOTED,
    WORD,
    Token,
    Tokens,
    literal,
    significant,
    sql_of,
    tokenize,
)

_INTRODUCE = ("FROM", "JOIN", "UPDATE", "INTO", "USING", "TABLE", "DELETE", "LATERAL", "ONLY", "MERGE", "VIEW")
_NOT_A_COLUMN = ("PG_CATALOG", "INFORMATION_SCHEMA", "REDSHIFT_CATALOG", "EXCLUDED", "NEW", "OLD", "PG_TEMP")
_NOT_AN_ALIAS = (
    "SELECT", "WHERE", "ON", "SET", "GROUP", "ORDER", "LEFT", "RIGHT", "INNER", "FULL", "CROSS", "JOIN", "AS", "USING",
    "WHEN", "LIMIT", "UNION", "VALUES", "NATURAL", "HAVING",
)  # fmt: skip
_TEXT_TYPES = ("VARCHAR", "CHAR", "TEXT", "CHARACTER", "NVARCHAR", "BPCHAR")


@dataclass(frozen=True, slots=True)
class _Chain:
    """Names joined by dots: where they begin and end, and the names."""

    start: int
    end: int
    names: tuple[str, ...]


def rewrite(tokens: Tokens) -> Tokens:
    """A statement with its navigations as subscripts; the same tokens when there are none."""
    if not any(token.upper == "." for token in tokens):
        return tokens
    solid = significant(tokens)
    chains = _chains(tokens, solid)
    tables = _tables(tokens, solid, chains)
    changes = {
        chain.start: (chain.end, made)
        for chain in chains
        if not _is_introduced(tokens, solid, chain) and (made := _subscripts(tokens, chain, tables)) is not None
    }
    if not changes:
        return tokens
    result, at = Tokens(), 0
    while at < len(tokens):
        if at in changes:
            end, made = changes[at]
            result += made
            at = end + 1
        else:
            result.append(tokens[at])
            at += 1
    return result


def _chains(tokens: Tokens, solid: Sequence[int]) -> list[_Chain]:
    """Every name that is not itself behind a dot, with the names, and subscripts, that follow it at once."""
    found = list[_Chain]()
    index = 0
    while index < len(solid):
        at = solid[index]
        if not tokens[at].is_name:
            index += 1
            continue
        names, last = [tokens[at].name], index
        while last + 2 < len(solid) and (step := _step(tokens, solid, last)):
            names += [tokens[solid[last + 2]].name] if step == 2 else []
            last += step
        if last + 1 >= len(solid) or tokens[solid[last + 1]].upper != "(":
            found.append(_Chain(at, solid[last], tuple(names)))
        index = last + 1
    return found


def _step(tokens: Tokens, solid: Sequence[int], last: int) -> int:
    following = tokens[solid[last + 1]].upper
    if following == "." and tokens[solid[last + 2]].is_name:
        return 2
    closes = last + 3 < len(solid) and tokens[solid[last + 3]].upper == "]"
    return 3 if following == "[" and closes else 0


def _is_introduced(tokens: Tokens, solid: Sequence[int], chain: _Chain) -> bool:
    index = solid.index(chain.start)
    return index > 0 and tokens[solid[index - 1]].upper in _INTRODUCE


def _tables(tokens: Tokens, solid: Sequence[int], chains: Sequence[_Chain]) -> set[tuple[str, ...]]:
    """The tables a statement names, the names they get, and every alias: none of them is a column."""
    found: set[tuple[str, ...]] = set()
    in_from, outer = False, list[bool]()
    by_start = {chain.start: chain for chain in chains}
    for index, at in enumerate(solid):
        word, before = tokens[at].upper, tokens[solid[index - 1]] if index else Token(WORD, "")
        if word == "(":
            outer.append(in_from)
        elif word == ")" and outer:
            in_from = outer.pop()
        elif word in _INTRODUCE:
            in_from = True
        elif word in ("WHERE", "SELECT", "SET", "ON", "GROUP", "ORDER", "WHEN", "VALUES"):
            in_from = False
        named = at in by_start and (before.upper in (*_INTRODUCE, "AS") or (in_from and before.upper == ","))
        alias = in_from and tokens[at].is_name and word not in _NOT_AN_ALIAS and (before.is_name or before.upper == ")")
        if named or alias:
            chain = by_start.get(at)
            names = chain.names if chain else (tokens[at].name,)
            found |= {names, names[-1:], names[-2:]}
    return found


def _subscripts(tokens: Tokens, chain: _Chain, tables: set[tuple[str, ...]]) -> Tokens | None:
    names = chain.names
    if len(names) < 2 or names[0].upper() in _NOT_A_COLUMN:
        return None
    table_parts = next((size for size in (3, 2, 1) if names[:size] in tables), 0)
    if len(names) <= table_parts + 1:
        return None
    made, place = Tokens(), 0
    pieces = [
        token for token in tokens[chain.start : chain.end + 1] if token.kind in (WORD, QUOTED) or token.text.strip()
    ]
    for index, token in enumerate(pieces):
        behind_a_dot = index > 0 and pieces[index - 1].upper == "."
        if token.upper == "." and place > table_parts:
            continue
        made += tokenize(f"[{literal(token.name)}]") if behind_a_dot and place > table_parts else [token]
        place += token.is_name
    following = [token.upper for token in tokens[chain.end + 1 : chain.end + 4] if token.text.strip()]
    if following[:1] == ["::"] and following[1:2] and following[1] in _TEXT_TYPES:
        return tokenize(f"redshift_catalog.json_text({sql_of(made)})")
    return made
