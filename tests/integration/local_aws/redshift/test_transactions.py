"""Transactions of two sessions on one table, and errors in the middle of one."""

from __future__ import annotations

import os
import socket
import threading

import psycopg
import pytest

from cloud_etl.local_aws.redshift.server import RedshiftServer

from .conftest import Connect

pytestmark = pytest.mark.integration


@pytest.fixture
def counters(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute("CREATE TABLE counters (name VARCHAR(5), n INT)")
    connection.execute("INSERT INTO counters VALUES ('a', 1), ('b', 1)")
    return connection


def test_a_cycle_of_reads_and_writes_ends_in_1023(connect: Connect, counters: psycopg.Connection) -> None:
    one, two = connect(), connect()
    one.autocommit = two.autocommit = False
    one.execute("SELECT sum(n) FROM counters WHERE name = 'a'")
    two.execute("SELECT sum(n) FROM counters WHERE name = 'b'")
    one.execute("UPDATE counters SET n = n + 1 WHERE name = 'b'")
    two.execute("UPDATE counters SET n = n + 1 WHERE name = 'a'")
    one.commit()
    with pytest.raises(psycopg.errors.InternalError_, match="1023") as raised:
        two.commit()
    assert raised.value.sqlstate == "XX000"
    assert "Serializable isolation violation on table" in str(raised.value)


def test_lock_makes_the_second_session_wait_and_see_the_first(connect: Connect, counters: psycopg.Connection) -> None:
    one, two = connect(), connect()
    one.autocommit = two.autocommit = False
    seen = list[object]()

    def second() -> None:
        two.execute("LOCK counters")
        seen.extend(two.execute("SELECT sum(n) FROM counters").fetchall())
        two.commit()

    one.execute("LOCK TABLE counters")
    one.execute("UPDATE counters SET n = 10")
    waiting = threading.Thread(target=second)
    waiting.start()
    waiting.join(0.3)
    assert not seen
    one.commit()
    waiting.join(10)
    assert seen == [(20,)]


def test_an_error_the_server_raises_itself_fails_the_transaction(counters: psycopg.Connection) -> None:
    counters.autocommit = False
    counters.execute("UPDATE counters SET n = 5")
    with pytest.raises(psycopg.Error, match="not emulated"):
        counters.execute("CREATE TABLE shapes (g GEOMETRY)")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        counters.execute("SELECT 1")
    counters.rollback()
    assert counters.execute("SELECT sum(n) FROM counters").fetchall() == [(2,)]


def test_several_statements_in_one_text_are_one_transaction(counters: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        counters.execute("UPDATE counters SET n = 7; SELECT 1 / 0")
    assert counters.execute("SELECT sum(n) FROM counters").fetchall() == [(2,)]


def test_concurrent_tables_do_not_disturb_each_other(connect: Connect) -> None:
    one, two = connect(), connect()
    one.autocommit = two.autocommit = False
    for number, session in enumerate((one, two)):
        session.execute("SELECT count(*) FROM svv_table_info")
        session.execute(f"CREATE TABLE made_{number} (id INT PRIMARY KEY) DISTKEY (id)")
        session.execute("SELECT count(*) FROM pg_table_def")
    one.commit()
    two.commit()
    assert one.execute("SELECT count(*) FROM pg_table_def WHERE tablename LIKE 'made%'").fetchall() == [(2,)]


def test_snapshot_isolation_can_be_chosen_for_a_database(connect: Connect, connection: psycopg.Connection) -> None:
    (database,) = connection.execute("SELECT current_database()").fetchall()[0]
    connection.execute(f"ALTER DATABASE {database} ISOLATION LEVEL SNAPSHOT")
    try:
        assert connect().execute("SHOW transaction_isolation").fetchall() == [("repeatable read",)]
    finally:
        connection.execute(f"ALTER DATABASE {database} ISOLATION LEVEL SERIALIZABLE")
    assert connect().execute("SHOW transaction_isolation").fetchall() == [("serializable",)]


def test_a_message_that_breaks_the_session_leaves_no_lock_behind(
    redshift_server: RedshiftServer, schema: str, counters: psycopg.Connection
) -> None:
    server = redshift_server
    holder = psycopg.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, dbname=server.database,
        sslmode="disable",
    )  # fmt: skip
    with holder, socket.socket(fileno=os.dup(holder.fileno())) as raw:
        holder.execute(f"LOCK TABLE {schema}.counters")
        # A Bind that ends before its values.
        raw.sendall(b"B\0\0\0\x06\0\0")
        with pytest.raises(psycopg.Error, match="internal error of the local Redshift server"):
            holder.execute("SELECT 1")
    counters.execute("SET statement_timeout TO 20000")
    counters.execute("DROP TABLE counters")
