"""Data changes, queries and parameters in Redshift's dialect."""

from __future__ import annotations

import datetime
import threading
import time

import psycopg
import pytest

from .conftest import Connect

pytestmark = pytest.mark.integration


@pytest.fixture
def merged(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute("CREATE TABLE target (id INT, name VARCHAR(10))")
    connection.execute("CREATE TABLE source (id INT, name VARCHAR(10))")
    connection.execute("INSERT INTO target VALUES (1, 'one'), (2, 'two')")
    connection.execute("INSERT INTO source VALUES (2, 'zwei'), (3, 'drei')")
    return connection


def _target(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT * FROM target ORDER BY id, name").fetchall()


def test_merge_updates_what_matches_and_inserts_the_rest(merged: psycopg.Connection) -> None:
    done = merged.execute(
        "MERGE INTO target USING source AS s ON target.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name "
        "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)"
    )
    assert done.statusmessage == "MERGE"
    assert _target(merged) == [(1, "one"), (2, "zwei"), (3, "drei")]


def test_merge_remove_duplicates_replaces_and_keeps_one_of_each(merged: psycopg.Connection) -> None:
    merged.execute("INSERT INTO source VALUES (3, 'drei')")
    merged.execute("MERGE INTO target USING source ON target.id = source.id REMOVE DUPLICATES")
    assert _target(merged) == [(1, "one"), (2, "zwei"), (3, "drei")]


def test_merge_needs_both_clauses_and_a_target_without_alias(merged: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error, match="WHEN NOT MATCHED"):
        merged.execute("MERGE INTO target USING source s ON target.id = s.id WHEN MATCHED THEN DELETE")
    with pytest.raises(psycopg.Error, match="takes no alias"):
        merged.execute("MERGE INTO target t USING source s ON t.id = s.id REMOVE DUPLICATES")


def test_delete_and_update_may_join(merged: psycopg.Connection) -> None:
    merged.execute("UPDATE target SET name = source.name FROM source WHERE target.id = source.id")
    merged.execute("DELETE FROM target USING source WHERE target.id = source.id - 1 AND source.id = 2")
    assert _target(merged) == [(2, "zwei")]
    merged.execute("DELETE target WHERE id = 2")
    assert _target(merged) == []


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("DATEADD(month, 1, '2024-01-31'::timestamp)", datetime.datetime(2024, 2, 29)),
        ("DATEADD(qtr, -1, '2024-05-01'::timestamp)", datetime.datetime(2024, 2, 1)),
        ("DATEDIFF(day, '2024-02-28', '2024-03-01')", 2),
        ("DATEDIFF('year', '2023-12-31'::timestamp, '2024-01-01'::timestamp)", 1),
        ("DATEDIFF(week, '2024-01-06', '2024-01-07')", 1),
        ("DATE_PART(dow, '2024-01-07'::timestamp)", 0.0),
        ("TRUNC('2024-01-07 10:11:12'::timestamp)", datetime.date(2024, 1, 7)),
        ("NVL(NULL, 'x')", "x"),
        ("NVL2(NULL, 'set', 'unset')", "unset"),
        ("DECODE(NULL, 1, 'one', NULL, 'nothing', 'other')", "nothing"),
        ("DECODE(2, 1, 'one', NVL(NULL, 2), 'two')", "two"),
        ("LEN('Grüße')", 5),
        ("CHARINDEX('b', 'abc')", 2),
        ("STRTOL('ff', 16)", 255),
        ("SHA2('x', 256)", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"),
        ("REGEXP_REPLACE('a-b-c', '-', '')", "abc"),
        ("JSON_EXTRACT_PATH_TEXT('{\"a\": {\"b\": [1, 2]}}', 'a', 'b')", "[1,2]"),
        ("JSON_ARRAY_LENGTH('[1, 2, 3]')", 3),
        ("IS_VALID_JSON('{oops')", False),
        ("JSON_SERIALIZE(JSON_PARSE('{\"a\": [1, null]}'))", '{"a":[1,null]}'),
        ("CONVERT(INTEGER, '7')", 7),
        ("CAST('DISTKEY, SYSDATE' AS VARCHAR(MAX))", "DISTKEY, SYSDATE"),
        ("MONTHS_BETWEEN('2024-03-01', '2024-01-01')", 2.0),
        ("LAST_DAY('2024-02-01')", datetime.date(2024, 2, 29)),
        ("ADD_MONTHS('2024-01-31', 1)", datetime.datetime(2024, 2, 29)),
        ("CONVERT_TIMEZONE('UTC', 'Europe/Berlin', '2024-07-01 10:00'::timestamp)", datetime.datetime(2024, 7, 1, 12)),
        ("ISNULL(NULL, 3)", 3),
        ("SYSDATE > '2020-01-01' AND GETDATE() > '2020-01-01'", True),
        ("IS_OBJECT(JSON_PARSE('{}')) AND IS_ARRAY(JSON_PARSE('[]')) AND IS_VARCHAR(JSON_PARSE('\"x\"'))", True),
        ("IS_VALID_JSON_ARRAY('[1]') AND CAN_JSON_PARSE('1')", True),
        ("JSON_EXTRACT_ARRAY_ELEMENT_TEXT('[1, \"b\"]', 1)", "b"),
        ("pg_last_copy_count()", 0),
    ],
)
def test_functions_give_what_redshift_gives(connection: psycopg.Connection, expression: str, value: object) -> None:
    assert connection.execute(f"SELECT {expression}").fetchall() == [(value,)]


def test_aggregates_of_redshift(merged: psycopg.Connection) -> None:
    row = merged.execute(
        "SELECT LISTAGG(name, ', ') WITHIN GROUP (ORDER BY id DESC), MEDIAN(id), APPROXIMATE COUNT(DISTINCT id) "
        "FROM target"
    ).fetchall()
    assert row == [("two, one", 1.5, 2)]


def test_top_minus_and_lateral_aliases(merged: psycopg.Connection) -> None:
    assert merged.execute("SELECT TOP 1 id FROM target ORDER BY id DESC").fetchall() == [(2,)]
    assert merged.execute("SELECT id FROM target MINUS SELECT id FROM source").fetchall() == [(1,)]
    assert merged.execute("SELECT id * 10 AS tens, tens + 1 AS more FROM target WHERE more > 11").fetchall() == [
        (20, 21)
    ]
    # A column of that name comes before the alias.
    assert merged.execute("SELECT upper(name) AS name FROM target WHERE name = 'one'").fetchall() == [("ONE",)]


def test_qualify_and_ratio_to_report(merged: psycopg.Connection) -> None:
    assert merged.execute("SELECT id FROM target QUALIFY row_number() OVER (ORDER BY id DESC) = 1").fetchall() == [(2,)]
    shares = merged.execute("SELECT RATIO_TO_REPORT(id) OVER () FROM target ORDER BY id").fetchall()
    assert [round(share[0], 3) for share in shares] == [0.333, 0.667]


def test_names_behind_a_super_column_lead_into_its_value(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE carts (id INT, cart SUPER)")
    connection.execute("""INSERT INTO carts VALUES (1, JSON_PARSE('{"who": "Ann", "items": [{"price": 5}]}'))""")
    row = connection.execute(
        "SELECT cart.who, c.cart.items[0].price::int, c.id FROM carts AS c WHERE cart.who::varchar = 'Ann'"
    ).fetchall()
    assert row == [('"Ann"', 5, 1)]


@pytest.mark.parametrize(
    "table",
    [
        "sys_query_history", "sys_query_text", "stl_query", "stl_querytext", "svl_qlog", "svl_statementtext",
        "stl_connection_log", "sys_connection_log", "sys_load_history", "sys_load_error_detail", "stl_load_errors",
        "stl_load_commits", "sys_unload_history", "stl_unload_log", "stv_sessions", "stv_recents", "stv_inflight",
        "stv_locks", "stv_slices", "stv_tbl_perm", "stl_undone", "svv_transactions", "svv_tables", "svv_columns",
        "svv_all_tables", "svv_all_columns", "svv_all_schemas", "svv_redshift_tables", "svv_redshift_columns",
        "svv_redshift_schemas", "svv_redshift_databases", "svv_redshift_functions", "svv_external_schemas",
        "svv_external_tables", "svv_external_columns", "svv_external_databases", "svv_external_partitions", "svv_roles",
        "svv_user_info", "pg_user_info", "pg_group", "pg_proc_info", "pg_catalog.stl_load_errors",
    ],
)  # fmt: skip
def test_each_system_table_can_be_read(connection: psycopg.Connection, table: str) -> None:
    assert connection.execute(f"SELECT * FROM {table} LIMIT 1").description


def test_a_session_knows_its_last_query(connection: psycopg.Connection) -> None:
    connection.execute("SELECT 'the one before'")
    (query_id,) = connection.execute("SELECT pg_last_query_id()").fetchall()[0]
    text = connection.execute("SELECT trim(query_text) FROM sys_query_history WHERE query_id = %s", (query_id,))
    assert text.fetchall() == [("SELECT 'the one before'",)]


def test_cancel_stops_another_sessions_statement(connect: Connect) -> None:
    slow, other = connect(), connect()
    stopped = list[str]()

    def sleep() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled) as raised:
            slow.execute("SELECT pg_sleep(30)")
        stopped.append(raised.value.sqlstate or "")

    waiting = threading.Thread(target=sleep)
    waiting.start()
    running = "SELECT 1 FROM stv_inflight WHERE text LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"
    while not other.execute(running).fetchall():
        time.sleep(0.01)
    other.execute(f"CANCEL {slow.info.backend_pid}")
    waiting.join(10)
    assert stopped == ["57014"]


def test_a_subquery_needs_no_name(merged: psycopg.Connection) -> None:
    assert merged.execute("SELECT count(*) FROM (SELECT id FROM target) WHERE 1").fetchall() == [(2,)]


def test_parameters_of_redshift_are_set_shown_and_reset(connection: psycopg.Connection, schema: str) -> None:
    connection.execute("SET query_group TO 'nightly'")
    assert connection.execute("SHOW query_group").fetchall() == [("nightly",)]
    connection.execute("RESET query_group")
    assert connection.execute("SHOW query_group").fetchall() == [("default",)]
    assert connection.execute("SHOW search_path").fetchall() == [(schema,)]


def test_history_shows_label_text_and_outcome(connection: psycopg.Connection) -> None:
    connection.execute("SET query_group TO 'found by its label'")
    connection.execute("SELECT 'a statement to find'")
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM no_such_table_anywhere")
    rows = connection.execute(
        "SELECT trim(query_label), trim(status), elapsed_time >= 0 FROM sys_query_history "
        "WHERE query_text LIKE '%to find%' OR query_text LIKE '%no_such_table_anywhere%' ORDER BY query_id"
    ).fetchall()
    assert rows[:2] == [("found by its label", "success", True), ("found by its label", "failed", True)]


def test_strings_read_backslashes_as_escapes(connection: psycopg.Connection) -> None:
    assert connection.execute(r"SELECT 'it\'s', 'a\\b'").fetchall() == [("it's", "a\\b")]
    assert connection.execute("SHOW standard_conforming_strings").fetchall() == [("off",)]


def test_cursors_views_and_procedures(merged: psycopg.Connection) -> None:
    merged.execute("CREATE VIEW shown AS SELECT id FROM target WITH NO SCHEMA BINDING")
    merged.execute(
        "CREATE PROCEDURE doubled(factor INT, INOUT total INT) AS $$ BEGIN "
        "SELECT sum(id) * factor INTO total FROM target; END; $$ LANGUAGE plpgsql"
    )
    assert merged.execute("CALL doubled(2, 0)").fetchall() == [(6,)]
    with merged.transaction():
        merged.execute("DECLARE listed CURSOR FOR SELECT id FROM shown ORDER BY id")
        assert merged.execute("FETCH FORWARD 1 FROM listed").fetchall() == [(1,)]


def test_users_and_privileges(connection: psycopg.Connection, schema: str) -> None:
    connection.execute("DROP USER IF EXISTS reader")
    connection.execute(
        "CREATE USER reader PASSWORD 'Secret12' NOCREATEUSER SYSLOG ACCESS RESTRICTED SESSION TIMEOUT 60"
    )
    connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader")
    assert connection.execute(f"SELECT has_schema_privilege('reader', '{schema}', 'usage')").fetchall() == [(True,)]
    assert connection.execute("SELECT usesuper FROM pg_user WHERE usename = 'reader'").fetchall() == [(False,)]
    connection.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM reader")
    connection.execute("DROP USER reader")


def test_copy_of_postgresql_itself_is_refused(connection: psycopg.Connection) -> None:
    for statement in ("COPY target FROM '/etc/passwd'", "COPY target TO PROGRAM 'true'", "COPY target FROM STDIN"):
        with pytest.raises(psycopg.Error):
            connection.execute(statement)
    assert connection.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT lo_import('/etc/hostname')",
        "ALTER USER awsuser SUPERUSER",
        "GRANT pg_execute_server_program TO awsuser",
        "SET ROLE rdsdb",
        "SET SESSION AUTHORIZATION rdsdb",
        "CREATE USER strong PASSWORD 'Aa123456789' SUPERUSER",
    ],
)
def test_the_administrator_has_no_right_on_the_server_itself(connection, sql: str) -> None:
    with pytest.raises(psycopg.Error):
        connection.execute(sql)
