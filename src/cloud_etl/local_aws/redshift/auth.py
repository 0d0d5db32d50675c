"""Who may connect: passwords checked against the hashes PostgreSQL keeps, by the MD5 exchange every driver speaks."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct

from cloud_etl.local_aws.redshift import protocol
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.dialect.tokens import literal
from cloud_etl.local_aws.redshift.port import RedshiftError
from cloud_etl.local_aws.redshift.protocol import Wire, message

_MD5_PASSWORD = 5
_MD5_LENGTH = 35


def authenticate(client: Wire, user: str, admin: PostgresConnection) -> None:
    """Ask the client for its password and check it.

    Args:
        client: waits for the server's first message.
        user: whom it wants to be.
        admin: a superuser's connection, to read the hash.

    Raises:
        RedshiftError: there is no such user, it may not log in, or the password is wrong.
    """
    salt = os.urandom(4)
    client.write(message(b"R", struct.pack("!i", _MD5_PASSWORD) + salt))
    client.flush()
    answer = client.read()
    given = answer.body.rstrip(b"\0").decode(errors="replace")
    if answer.kind != b"p" or not _is_right(given, stored_hash(admin, user), salt):
        raise RedshiftError(f'password authentication failed for user "{user}"', sqlstate="28000")
    client.write(message(b"R", struct.pack("!i", 0)))


def stored_hash(admin: PostgresConnection, user: str) -> str | None:
    """The hash of a user's password; None when there is no such user or it has no password."""
    found = admin.rows(
        "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolcanlogin AND coalesce(rolvaliduntil > now(), true) "
        f"AND rolname = {literal(user)}"
    )
    return found[0][0] if found else None


def _is_right(given: str, stored: str | None, salt: bytes) -> bool:
    if stored is None or len(stored) != _MD5_LENGTH:
        return False
    expected = "md5" + hashlib.md5(stored[3:].encode() + salt, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(given.encode(), expected.encode())


def refusal(error: RedshiftError) -> bytes:
    """The FATAL error that ends a connection before it began."""
    return protocol.error("FATAL", {"C": error.sqlstate, "M": error.message})
