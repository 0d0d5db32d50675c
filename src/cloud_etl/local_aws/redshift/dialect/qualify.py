"""QUALIFY, which PostgreSQL has not: the query moves into FROM, and the condition becomes a WHERE around it."""

from __future__ import annotations

import sqlglot
from sqlglot.errors import SqlglotError

from cloud_etl.local_aws.redshift.dialect.tokens import Tokens, sql_of, tokenize
from cloud_etl.local_aws.redshift.port import RedshiftError


def rewrite(tokens: Tokens) -> Tokens:
    """The statement as sqlglot writes it for PostgreSQL.

    Raises:
        RedshiftError: sqlglot cannot read the statement.
    """
    try:
        (sql,) = sqlglot.transpile(sql_of(tokens), read="redshift", write="postgres")
    except (SqlglotError, ValueError) as exc:
        raise RedshiftError(f"QUALIFY could not be rewritten: {str(exc).splitlines()[0]}", sqlstate="42601") from exc
    return tokenize(sql)
