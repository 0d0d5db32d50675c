"""One statement, ready for PostgreSQL, with what the session itself must do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from cloud_etl.local_aws.redshift.dialect.tokens import Tokens


class Action(Enum):
    """What the session does with a statement."""

    FORWARD = auto()
    COPY = auto()
    UNLOAD = auto()
    # Ends the transaction it stands in, as TRUNCATE does.
    COMMIT_AFTER = auto()
    # Is refused inside a transaction block.
    ALONE = auto()


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the client's and what it became.

    Args:
        sql: for PostgreSQL; the client's own text when nothing had to change.
        original: the client's text.
        verb: its first words, as `CREATE TABLE`.
        action: what the session does with it.
        tag: the command tag a client expects, when PostgreSQL's differs.
        settings: session parameters it sets, by name; None resets one.
        place: the database a SHOW asks of, as it stands in the SQL, when it names one.
        may_use_aliases: whether a name of its SELECT list may be used again, see `dialect/aliases.py`.
    """

    sql: str
    original: str
    verb: str
    action: Action = Action.FORWARD
    tag: str | None = None
    settings: tuple[tuple[str, str | None], ...] = ()
    may_use_aliases: bool = False
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a statement's own rewriting gives, beside the passes every statement takes."""

    tokens: Tokens
    action: Action = Action.FORWARD
    tag: str | None = None
    settings: tuple[tuple[str, str | None], ...] = ()
    place: str | None = None


Rewrite = Callable[[Tokens], Rewritten]
