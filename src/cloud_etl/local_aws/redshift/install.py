"""The catalogue in every database: installed once in the template that new databases are made from."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from cloud_etl.errors import TargetError
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.dialect.parameters import DEFAULT_PATH, REDSHIFT_PARAMETERS
from cloud_etl.local_aws.redshift.dialect.tokens import literal, quote
from cloud_etl.local_aws.redshift.postgres import SAFE_ROLES_MAJOR, SUPERUSER

_SCRIPTS = (
    "abstime.sql", "attributes.sql", "functions.sql", "loads.sql", "logs.sql", "views.sql", "svv.sql", "shown.sql",
    "triggers.sql",
)  # fmt: skip
_TEMPLATE = "template1"
# PostgreSQL's own database holds no catalogue of ours.
_DATABASES = (
    "SELECT datname FROM pg_database WHERE datallowconn AND datname NOT IN ('postgres', 'template0', 'template1')"
)
# Goes up with every change of the scripts; what an older one made is not changed in place.
CATALOG_VERSION = "2"
# What an older version let the administrator, and those he made, have.
_NOBODY_ELSE = f"""
DO $$ DECLARE known record; BEGIN
  FOR known IN SELECT rolname FROM pg_roles WHERE rolname <> '{SUPERUSER}'
    AND (rolsuper OR rolreplication OR rolbypassrls) LOOP
    EXECUTE format('ALTER ROLE %I NOSUPERUSER NOREPLICATION NOBYPASSRLS', known.rolname);
  END LOOP;
  FOR known IN SELECT granted.rolname AS right_of, member.rolname FROM pg_auth_members
    JOIN pg_roles granted ON granted.oid = roleid JOIN pg_roles member ON member.oid = pg_auth_members.member
    WHERE granted.rolname IN ('{SUPERUSER}', 'pg_execute_server_program', 'pg_read_server_files',
    'pg_write_server_files')
  LOOP
    EXECUTE format('REVOKE %I FROM %I', known.right_of, known.rolname);
  END LOOP;
END $$;
"""
# Those that PostgreSQL trusts may be made by the owner of a database; Redshift has none.
_NO_EXTENSIONS = """
CREATE OR REPLACE FUNCTION redshift_catalog.refuse_extension() RETURNS event_trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE insufficient_privilege USING MESSAGE = format('%s is not supported', tg_tag); END $$;
DROP EVENT TRIGGER IF EXISTS redshift_no_extensions;
CREATE EVENT TRIGGER redshift_no_extensions ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION', 'CREATE LANGUAGE')
  EXECUTE FUNCTION redshift_catalog.refuse_extension();
"""
_READABLE = """
GRANT USAGE ON SCHEMA redshift_catalog TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA redshift_catalog TO PUBLIC;
DO $$ DECLARE made oid; BEGIN
  FOR made IN SELECT oid FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND oid >= 16384
    AND relkind IN ('r', 'v') LOOP
    EXECUTE format('GRANT SELECT ON %s TO PUBLIC', made::regclass);
  END LOOP;
END $$;
"""


def internal(socket_path: str, database: str) -> PostgresConnection:
    """A connection of the server's own, outside of serializable conflicts."""
    options = "-c default_transaction_isolation=read\\ committed -c search_path=pg_catalog"
    return PostgresConnection(socket_path, {"user": SUPERUSER, "database": database, "options": options})


def install(socket_path: str, *, database: str, user: str, password: str) -> None:
    """Make catalogue, database and administrator, or bring the administrator's password up to date."""
    admin = internal(socket_path, _TEMPLATE)
    try:
        _install_catalog(admin)
        admin.execute(_NO_EXTENSIONS)
        _install_user(admin, user, password)
    finally:
        admin.close()
    maintenance = internal(socket_path, "postgres")
    try:
        if not maintenance.rows(f"SELECT 1 FROM pg_database WHERE datname = {literal(database)}"):
            maintenance.execute(f"CREATE DATABASE {quote(database)} OWNER {quote(user)}")
        names = [str(name) for (name,) in maintenance.rows(_DATABASES)]
    finally:
        maintenance.close()
    for name in names:
        # Those of an older version do not have it from their template.
        own = internal(socket_path, name)
        try:
            # One that a client made from template0 has no catalogue.
            if own.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'redshift_catalog'"):
                own.execute(_NO_EXTENSIONS)
        finally:
            own.close()


def _install_catalog(admin: PostgresConnection) -> None:
    found = admin.rows("SELECT obj_description(oid) FROM pg_namespace WHERE nspname = 'redshift_catalog'")
    if found and found[0][0] == CATALOG_VERSION:
        return
    if found:
        raise TargetError(
            f"the local Redshift server's data has the catalogue of version {found[0][0]}, this cloud-etl makes "
            f"version {CATALOG_VERSION}; nothing was changed. Move the folder away to begin anew, or run the cloud-etl "
            "that made it."
        )
    version = f"COMMENT ON SCHEMA redshift_catalog IS {literal(CATALOG_VERSION)}"
    script = catalog_script()
    # Redshift's own tables and views lie in pg_catalog, where nothing may be made otherwise.
    admin.execute(f"BEGIN; SET LOCAL allow_system_table_mods = on; {script} {_READABLE} {version}; COMMIT")


def catalog_script() -> str:
    """The SQL that makes the catalogue."""
    return "".join((files(__package__) / "catalog" / name).read_text() for name in _SCRIPTS)


def _install_user(admin: PostgresConnection, user: str, password: str) -> None:
    known = admin.rows(f"SELECT 1 FROM pg_authid WHERE rolname = {literal(user)}")
    verb = "ALTER" if known else "CREATE"
    hashed = "md5" + hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
    # No superuser of PostgreSQL: one runs programs and reads files as the server does.
    (version,) = admin.rows("SHOW server_version_num")[0]
    roles = "CREATEROLE" if int(str(version)) // 10_000 >= SAFE_ROLES_MAJOR else "NOCREATEROLE"
    admin.execute(f"{verb} ROLE {quote(user)} NOSUPERUSER {roles} CREATEDB LOGIN PASSWORD {literal(hashed)}")
    admin.execute(f"GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend TO {quote(user)}")
    admin.execute(_NOBODY_ELSE)


def server_options() -> dict[str, str]:
    """PostgreSQL settings that every session of a client begins with."""
    defaults = {f"redshift.{name}": value for name, value in REDSHIFT_PARAMETERS.items()}
    return {**defaults, "search_path": DEFAULT_PATH, "default_transaction_isolation": "serializable"}
