"""Data changes, queries and parameters in Redshift's dialect."""

from __future__ import annotations

import datetime

import psycopg
import pytest

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
