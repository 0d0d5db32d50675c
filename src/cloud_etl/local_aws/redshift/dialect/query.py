"""Clauses of a SELECT that PostgreSQL writes otherwise: TOP, MINUS, APPROXIMATE, and tables named with #."""

from __future__ import annotations

from cloud_etl.local_aws.redshift.dialect.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    SPACE,
    WORD,
    Token,
    Tokens,
    quote,
    significant,
    tokenize,
)

_AFTER_CONDITION = ("", ")", "AND", "OR", "GROUP", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "MINUS", "HAVING")


def rewrite(tokens: Tokens) -> Tokens:
    """A statement with these clauses in PostgreSQL's words."""
    said = {token.upper for token in tokens}
    if any(token.kind == WORD and token.text[0] == "#" for token in tokens):
        tokens = _temporary(tokens)
    if "TOP" in said:
        tokens = _top(tokens)
    if "MINUS" in said:
        tokens = _minus(tokens)
    return _conditions(tokens) if "WHERE" in said else tokens


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
