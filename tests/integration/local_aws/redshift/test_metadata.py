"""What drivers ask a server about its databases: the SHOW commands, and the driver's metadata calls on top of them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
import redshift_connector

from cloud_etl.local_aws.redshift.server import RedshiftServer

pytestmark = pytest.mark.integration

Driver = Callable[[str], redshift_connector.Connection]

_MADE = (
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.orders (id integer PRIMARY KEY, n bigint IDENTITY(1,1), total numeric(10,5), "
    "took interval day to second (4), name varchar(20)) DISTKEY (id) SORTKEY (name)",
    "CREATE TABLE shop.lines (order_id integer, FOREIGN KEY (order_id) REFERENCES shop.orders (id))",
    "CREATE VIEW shop.totals AS SELECT total FROM shop.orders",
    "CREATE PROCEDURE shop.pay(amount numeric(9,2), period interval year to month, done OUT int) AS $$ "
    "BEGIN done := 1; END; $$ LANGUAGE plpgsql",
    "CREATE FUNCTION shop.one() RETURNS int STABLE AS $$ SELECT 1 $$ LANGUAGE sql",
)


def _connect(server: RedshiftServer, database: str) -> redshift_connector.Connection:
    connection = redshift_connector.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, database=database,
        ssl=False, database_metadata_current_db_only=False,
    )  # fmt: skip
    connection.autocommit = True
    return connection


@pytest.fixture
def shop(redshift_server: RedshiftServer) -> Iterator[str]:
    """A database of the test's own, with a schema in it."""
    name = f"d{uuid.uuid4().hex[:10]}"
    with _connect(redshift_server, redshift_server.database) as outside:
        outside.cursor().execute(f"CREATE DATABASE {name}")
        with _connect(redshift_server, name) as inside:
            for statement in _MADE:
                inside.cursor().execute(statement)
        yield name
        outside.cursor().execute(f"DROP DATABASE {name}")


@pytest.fixture
def driver(redshift_server: RedshiftServer) -> Iterator[Driver]:
    """Opens connections to a database; asked for after `shop`, they are closed before it goes."""
    with contextlib.ExitStack() as opened:
        yield lambda database: opened.enter_context(_connect(redshift_server, database))


@pytest.mark.parametrize("from_inside", [True, False])
def test_the_drivers_metadata_calls_see_a_database_from_inside_and_from_another(
    redshift_server: RedshiftServer, shop: str, driver: Driver, from_inside: bool
) -> None:
    cursor = driver(shop if from_inside else redshift_server.database).cursor()
    assert [shop] in list(cursor.get_catalogs())
    assert cursor.get_schemas(shop, "sh%") == (["shop", shop],)
    assert [row[1:4] for row in cursor.get_tables(shop, "shop", "%s")] == [
        ["shop", "lines", "TABLE"],
        ["shop", "orders", "TABLE"],
        ["shop", "totals", "VIEW"],
    ]
    columns = cursor.get_columns(shop, "shop", "orders")
    assert [(row[3], row[5], row[6], row[8], row[17], row[22]) for row in columns] == [
        ("id", "int4", 10, 0, "NO", "NO"),
        ("n", "int8", 19, 0, "YES", "YES"),
        ("total", "numeric", 10, 5, "YES", "NO"),
        ("took", "intervald2s", 64, 4, "YES", "NO"),
        ("name", "varchar", 20, 0, "YES", "NO"),
    ]
    assert cursor.get_primary_keys(shop, "shop", "orders") == ([shop, "shop", "orders", "id", 1, "orders_pkey"],)
    (imported,) = cursor.get_imported_keys(shop, "shop", "lines")
    assert imported[2:4] + imported[6:8] + imported[11:13] == [
        "orders", "id", "lines", "order_id", "lines_order_id_fkey", "orders_pkey",
    ]  # fmt: skip
    assert cursor.get_exported_keys(shop, "shop", "orders") == (imported,)


def test_procedures_and_functions_are_shown_with_their_parameters(shop: str, driver: Driver) -> None:
    cursor = driver(shop).cursor()
    assert [row[2] for row in cursor.get_procedures(shop, "shop", "%")] == ["pay"]
    parameters = cursor.get_procedure_columns(shop, "shop", "pay")
    assert [(row[3], row[4], row[6], row[7], row[9]) for row in parameters] == [
        ("amount", 1, "numeric", 9, 2),
        ("period", 1, "intervaly2m", 32, 0),
        ("done", 3, "int4", 10, 0),
    ]
    assert parameters[0][-1] == "pay(numeric, intervaly2m)"
    assert [row[2] for row in cursor.get_functions(shop, "shop", "on%")] == ["one"]
    assert [row[4] for row in cursor.get_function_columns(shop, "shop", "one")] == [4]


