"""Redshift's SQL becomes PostgreSQL's; what needs no change stays as it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.local_aws.redshift.dialect.statement import Action
from cloud_etl.local_aws.redshift.dialect.tokens import sql_of, tokenize
from cloud_etl.local_aws.redshift.dialect.translate import translate
from cloud_etl.local_aws.redshift.port import RedshiftError


def _sql(text: str, *, case_sensitive: bool = False) -> str:
    """The one statement of a text, without the attributes that travel in a comment."""
    (statement,) = translate(text, case_sensitive=case_sensitive)
    return re.sub(r" /\*redshift:.*\*/$", "", statement.sql)


@given(st.text(alphabet="abcAB_1. '\"\\$-/*;,()#éあ\n", max_size=60))
def test_tokens_joined_are_the_text(text: str) -> None:
    assert sql_of(tokenize(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT  1 ;",
        "select t.a, 'DISTKEY SORTKEY SYSDATE', \"lower\" from t where x = 'TOP 5' -- IDENTITY(1,1)\n",
        "INSERT INTO t VALUES ('it''s \\'NVL(1)\\'', $1)",
        "WITH w AS (SELECT a FROM s.t AS x WHERE x.a > 1) SELECT w.a FROM w, (SELECT 1 AS one) AS z WHERE z.one = 1",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "DO $body$ BEGIN PERFORM nvl(1, 2); END $body$",
    ],
)
def test_a_statement_without_redshift_in_it_stays_byte_for_byte(text: str) -> None:
    assert translate(text)[0].sql == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "CREATE TABLE t (a VARCHAR, b CHAR, c DECIMAL, d TEXT, e VARCHAR(MAX), f VARBYTE(8)) DISTSTYLE EVEN",
            "CREATE TABLE t (a varchar(256), b char(1), c numeric(18,0), d varchar(256), e varchar(65535), f bytea)",
        ),
        (
            "create temp table t (id int identity(1, 2) encode az64 distkey sortkey, primary key (id)) backup no",
            "create temp table t (id int GENERATED ALWAYS AS IDENTITY (START WITH 1 INCREMENT BY 2 MINVALUE 1))",
        ),
        ("CREATE TABLE t DISTKEY (a) AS SELECT 1 AS a", "CREATE TABLE t AS SELECT 1 AS a"),
        ("CREATE TABLE t (a INT DEFAULT (1 + 2) NOT NULL)", "CREATE TABLE t (a INT DEFAULT (1 + 2) NOT NULL)"),
        ("ALTER TABLE t ADD COLUMN a VARCHAR(3) ENCODE zstd", "ALTER TABLE t ADD COLUMN a varchar(3)"),
        ("SELECT TOP 3 DISTINCT_ID FROM t", "SELECT DISTINCT_ID FROM t LIMIT 3"),
        ("SELECT DATEADD(day, 1, x)", "SELECT DATEADD('day', 1, x)"),
        ("SELECT x::decimal", "SELECT x::numeric(18,0)"),
        ("SELECT SYSDATE", "SELECT sysdate()"),
        ("SELECT a FROM (SELECT 1 AS a)", "SELECT a FROM (SELECT 1 AS a) AS unnamed_subquery_1"),
        ("SELECT a FROM t WHERE 1 AND b", "SELECT a FROM t WHERE true AND b"),
        ("SELECT * FROM pg_catalog.pg_class c", "SELECT * FROM redshift_catalog.pg_class c"),
        ("DELETE t WHERE a = 1", "DELETE FROM t WHERE a = 1"),
        ("SET query_group TO 'x'", "SET redshift.query_group TO 'x'"),
        ("SELECT o.item.price, item.name::varchar FROM o", None),
        ("CREATE USER u PASSWORD DISABLE CREATEUSER", "CREATE USER u PASSWORD NULL CREATEROLE"),
    ],
)
def test_redshift_becomes_postgresql(text: str, expected: str | None) -> None:
    wanted = expected or "SELECT o.item['price'], redshift_catalog.json_text(item['name'])::varchar FROM o"
    assert _sql(text).split() == wanted.split()


def test_quoted_names_fold_unless_the_session_is_case_sensitive() -> None:
    assert _sql('SELECT "Ab", \'Ab\' FROM "T"') == 'SELECT "ab", \'Ab\' FROM "t"'
    assert _sql('SELECT "Ab" FROM "T"', case_sensitive=True) == 'SELECT "Ab" FROM "T"'


def test_a_large_insert_of_plain_values_is_passed_on_unread() -> None:
    text = "INSERT INTO t (a, b) VALUES " + ", ".join(f"({n}, 'it''s TOP {n}', -1.5e3, NULL)" for n in range(5000))
    (statement,) = translate(text)
    assert statement.sql is text
    assert statement.verb == "INSERT"


def test_what_the_session_must_do_is_said_with_the_statement() -> None:
    actions = {text: translate(text)[0].action for text in ("TRUNCATE t", "VACUUM FULL t", "SELECT 1")}
    assert actions == {"TRUNCATE t": Action.COMMIT_AFTER, "VACUUM FULL t": Action.ALONE, "SELECT 1": Action.FORWARD}
    assert translate("COPY t FROM 's3://b/k' IAM_ROLE default")[0].action is Action.COPY
    assert translate("UNLOAD ('SELECT 1') TO 's3://b/k' IAM_ROLE default")[0].action is Action.UNLOAD


def test_several_statements_come_apart_at_their_semicolons() -> None:
    statements = translate("SELECT ';'; CREATE TABLE t (a INT) DISTSTYLE ALL; ; -- the end")
    assert [statement.verb for statement in statements] == ["SELECT", "CREATE TABLE"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE TABLE t (a GEOMETRY)", "not emulated"),
        ("CREATE TABLE t (a MONEY)", 'Column "t.a" has unsupported type "money"'),
        ("CREATE TABLE t (a INT) PARTITION BY a", "syntax error"),
        ("CREATE EXTERNAL SCHEMA s FROM DATA CATALOG", "not emulated"),
        ("COPY t FROM STDIN", "s3"),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "WHEN NOT MATCHED"),
    ],
)
def test_what_redshift_or_the_server_has_not_is_refused(text: str, message: str) -> None:
    with pytest.raises(RedshiftError, match=re.escape(message)):
        translate(text)
