"""CREATE PROCEDURE, whose parameters' widths PostgreSQL forgets and the attributes keep, and CREATE FUNCTION."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_etl.local_aws.redshift.dialect.create_table import Attributes
from cloud_etl.local_aws.redshift.dialect.objects import without
from cloud_etl.local_aws.redshift.dialect.tokens import (
    NUMBER,
    SPACE,
    STRING,
    WORD,
    Token,
    Tokens,
    closing,
    significant,
    split_on,
    stripped,
)

_INTERVALS = {"YEAR": "intervaly2m", "MONTH": "intervaly2m"}
_HEADER = 4
_NO_PYTHON = "'Python functions do not run on the local Redshift server'"


def procedure(tokens: Tokens) -> Tokens:
    """CREATE PROCEDURE in PostgreSQL's words."""
    tokens = without(tokens, "NONATOMIC")
    opened = next((at for at in significant(tokens) if tokens[at].upper == "("), None)
    if opened is None:
        return tokens
    end = closing(tokens, opened)
    parts = [part for part in split_on(tokens[opened + 1 : end], ",") if stripped(part)]
    attributes = Attributes(values={"modifiers": [_modifier(part) for part in parts]})
    made = Tokens()
    for part in parts:
        made += ([Token(WORD, ", ")] if made else []) + _parameter(stripped(part))
    return [*tokens[: opened + 1], *made, *tokens[end:], *([attributes.comment()] if parts else [])]


def function(tokens: Tokens) -> Tokens:
    """CREATE FUNCTION; one in Python can be made and is listed, and says what is missing when it is called."""
    if not any(token.name == "plpythonu" for token in tokens if token.is_name):
        return tokens
    body = Token(
        STRING, f"$cloud_etl$ BEGIN RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = {_NO_PYTHON}; END $cloud_etl$"
    )
    made = Tokens()
    for token in tokens:
        is_body = token.kind == STRING and bool(made) and stripped(made)[-1].upper == "AS"
        is_language = token.is_name and token.name == "plpythonu"
        made.append(body if is_body else Token(WORD, "plpgsql") if is_language else token)
    return made


def _parameter(part: Tokens) -> Tokens:
    """A parameter, its interval as one of the types that tell their fields apart."""
    for at, token in enumerate(part):
        fields = [part[i].upper for i in significant(part) if i > at]
        if token.upper == "INTERVAL" and fields:
            return [*part[:at], Token(WORD, _INTERVALS.get(fields[0], "intervald2s"))]
    return part


def _modifier(part: Sequence[Token]) -> int:
    """A type's width as PostgreSQL's number for it; -1 when it has none."""
    solid = [token for token in part if token.kind != SPACE]
    opened = next((at for at, token in enumerate(solid) if token.upper == "("), len(solid))
    numbers = [int(token.text) for token in solid[opened:] if token.kind == NUMBER]
    if not numbers:
        return -1
    if any(token.upper in ("NUMERIC", "DECIMAL") for token in solid[:opened]):
        return ((numbers[0] << 16) | (numbers[1] if len(numbers) > 1 else 0)) + _HEADER
    return numbers[0] + _HEADER
