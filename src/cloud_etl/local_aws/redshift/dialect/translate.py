"""Any text a client sends, as statements for PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from cloud_etl.local_aws.redshift.dialect import (
    aliases,
    alter_table,
    data,
    expressions,
    navigation,
    objects,
    parameters,
    procedures,
    qualify,
    query,
    shown,
)
from cloud_etl.local_aws.redshift.dialect.create_table import create_table
from cloud_etl.local_aws.redshift.dialect.statement import Action, Rewrite, Rewritten, Statement
from cloud_etl.local_aws.redshift.dialect.tokens import (
    QUOTED,
    Token,
    Tokens,
    folded,
    quote,
    split_statements,
    sql_of,
    stripped,
    tokenize,
    words,
)

_QUERIES = ("SELECT", "WITH", "INSERT")
_READERS = (*_QUERIES, "UPDATE", "DELETE", "CREATE TABLE", "CREATE VIEW")
_TEMPORARY = ("TEMP", "TEMPORARY", "LOCAL", "GLOBAL")


def _only(change: object) -> Rewrite:
    assert callable(change)
    return lambda tokens: Rewritten(change(tokens))


_REWRITES: dict[str, Rewrite] = {
    "CREATE TABLE": _only(create_table),
    "CREATE USER": _only(objects.user),
    "ALTER USER": _only(objects.user),
    "CREATE SCHEMA": _only(objects.schema),
    "CREATE VIEW": _only(objects.view),
    "CREATE MATERIALIZED": _only(objects.materialized_view),
    "CREATE DATABASE": _only(objects.database),
    "ALTER DATABASE": _only(objects.alter_database),
    "CREATE EXTERNAL": objects.refused,
    "CREATE LIBRARY": objects.refused,
    "CREATE MODEL": objects.refused,
    "CREATE DATASHARE": objects.refused,
    "CREATE PROCEDURE": _only(procedures.procedure),
    "CREATE FUNCTION": _only(procedures.function),
    "GRANT": objects.privileges,
    "REVOKE": objects.privileges,
    "ALTER TABLE": alter_table.alter_table,
    "SET": parameters.set_parameter,
    "RESET": parameters.reset,
    "SHOW": lambda tokens: shown.show(tokens) or parameters.show(tokens),
    "ANALYZE": _only(objects.analyze),
    "VACUUM": objects.vacuum,
    "TRUNCATE": lambda tokens: Rewritten(tokens, Action.COMMIT_AFTER),
    "CANCEL": _only(objects.cancel),
    "DELETE": _only(data.delete),
    "MERGE": data.merge,
    "COPY": data.copy,
    "UNLOAD": lambda tokens: Rewritten(tokens, Action.UNLOAD),
}


def translate(sql: str, *, case_sensitive: bool = False) -> tuple[Statement, ...]:
    """The statements of a text.

    Args:
        sql: what the client sent, with any number of statements.
        case_sensitive: the session's `enable_case_sensitive_identifier`.

    Raises:
        RedshiftError: Redshift would refuse a statement before running it, or the dialect is not emulated so far.
    """
    return _translate(sql, case_sensitive) if len(sql) < _CACHED_CHARACTERS else _uncached(sql, case_sensitive)


_CACHED_CHARACTERS = 20_000
# An INSERT of plain literals, however many, has nothing in it to rewrite; looking at each token would take seconds.
_INSERT_VALUES = re.compile(r"\s*INSERT\s+INTO\s+[\w.]+\s*(?:\([\w\s,]*\)\s*)?VALUES(?=[\s(])", re.IGNORECASE)
_PLAIN_VALUES = re.compile(
    r"(?:[\s,()]++|'(?:[^'\\]++|\\.|'')*+'|[+-]?[\d.]++(?:E[+-]?\d+)?(?!\w)|(?:NULL|TRUE|FALSE|DEFAULT)\b)*+",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(maxsize=2048)
def _translate(sql: str, case_sensitive: bool) -> tuple[Statement, ...]:
    return _uncached(sql, case_sensitive)


def _uncached(sql: str, case_sensitive: bool) -> tuple[Statement, ...]:
    head = _INSERT_VALUES.match(sql)
    if head and _PLAIN_VALUES.fullmatch(sql, head.end()):
        return (Statement(sql, sql, "INSERT"),)
    statements = split_statements(tokenize(sql))
    alone = len(statements) == 1
    return tuple(_statement(tokens, sql if alone else sql_of(tokens), case_sensitive) for tokens in statements)


def _statement(tokens: Tokens, original: str, case_sensitive: bool) -> Statement:
    before = tokens
    tokens = stripped(tokens)
    verb = _verb(tokens)
    rewritten = Rewritten(tokens)
    if verb in ("COPY", "UNLOAD"):
        rewritten = _REWRITES[verb](tokens)
    else:
        if not case_sensitive:
            tokens = _folded(tokens)
        if any(token.upper == "QUALIFY" for token in tokens):
            tokens = qualify.rewrite(tokens)
        if verb in _READERS:
            tokens = navigation.rewrite(tokens)
        tokens = query.rewrite(expressions.rewrite(tokens))
        rewritten = _REWRITES[verb](tokens) if verb in _REWRITES else Rewritten(tokens)
    sql = sql_of(rewritten.tokens)
    if sql == sql_of(stripped(before)):
        sql = original
    uses_aliases = verb in _QUERIES and aliases.may_use(rewritten.tokens)
    return Statement(
        sql, original, verb, rewritten.action, rewritten.tag, rewritten.settings, uses_aliases, rewritten.place
    )


def _verb(tokens: Sequence[Token]) -> str:
    first = words(tokens, 8)
    if first[0] not in ("CREATE", "ALTER"):
        return first[0]
    kinds = [word for word in first[1:] if word not in (*_TEMPORARY, "OR", "REPLACE")]
    return f"{first[0]} {kinds[0]}" if kinds else first[0]


def _folded(tokens: Tokens) -> Tokens:
    """Quoted identifiers in lower case, as Redshift keeps them unless it is told otherwise."""
    return [
        Token(QUOTED, quote(folded(token.name))) if token.kind == QUOTED and token.name != folded(token.name) else token
        for token in tokens
    ]