def test_grants_are_shown_by_table_and_by_column(shop: str, driver: Driver) -> None:
    cursor = driver(shop).cursor()
    cursor.execute("GRANT SELECT ON shop.orders TO PUBLIC")
    cursor.execute("GRANT UPDATE (total) ON shop.orders TO PUBLIC")
    assert [row[3:] for row in cursor.get_table_privileges(shop, "shop", "orders")] == [
        ["awsuser", "public", "SELECT", "NO"]
    ]
    assert [row[3:] for row in cursor.get_column_privileges(shop, "shop", "orders")] == [
        ["total", "awsuser", "public", "UPDATE", "NO"]
    ]


def test_show_takes_like_and_limit(connection: psycopg.Connection, schema: str) -> None:
    for name in ("aa", "ab", "b"):
        connection.execute(f"CREATE TABLE {schema}.{name} (id int)")
    shown = connection.execute(f"SHOW TABLES FROM SCHEMA dev.{schema} LIKE 'a%' LIMIT 1")
    assert [row[:4] for row in shown] == [("dev", schema, "aa", "TABLE")]
    assert [row[2] for row in connection.execute(f"SHOW TABLES FROM SCHEMA {schema}")] == ["aa", "ab", "b"]
    assert connection.execute("SHOW COLUMNS FROM TABLE b").fetchone()[3:5] == ("id", 1)  # type: ignore[index]


def test_show_of_a_database_that_is_not_there_has_no_rows(connection: psycopg.Connection) -> None:
    shown = connection.execute("SHOW TABLES FROM SCHEMA nowhere.public")
    assert shown.fetchall() == []
    assert shown.description and shown.description[2].name == "table_name"


def test_a_show_that_goes_on_otherwise_is_a_syntax_error(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.SyntaxError, match='at or near "SIDEWAYS"'):
        connection.execute("SHOW DATABASES SIDEWAYS 1")


@pytest.mark.parametrize("sql", ["CREATE TEMP TABLE x ()", "CREATE TABLE", "SHOW TABLES FROM SCHEMA", "SET"])
def test_a_statement_that_ends_too_early_is_an_error_and_the_session_goes_on(
    connection: psycopg.Connection, sql: str
) -> None:
    with pytest.raises(psycopg.errors.SyntaxError):
        connection.execute(sql)
    assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("text", "seconds"), [("infinity", 2**31 - 4), ("-infinity", -(2**31)), ("2022-06-10", 1_654_819_200)]
)
def test_an_abstime_reaches_the_driver_as_seconds(
    redshift_server: RedshiftServer, driver: Driver, text: str, seconds: int
) -> None:
    cursor = driver(redshift_server.database).cursor()
    cursor.execute(f"SELECT '{text}'::abstime")
    ((moment,),) = cursor.fetchall()
    assert cursor.description[0][1] == 702
    assert int(moment.timestamp()) == seconds


def test_a_python_function_is_listed_and_says_what_is_missing_when_it_is_called(
    connection: psycopg.Connection, schema: str
) -> None:
    connection.execute("CREATE FUNCTION doubled(n int) RETURNS int STABLE AS $$ return n * 2 $$ LANGUAGE plpythonu")
    (shown,) = connection.execute(f"SHOW FUNCTIONS FROM SCHEMA {schema}").fetchall()
    assert shown[2:6] == ("doubled", 1, "integer", "integer")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="Python functions do not run"):
        connection.execute("SELECT doubled(1)")


def test_names_fold_the_letters_of_ascii_alone(connection: psycopg.Connection) -> None:
    connection.execute('CREATE TABLE folding (À int, "ÉA" int)')
    described = connection.execute("SELECT * FROM folding").description
    assert described and [column.name for column in described] == ["À", "Éa"]


@pytest.mark.parametrize("pattern", ["a\\_b", "a\\\\\\\\b"])
def test_a_backslash_in_a_pattern_takes_the_next_character_as_it_is(
    redshift_server: RedshiftServer, shop: str, driver: Driver, pattern: str
) -> None:
    cursor = driver(shop).cursor()
    for name in ("a_b", "axb", "a\\\\b"):
        cursor.execute(f'CREATE TABLE shop."{name}" (id int)')
    expected = "a_b" if "_" in pattern else "a\\\\b"
    assert [row[2] for row in cursor.get_tables(shop, "shop", pattern)] == [expected]
