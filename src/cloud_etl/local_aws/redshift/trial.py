"""Queries prepared on trial, to learn from PostgreSQL which names are columns and which are aliases."""

from __future__ import annotations

from dataclasses import replace

from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.dialect import aliases
from cloud_etl.local_aws.redshift.dialect.statement import Statement
from cloud_etl.local_aws.redshift.port import RedshiftError

_MOST_ALIASES = 20


def resolved(backend: PostgresConnection, statement: Statement) -> Statement:
    """The statement with the aliases that no column hides written out; the transaction stays as it was."""
    if backend.status == b"E":
        return statement
    for _ in range(_MOST_ALIASES):
        name = _unknown_column(backend, statement.sql)
        sql = aliases.written_out(statement.sql, name) if name else None
        if sql is None:
            return statement
        statement = replace(statement, sql=sql)
    return statement


def _unknown_column(backend: PostgresConnection, sql: str) -> str | None:
    """The first column PostgreSQL does not find in a query, without an effect on the session's transaction."""
    in_transaction = backend.in_transaction
    if in_transaction:
        backend.execute("SAVEPOINT cloud_etl_trial")
    try:
        backend.execute(f"PREPARE cloud_etl_trial AS {sql}")
        backend.execute("DEALLOCATE cloud_etl_trial")
    except RedshiftError as exc:
        if in_transaction:
            backend.execute("ROLLBACK TO cloud_etl_trial")
        return aliases.unknown_column(exc.message)
    finally:
        if in_transaction:
            backend.execute("RELEASE cloud_etl_trial")
    return None
