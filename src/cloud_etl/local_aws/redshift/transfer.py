"""COPY and UNLOAD inside a session: run them, tell the client, remember what pg_last_copy_count() and its like give."""

from __future__ import annotations

from cloud_etl.local_aws.redshift import install, protocol
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.copy.run import run_copy, run_unload
from cloud_etl.local_aws.redshift.dialect.translate import translate
from cloud_etl.local_aws.redshift.port import RedshiftError, SessionInfo
from cloud_etl.local_aws.redshift.protocol import Wire


def copy(client: Wire, backend: PostgresConnection, sql: str, session: SessionInfo) -> None:
    """Run a COPY and answer the client.

    Raises:
        RedshiftError: nothing was loaded; the system tables say more.
    """
    journal = install.internal(backend.socket_path, session.database)
    try:
        done = run_copy(sql, backend, session, journal)
    finally:
        journal.close()
    _remember(backend, "copy", done.rows, done.query_id)
    _answer(client, done.notices, "COPY")


def unload(client: Wire, backend: PostgresConnection, sql: str, session: SessionInfo) -> None:
    """Run an UNLOAD and answer the client.

    Raises:
        RedshiftError: the query failed or S3 refused.
    """
    journal = install.internal(backend.socket_path, session.database)
    try:
        done = run_unload(sql, backend, session, journal, _in_postgres_words)
    finally:
        journal.close()
    _remember(backend, "unload", done.rows, done.query_id)
    _answer(client, done.notices, "UNLOAD")


def _in_postgres_words(query: str) -> str:
    statements = translate(query)
    if len(statements) != 1:
        raise RedshiftError("UNLOAD takes one SELECT statement", sqlstate="42601")
    return statements[0].sql


def _remember(backend: PostgresConnection, what: str, rows: int, query_id: int) -> None:
    backend.rows(
        f"SELECT set_config('redshift.last_{what}_count', '{rows}', false), "
        f"set_config('redshift.last_{what}_id', '{query_id}', false)"
    )


def _answer(client: Wire, notices: tuple[str, ...], tag: str) -> None:
    for text in notices:
        client.write(protocol.notice("INFO", text))
    client.write(protocol.command_complete(tag))
