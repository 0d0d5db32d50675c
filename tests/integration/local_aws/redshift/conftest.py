"""A connection to the shared server, in a schema of the test's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from cloud_etl.local_aws.redshift.server import RedshiftServer

Connect = Callable[[], psycopg.Connection]


@pytest.fixture
def schema(redshift_server: RedshiftServer) -> Iterator[str]:
    name = f"s{uuid.uuid4().hex[:10]}"
    with _connect(redshift_server) as connection:
        connection.autocommit = True
        connection.execute(f"CREATE SCHEMA {name}")
        yield name
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def connect(redshift_server: RedshiftServer, schema: str) -> Iterator[Connect]:
    """Opens connections whose search path is the test's schema."""
    opened = list[psycopg.Connection]()

    def new() -> psycopg.Connection:
        connection = _connect(redshift_server)
        opened.append(connection)
        connection.autocommit = True
        connection.execute(f"SET search_path TO {schema}")
        return connection

    yield new
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Connect) -> psycopg.Connection:
    """One connection in the test's schema; each statement commits by itself."""
    return connect()


def _connect(server: RedshiftServer) -> psycopg.Connection:
    return psycopg.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, dbname=server.database
    )
