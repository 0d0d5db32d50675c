"""Clauses of a SELECT that PostgreSQL writes otherwise: TOP, MINUS, APPROXIMATE, and tables named with #."""

from __future__ import annotations

import itertools

from cloud_etl.local_aws.redshift.dialect.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    SPACE,
    WORD,
    Token,
    Tokens,
    closing,
    quote,
    significant,
    tokenize,
)

_NO_ALIAS = (
    ")", ",", ";", "WHERE", "GROUP", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "MINUS", "HAVING", "JOIN",
    "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "ON", "USING", "QUALIFY", "OFFSET", "WHEN",
)  # fmt: skip
_AFTER_CONDITION = ("", ")", "AND", "OR", "GROUP", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "MINUS", "HAVING")


def rewrite(tokens: Tokens) -> Tokens:
    """A statement with these clauses in PostgreSQL's words."""
    said = {token.upper for token in tokens}
    if any(one.kind == NUMBER and two.kind == WORD for one, two in itertools.pairwise(tokens)):
        tokens = _spaced_numbers(tokens)
    if any(token.kind == WORD and token.text[0] == "#" for token in tokens):
        tokens = _temporary(tokens)
    if "TOP" in said:
        tokens = _top(tokens)
    if "MINUS" in said:
        tokens = _minus(tokens)
    if "FROM" in said and "SELECT" in said:
        tokens = _subqueries(tokens)
    return _conditions(tokens) if "WHERE" in said else tokens


def _subqueries(tokens: Tokens) -> Tokens:
    """A name for each subquery in FROM that has none."""
    solid = significant(tokens)
    after = dict(itertools.pairwise(solid))
    ends = list[int]()
    for before, at in itertools.pairwise(solid):
        is_query = tokens[at].upper == "(" and tokens[after.get(at, at)].upper in ("SELECT", "WITH")
        if tokens[before].upper in ("FROM", "JOIN") and is_query:
            end = closing(tokens, at)
            following = tokens[after[end]] if end in after else Token(WORD, "")
            if not following.text or following.upper in _NO_ALIAS:
                ends.append(end)
    made = list(tokens)
    for number, end in reversed(list(enumerate(ends, 1))):
        made[end + 1 : end + 1] = tokenize(f" AS unnamed_subquery_{number}")
    return made


def _conditions(tokens: Tokens) -> Tokens:
    """A number as a whole condition, as in WHERE 1, is a truth value."""
    solid = significant(tokens)
    made = list(tokens)
    for index, at in enumerate(solid[:-1]):
        following = solid[index + 1]
        after = tokens[solid[index + 2]].upper if index + 2 < len(solid) else ""
        if tokens[at].upper == "WHERE" and tokens[following].kind == NUMBER and after in _AFTER_CONDITION:
            made[following] = Token(WORD, "false" if tokens[following].text == "0" else "true")
    return made


def _spaced_numbers(tokens: Tokens) -> Tokens:
    """A space between a number and the word that follows it at once, which PostgreSQL asks for."""
    made = Tokens()
    for token in tokens:
        made += [Token(SPACE, " ")] if made and made[-1].kind == NUMBER and token.kind == WORD else []
        made.append(token)
    return made


def _temporary(tokens: Tokens) -> Tokens:
    made = [Token(QUOTED, quote(t.text.lower())) if t.kind == WORD and t.text[0] == "#" else t for t in tokens]
    solid = significant(made)
    create_table = [made[at].upper for at in solid[:2]] == ["CREATE", "TABLE"]
    is_temporary = create_table and any(made[at].text.startswith('"#') for at in solid[2:6])
    return [*made[: solid[1]], *tokenize("TEMP "), *made[solid[1] :]] if is_temporary else made


def _top(tokens: Tokens) -> Tokens:
    """SELECT [DISTINCT] TOP n as a LIMIT at the end of that SELECT."""
    solid = significant(tokens)
    for index, at in enumerate(solid[:-1]):
        if tokens[at].upper == "TOP" and tokens[solid[index + 1]].kind in (NUMBER, PARAMETER) and index:
            before = tokens[solid[index - 1]].upper
            if before in ("SELECT", "DISTINCT", "ALL"):
                count = tokens[solid[index + 1]]
                rest = tokens[solid[index + 1] + 1 :]
                end = _end_of_select(rest)
                limit = [*tokenize(" LIMIT "), count]
                return [*tokens[:at], *rest[1 if rest[:1] and rest[0].kind == SPACE else 0 : end], *limit, *rest[end:]]
    return tokens


def _end_of_select(tokens: Tokens) -> int:
    depth = 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if depth < 0 or (depth == 0 and token.upper in ("UNION", "INTERSECT", "EXCEPT", "MINUS")):
            return at
    return len(tokens)


def _minus(tokens: Tokens) -> Tokens:
    """MINUS between two queries is EXCEPT."""
    solid = significant(tokens)
    made = list(tokens)
    for index, at in enumerate(solid[:-1]):
        if tokens[at].upper == "MINUS" and tokens[solid[index + 1]].upper in ("SELECT", "(", "WITH"):
            made[at] = Token(WORD, "EXCEPT")
    return made
