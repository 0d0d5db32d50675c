"""The authorization clauses of COPY and UNLOAD, checked for their form; no role is assumed here."""

from __future__ import annotations

import re

from cloud_etl.local_aws.redshift.copy.statement import Authorization
from cloud_etl.local_aws.redshift.copy.tokens import Cursor
from cloud_etl.local_aws.redshift.port import RedshiftError

_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_KEY_WORDS = ("IAM_ROLE", "CREDENTIALS", "WITH", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
_CREDENTIAL_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "token": "session_token",
}


class AuthorizationClauses:
    """Collects the clauses of one statement, wherever they stand in it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._roles: tuple[str, ...] = ()
        self._keys: dict[str, str] = {}

    def take(self, cursor: Cursor) -> bool:
        """Read a clause if one begins here.

        Raises:
            RedshiftError: the clause is not complete, or a role is not written as one.
        """
        if not cursor.token.says(*_KEY_WORDS):
            return False
        word = cursor.take().text.upper()
        if word == "WITH":
            cursor.expect("CREDENTIALS")
            word = "CREDENTIALS"
        if word == "IAM_ROLE":
            self._roles = ("default",) if cursor.accept("DEFAULT") else _roles(cursor.string())
            return True
        cursor.accept("AS")
        if word == "CREDENTIALS":
            self._credentials(cursor.string())
        else:
            self._keys[word.lower()] = cursor.string()
        return True

    def done(self) -> Authorization:
        """What the clauses say together.

        Raises:
            RedshiftError: half a pair of keys.
        """
        keys = self._keys
        if bool(keys.get("access_key_id")) != bool(keys.get("secret_access_key")):
            raise _invalid("Must provide both ACCESS_KEY_ID and SECRET_ACCESS_KEY.")
        return Authorization(self._roles, **keys)

    def _credentials(self, text: str) -> None:
        for part in filter(None, (part.strip() for part in text.split(";"))):
            key, _, value = part.partition("=")
            key = key.strip().lower()
            if key == "aws_iam_role":
                self._roles = _roles(value.strip())
            elif key in _CREDENTIAL_KEYS:
                self._keys[_CREDENTIAL_KEYS[key]] = value.strip()
            elif key != "master_symmetric_key":
                raise _invalid(
                    "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or "
                    "'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'"
                )


def _roles(text: str) -> tuple[str, ...]:
    if text.lower() in ("default", "session"):
        return (text.lower(),)
    roles = tuple(role.strip() for role in text.split(","))
    if not all(_ROLE.fullmatch(role) for role in roles):
        # Not the text: somebody may have put keys where the role belongs.
        raise _invalid("The IAM role is not valid. Must be of the format: arn:aws:iam::<account id>:role/<role name>")
    return roles


def _invalid(message: str) -> RedshiftError:
    return RedshiftError(message)
