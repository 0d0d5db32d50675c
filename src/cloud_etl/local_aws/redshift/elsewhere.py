"""What a SHOW command asks of another database: run there, and brought to the session that asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.dialect.statement import Statement
from cloud_etl.local_aws.redshift.dialect.tokens import PARAMETER, literal, tokenize
from cloud_etl.local_aws.redshift.port import RedshiftError
from cloud_etl.local_aws.redshift.relay import Relay

_SETTING = "redshift.elsewhere"
_NO_DATABASE = "3D000"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Reaches the server's other databases for one session.

    Args:
        relay: of the session.
        user: whose rights count there too.
        database: the session's own.
    """

    relay: Relay
    user: str
    database: str

    def bring(self, statement: Statement, values: Sequence[bytes | None] = ()) -> None:
        """Run a statement where it asks, and leave its rows in the session for the statement to read.

        Args:
            statement: may ask of another database, see `Statement.place`.
            values: of its parameters.

        Raises:
            RedshiftError: the user may not enter it.
        """
        if statement.place is None or self.relay.backend.status == b"E":
            return
        place = _plain(statement.place, values)
        if place == self.database:
            return
        self.relay.remember(_SETTING, self._rows(place, _filled(statement.sql, values)))

    def _rows(self, place: str, sql: str) -> str:
        parameters = {"user": self.user, "client_encoding": "UTF8", "database": place}
        try:
            there = PostgresConnection(self.relay.backend.socket_path, parameters)
        except RedshiftError as exc:
            # Redshift's driver counts on an answer without rows.
            if exc.sqlstate == _NO_DATABASE:
                return "[]"
            raise
        try:
            ((rows,),) = there.rows(f"SELECT jsonb_agg(to_jsonb(found)) FROM ({sql}) AS found")
        finally:
            there.close()
        return rows or "[]"


def _plain(place: str, values: Sequence[bytes | None]) -> str:
    (token,) = tokenize(place.removesuffix("::text"))
    if token.kind == PARAMETER:
        return (values[int(token.text[1:]) - 1] or b"").decode()
    return token.text[1:-1].replace("''", "'").replace("\\\\", "\\")


def _filled(sql: str, values: Sequence[bytes | None]) -> str:
    """A statement with its parameters' values in their places."""
    texts = [literal((value or b"").decode()) for value in values]
    return "".join(texts[int(token.text[1:]) - 1] if token.kind == PARAMETER else token.text for token in tokenize(sql))
