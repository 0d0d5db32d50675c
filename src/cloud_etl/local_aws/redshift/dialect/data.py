"""Statements that change data: DELETE, MERGE, and the COPY that is the server's own."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_etl.local_aws.redshift.dialect.statement import Action, Rewritten
from cloud_etl.local_aws.redshift.dialect.tokens import (
    COMMENT,
    SPACE,
    Token,
    Tokens,
    significant,
    sql_of,
    stripped,
    tokenize,
)
from cloud_etl.local_aws.redshift.port import RedshiftError


def copy(tokens: Tokens) -> Rewritten:
    """COPY reads from S3 alone; PostgreSQL's own forms reach into the machine and are refused."""
    said = [token.upper for token in tokens]
    if "FROM" not in said or "STDIN" in said or "STDOUT" in said or "PROGRAM" in said:
        raise RedshiftError("syntax error at or near \"COPY\": COPY reads FROM 's3://...'", sqlstate="42601")
    return Rewritten(tokens, Action.COPY)


def delete(tokens: Tokens) -> Tokens:
    """DELETE t, where PostgreSQL wants DELETE FROM t."""
    solid = significant(tokens)
    if len(solid) > 1 and tokens[solid[1]].upper != "FROM":
        return [*tokens[: solid[0] + 1], *tokenize(" FROM"), *tokens[solid[0] + 1 :]]
    return tokens


def merge(tokens: Tokens) -> Rewritten:
    """MERGE with WHEN clauses as it is, with REMOVE DUPLICATES as one statement that deletes and inserts."""
    solid = significant(tokens)
    said = [tokens[at].upper for at in solid]
    if said[1] != "INTO" or "USING" not in said or "ON" not in said:
        return Rewritten(tokens)
    using, on = said.index("USING"), said.index("ON")
    target = stripped(tokens[solid[2] : solid[using]])
    if any(token.kind == SPACE for token in target):
        raise RedshiftError(
            f'syntax error at or near "{target[-1].text}": the target of MERGE takes no alias', sqlstate="42601"
        )
    if said[-2:] == ["REMOVE", "DUPLICATES"]:
        source = tokens[solid[using + 1] : solid[on]]
        return Rewritten(_remove_duplicates(target, source, tokens[solid[on] + 1 : solid[-2]]), tag="MERGE")
    if not _has_both_clauses(said):
        raise RedshiftError(
            "MERGE needs a WHEN MATCHED and a WHEN NOT MATCHED clause, or REMOVE DUPLICATES", sqlstate="42601"
        )
    return Rewritten(tokens, tag="MERGE")


def _has_both_clauses(said: Sequence[str]) -> bool:
    text = " ".join(said)
    return "WHEN MATCHED THEN" in text and "WHEN NOT MATCHED THEN" in text


def _remove_duplicates(target: Tokens, source: Tokens, condition: Tokens) -> Tokens:
    table = sql_of(target)
    return tokenize(
        f"WITH replaced AS (DELETE FROM {table} USING {sql_of(source).strip()} WHERE {sql_of(condition).strip()}) "
        f"INSERT INTO {table} SELECT DISTINCT * FROM {_table_name(source)}"
    )


def _table_name(source: Sequence[Token]) -> str:
    """The source's table without its alias."""
    solid = [token for token in source if token.kind not in (SPACE, COMMENT)]
    at = 0
    while at + 2 < len(solid) and solid[at + 1].upper == ".":
        at += 2
    return sql_of(solid[: at + 1])
