"""The drivers people use connect, and read back what they wrote."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
import redshift_connector

from cloud_etl.local_aws.redshift.server import RedshiftServer

pytestmark = pytest.mark.integration


@pytest.fixture
def connection(redshift_server: RedshiftServer) -> Iterator[redshift_connector.Connection]:
    server = redshift_server
    with redshift_connector.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=server.database,
        ssl=False,
    ) as opened:
        yield opened


def test_the_driver_reads_back_every_type_it_wrote(connection: redshift_connector.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(
        "CREATE TEMP TABLE kinds (a smallint, b int, c bigint, d decimal(12,2), e real, f float8, g boolean, "
        "h char(3), i varchar(20), j date, k timestamp, l timestamptz, m super) DISTSTYLE EVEN"
    )
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
    values = (
        1, -2, 2**40, Decimal("1234567890.12"), 0.5, 0.1, True, "abc", "Grüße", moment.date(), moment,
        moment.replace(tzinfo=datetime.UTC), '{"b":[1,{"c":null}],"a":"x, y: z"}',
    )  # fmt: skip
    cursor.execute(f"INSERT INTO kinds VALUES ({', '.join(['%s'] * len(values))})", values)
    cursor.execute("SELECT * FROM kinds")
    (row,) = cursor.fetchall()
    assert tuple(row)[:12] == values[:12]
    assert row[12] == '{"a":"x, y: z","b":[1,{"c":null}]}'


def test_a_wrong_password_is_refused_as_redshift_refuses_it(redshift_server: RedshiftServer) -> None:
    server = redshift_server
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "awsuser"'):
        psycopg.connect(
            host=server.host, port=server.port, user=server.user, password="wrong", dbname=server.database
        )  # fmt: skip


def test_tls_verifies_with_the_servers_own_certificate(redshift_server: RedshiftServer) -> None:
    server = redshift_server
    with psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        dbname=server.database,
        sslmode="verify-full",
        sslrootcert=str(server.certificate_path),
    ) as connection:
        assert connection.execute("SELECT version()").fetchall()[0][0].startswith("PostgreSQL 8.0.2 on i686")


def test_a_value_longer_than_its_column_in_bytes_is_refused(connection: redshift_connector.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TEMP TABLE narrow (note varchar(5))")
    cursor.execute("INSERT INTO narrow VALUES ('12345')")
    with pytest.raises(redshift_connector.ProgrammingError, match=r"value too long for type character varying\(5\)"):
        cursor.execute("INSERT INTO narrow VALUES ('ééé')")


def test_truncate_ends_the_transaction_it_stands_in(connection: redshift_connector.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TEMP TABLE filled (id int) DISTKEY (id) SORTKEY (id)")
    cursor.execute("INSERT INTO filled VALUES (1)")
    cursor.execute("TRUNCATE filled")
    connection.rollback()
    cursor.execute("SELECT count(*) FROM filled")
    assert cursor.fetchall() == ([0],)
