"""The administrator of Redshift has no right on the server behind it, on every PostgreSQL that is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_etl.local_aws.redshift import install, postgres
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("local_aws")]
_FOLDERS = {
    postgres.major_version(folder): folder
    for folder in [*postgres._system_folders(), *postgres._wheel_folders()]
    if (folder / "initdb").exists()
}
_WORDS = r"(?i)denied|must (be|have)|does not exist|only|cannot|not available|not allowed|privilege|not supported"
_REFUSED = (
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/cloud-etl-x'",
    "CREATE TABLE t (a text); COPY t FROM PROGRAM 'id'",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT pg_read_binary_file('/etc/hostname')",
    "SELECT pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/hostname')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT lo_export(1, '/tmp/cloud-etl-x')",
    "ALTER SYSTEM SET archive_command = 'true'",
    "SET archive_command = 'true'",
    "SELECT pg_reload_conf()",
    "LOAD '/tmp/x.so'",
    "SET session_preload_libraries = 'x'",
    "CREATE FUNCTION f() RETURNS int AS '/tmp/x.so', 'f' LANGUAGE c",
    "CREATE FUNCTION f() RETURNS int AS 'x' LANGUAGE internal",
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION IF NOT EXISTS plpgsql",
    "DROP EVENT TRIGGER redshift_no_extensions",
    "ALTER EVENT TRIGGER redshift_no_extensions DISABLE",
    "DO $$ BEGIN EXECUTE 'CREATE EXTENSION hstore'; END $$",
    "CREATE EXTENSION plpython3u",
    "CREATE EXTENSION file_fdw",
    "CREATE EXTENSION adminpack",
    "CREATE EXTENSION dblink",
    "CREATE LANGUAGE plperlu",
    "ALTER USER awsuser SUPERUSER",
    "ALTER ROLE awsuser REPLICATION",
    "ALTER ROLE awsuser BYPASSRLS",
    "GRANT pg_execute_server_program TO awsuser",
    "GRANT pg_read_server_files TO awsuser",
    "GRANT rdsdb TO awsuser",
    "CREATE ROLE strong SUPERUSER",
    "CREATE ROLE strong IN ROLE pg_execute_server_program",
    "CREATE ROLE strong ADMIN rdsdb; GRANT rdsdb TO strong",
    "SET ROLE rdsdb",
    "SET SESSION AUTHORIZATION rdsdb",
    "ALTER ROLE rdsdb PASSWORD 'x'",
    "UPDATE pg_authid SET rolsuper = true",
    "DO $$ BEGIN EXECUTE 'GRANT pg_write_server_files TO awsuser'; END $$",
    "ALTER DATABASE template1 SET local_preload_libraries = 'x'",
    "SELECT pg_terminate_backend(0), pg_rotate_logfile()",
)


@pytest.fixture(scope="module", params=sorted(_FOLDERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder: Path = _FOLDERS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "binaries", lambda _: folder)
        made = Postgres(tmp_path_factory.mktemp(f"pg{request.param}"), install.server_options())
        made.start()
    # As an older version left it.
    admin = install.internal(made.socket_path, "postgres")
    admin.execute(
        "CREATE ROLE awsuser SUPERUSER LOGIN; CREATE ROLE other SUPERUSER; GRANT pg_read_server_files TO other"
    )
    admin.close()
    install.install(made.socket_path, database="dev", user="awsuser", password="Aa1")
    yield made
    made.stop()


@pytest.fixture
def administrator(server: Postgres) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(server.socket_path, {"user": "awsuser", "database": "dev"})
    yield connection
    connection.close()


@pytest.mark.parametrize("statement", _REFUSED)
def test_what_reaches_the_server_itself_is_refused(administrator: PostgresConnection, statement: str) -> None:
    with pytest.raises(Exception, match=_WORDS):
        administrator.execute(statement)


def test_what_an_administrator_needs_is_there(administrator: PostgresConnection) -> None:
    administrator.execute("CREATE SCHEMA made; CREATE TABLE made.t (a int); INSERT INTO made.t VALUES (1)")
    assert administrator.rows("SELECT count(*)::text FROM made.t") == [("1",)]
    administrator.execute("DROP SCHEMA made CASCADE")


def test_nobody_but_the_server_is_a_superuser_or_has_its_rights(server: Postgres) -> None:
    admin = install.internal(server.socket_path, "postgres")
    try:
        assert admin.rows("SELECT rolname FROM pg_roles WHERE rolsuper OR rolreplication OR rolbypassrls") == [
            ("rdsdb",)
        ]
        sql = "SELECT 1 FROM pg_auth_members JOIN pg_roles granted ON granted.oid = roleid JOIN pg_roles taker ON "
        sql += "taker.oid = pg_auth_members.member WHERE granted.rolname LIKE 'pg%server%' AND taker.rolname <> 'rdsdb'"
        assert admin.rows(sql) == []
        major = int(str(admin.rows("SHOW server_version_num")[0][0])) // 10_000
        makes_roles = admin.rows("SELECT rolcreaterole::text FROM pg_roles WHERE rolname = 'awsuser'")
        assert makes_roles == [("true" if major >= 16 else "false",)]
    finally:
        admin.close()
