"""CREATE TABLE and ALTER TABLE, and what the catalogue says of the tables."""

from __future__ import annotations

import psycopg
import pytest

pytestmark = pytest.mark.integration

TABLE = """
CREATE TABLE orders (
  id BIGINT IDENTITY(10, 5) NOT NULL,
  customer INTEGER ENCODE az64 DISTKEY,
  note VARCHAR(16) DEFAULT 'DISTKEY, it''s' ENCODE zstd,
  amount DECIMAL(12, 2),
  payload SUPER,
  placed TIMESTAMP DEFAULT GETDATE(),
  PRIMARY KEY (id),
  CONSTRAINT once UNIQUE (customer, placed)
) BACKUP NO DISTSTYLE KEY COMPOUND SORTKEY (placed, id)
"""


def _definition(connection: psycopg.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(
        'SELECT "column", type, encoding, distkey, sortkey, "notnull" FROM pg_table_def WHERE tablename = %s', (table,)
    ).fetchall()


def test_pg_table_def_shows_keys_encodings_and_types(connection: psycopg.Connection) -> None:
    connection.execute(TABLE)
    assert _definition(connection, "orders") == [
        ("id", "bigint", "none", False, 2, True),
        ("customer", "integer", "az64", True, 0, False),
        ("note", "character varying(16)", "zstd", False, 0, False),
        ("amount", "numeric(12,2)", "az64", False, 0, False),
        ("payload", "super", "zstd", False, 0, False),
        ("placed", "timestamp without time zone", "none", False, 1, False),
    ]


def test_svv_table_info_shows_style_and_rows(connection: psycopg.Connection) -> None:
    connection.execute(TABLE)
    connection.execute("INSERT INTO orders (customer, amount) VALUES (1, 2.5), (2, 3.5)")
    info = connection.execute(
        "SELECT diststyle, sortkey1, sortkey_num, max_varchar, tbl_rows FROM svv_table_info "
        """WHERE "table" = 'orders'"""
    ).fetchall()
    assert ("KEY(customer)", "placed", 2, 16, 2) in info


def test_identity_counts_from_its_seed_by_its_step(connection: psycopg.Connection) -> None:
    connection.execute(TABLE)
    connection.execute("INSERT INTO orders (customer) VALUES (1), (2), (3)")
    assert connection.execute("SELECT id FROM orders ORDER BY id").fetchall() == [(10,), (15,), (20,)]
    with pytest.raises(psycopg.Error, match="cannot set an identity column to a value"):
        connection.execute("INSERT INTO orders (id) VALUES (1)")


def test_keys_inform_and_are_not_enforced(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE parents (id INT PRIMARY KEY, name VARCHAR(10))")
    connection.execute("CREATE TABLE children (id INT, parent INT REFERENCES parents (id), PRIMARY KEY (id))")
    connection.execute("INSERT INTO parents VALUES (1, 'a'), (1, 'b')")
    connection.execute("INSERT INTO children VALUES (1, 99), (1, 99)")
    keys = connection.execute(
        "SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'children'::regclass ORDER BY 1"
    ).fetchall()
    assert keys == [
        ("children_parent_fkey", "f", "FOREIGN KEY (parent) REFERENCES parents(id)"),
        ("children_pkey", "p", "PRIMARY KEY (id)"),
    ]
    with pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO children VALUES (NULL, 1)")


def test_constraints_are_added_and_dropped(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE plain (a INT, b INT)")
    connection.execute("ALTER TABLE plain ADD CONSTRAINT whole PRIMARY KEY (a, b)")
    assert connection.execute("SELECT conname FROM pg_constraint WHERE conrelid = 'plain'::regclass").fetchall() == [
        ("whole",)
    ]
    connection.execute("ALTER TABLE plain DROP CONSTRAINT whole")
    assert connection.execute("SELECT conname FROM pg_constraint WHERE conrelid = 'plain'::regclass").fetchall() == []
    with pytest.raises(psycopg.Error, match='constraint "whole" of relation "plain" does not exist'):
        connection.execute("ALTER TABLE plain DROP CONSTRAINT whole")


def test_dist_and_sort_keys_can_be_altered(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE moved (a INT, b INT) DISTSTYLE EVEN")
    connection.execute("ALTER TABLE moved ALTER DISTKEY b")
    connection.execute("ALTER TABLE moved ALTER COMPOUND SORTKEY (b, a)")
    connection.execute("ALTER TABLE moved ALTER COLUMN a ENCODE bytedict, ALTER COLUMN b ENCODE raw")
    assert _definition(connection, "moved") == [
        ("a", "integer", "bytedict", False, 2, False),
        ("b", "integer", "none", True, 1, False),
    ]


def test_a_varchar_may_only_grow(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE grown (note VARCHAR(5), n INT)")
    connection.execute("ALTER TABLE grown ALTER COLUMN note TYPE VARCHAR(10)")
    connection.execute("INSERT INTO grown VALUES ('ééééé')")
    with pytest.raises(psycopg.Error, match="greater or equal to current maximum column size 10"):
        connection.execute("ALTER TABLE grown ALTER COLUMN note TYPE VARCHAR(9)")
    with pytest.raises(psycopg.Error, match="VARCHAR only"):
        connection.execute("ALTER TABLE grown ALTER COLUMN n TYPE BIGINT")
    connection.autocommit = False
    with pytest.raises(psycopg.Error, match="cannot run inside a transaction block"):
        connection.execute("SELECT 1")
        connection.execute("ALTER TABLE grown ALTER COLUMN note TYPE VARCHAR(20)")


def test_an_added_column_must_have_a_default_to_be_not_null(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE added (a INT)")
    connection.execute("ALTER TABLE added ADD COLUMN b VARCHAR(3) ENCODE lzo DEFAULT 'x' NOT NULL")
    with pytest.raises(psycopg.Error, match="must have a non-null default expression"):
        connection.execute("ALTER TABLE added ADD COLUMN c INT NOT NULL")
    with pytest.raises(psycopg.errors.StringDataRightTruncation):
        connection.execute("INSERT INTO added VALUES (1, 'éé')")


def test_append_from_moves_the_rows(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE kept (a INT, b INT)")
    connection.execute("CREATE TABLE staged (b INT, a INT, extra INT)")
    connection.execute("INSERT INTO staged VALUES (2, 1, 3)")
    with pytest.raises(psycopg.Error, match='column "extra" is in one of the tables alone'):
        connection.execute("ALTER TABLE kept APPEND FROM staged")
    connection.execute("ALTER TABLE kept APPEND FROM staged IGNOREEXTRA")
    assert connection.execute("SELECT * FROM kept").fetchall() == [(1, 2)]
    assert connection.execute("SELECT count(*) FROM staged").fetchall() == [(0,)]


def test_create_table_as_takes_attributes(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE source (id INT, name VARCHAR(7))")
    connection.execute("CREATE TABLE made DISTKEY (id) SORTKEY (name) AS SELECT id, name FROM source")
    assert _definition(connection, "made") == [
        ("id", "integer", "az64", True, 0, False),
        ("name", "character varying(7)", "none", False, 1, False),
    ]
    connection.execute("CREATE TABLE alike (LIKE source)")
    assert [row[1] for row in _definition(connection, "alike")] == ["integer", "character varying(7)"]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("a VARCHAR(65536)", "length for type character varying cannot exceed 65535"),
        ("a CHAR(4097)", "length for type character cannot exceed 4096"),
        ("a NUMERIC(39, 0)", "NUMERIC precision 39 must be between 1 and 38"),
        ("a GEOMETRY", "type geometry is not emulated"),
        ("a JSON", 'Column "refused.a" has unsupported type "json"'),
        ("a INT[]", 'Column "refused.a" has unsupported type'),
        ("a INT, SORTKEY (b)", "has unsupported type"),
    ],
)
def test_what_redshift_refuses_is_refused(connection: psycopg.Connection, definition: str, message: str) -> None:
    with pytest.raises(psycopg.Error, match=message.replace("(", r"\(")):
        connection.execute(f"CREATE TABLE refused ({definition})")


def test_a_char_column_takes_single_bytes_alone(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE coded (code CHAR(4))")
    connection.execute("INSERT INTO coded VALUES ('ab')")
    with pytest.raises(psycopg.Error, match="invalid ASCII"):
        connection.execute("INSERT INTO coded VALUES ('é')")


def test_quoted_names_fold_until_the_session_says_otherwise(connection: psycopg.Connection) -> None:
    connection.execute('CREATE TABLE "Mixed" ("Column" INT)')
    assert [row[0] for row in _definition(connection, "mixed")] == ["column"]
    connection.execute("SET enable_case_sensitive_identifier TO true")
    connection.execute('CREATE TABLE "Exact" ("Column" INT)')
    assert [row[0] for row in _definition(connection, "Exact")] == ["Column"]


def test_a_table_named_with_a_hash_is_temporary(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE #scratch (id INT) DISTSTYLE ALL")
    connection.execute("INSERT INTO #scratch VALUES (1)")
    assert connection.execute("SELECT id FROM #scratch").fetchall() == [(1,)]
    assert connection.execute("SELECT count(*) FROM svv_tables WHERE table_name = '#scratch'").fetchall() == [(1,)]
