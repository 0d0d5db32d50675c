"""What one client session offers to the parts that run statements PostgreSQL does not know, as COPY and UNLOAD."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class RedshiftError(Exception):
    """An error as a client sees it; in a transaction block it aborts the block, as any other error does.

    Args:
        message: the text; Redshift's own where it is known.
        sqlstate: the five characters clients test.
        detail: further lines, as Redshift's `error: / code: / context:` block.
        hint: what to do about it.
    """

    def __init__(  # noqa: D107  the class says it
        self, message: str, *, sqlstate: str = "XX000", detail: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint


@dataclass(frozen=True, slots=True)
class S3Settings:
    """The S3 endpoint that COPY reads from and UNLOAD writes to, with the credentials an IAM role stands for."""

    endpoint: str
    region: str = "us-east-1"
    path_style: bool = True
    access_key_id: str = "local"
    secret_access_key: str = "local-secret"  # noqa: S105  any text will do for a local S3 server
    session_token: str | None = None


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One client session, at one statement."""

    user: str
    database: str
    pid: int
    query_id: int
    started_at: datetime
    s3: S3Settings


class Backend(Protocol):
    """The PostgreSQL connection behind one client session, inside the client's own transaction.

    Every method raises RedshiftError when PostgreSQL refuses the statement.
    """

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """Run one statement; all its rows, each value in PostgreSQL's text format."""
        ...

    def execute(self, sql: str) -> str:
        """Run one statement; its command tag, as `INSERT 0 5`."""
        ...

    def copy_in(self, sql: str, chunks: Iterable[bytes]) -> int:
        """Feed `COPY t FROM STDIN ...`; the number of rows. An exception from chunks aborts the statement."""
        ...

    def copy_out(self, sql: str) -> Iterator[bytes]:
        """What `COPY (...) TO STDOUT ...` sends, chunk by chunk as it arrives."""
        ...
