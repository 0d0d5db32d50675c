"""Users, schemas, views, privileges and maintenance: the clauses PostgreSQL does not know."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_etl.local_aws.redshift.dialect.create_table import Attributes
from cloud_etl.local_aws.redshift.dialect.parameters import with_catalog
from cloud_etl.local_aws.redshift.dialect.statement import Action, Rewritten
from cloud_etl.local_aws.redshift.dialect.tokens import (
    COMMENT,
    SPACE,
    STRING,
    WORD,
    Token,
    Tokens,
    literal,
    significant,
    sql_of,
    stripped,
    tokenize,
    words,
)
from cloud_etl.local_aws.redshift.port import RedshiftError


def without(tokens: Tokens, *phrases: str) -> Tokens:
    """The tokens without these phrases; a `*` in a phrase stands for any one token."""
    solid = significant(tokens)
    dropped = set[int]()
    for phrase in phrases:
        wanted = phrase.split()
        for at in range(len(solid) - len(wanted) + 1):
            window = solid[at : at + len(wanted)]
            if all(want in ("*", tokens[i].upper) for want, i in zip(wanted, window, strict=True)):
                dropped.update(window)
    return [token for at, token in enumerate(tokens) if at not in dropped] if dropped else tokens


def user(tokens: Tokens) -> Tokens:
    """CREATE USER and ALTER USER."""
    said = words(tokens, 6)
    if said[3:5] == ["SET", "SEARCH_PATH"]:
        return with_catalog(tokens)
    tokens = without(
        tokens, "SYSLOG ACCESS *", "SESSION TIMEOUT *", "RESET SESSION TIMEOUT", "CONNECTION LIMIT UNLIMITED"
    )
    tokens = [_plain_password(token) if token.kind == STRING else token for token in tokens]
    renamed = {"CREATEUSER": "CREATEROLE", "NOCREATEUSER": "NOCREATEROLE"}
    made = [Token(WORD, renamed[t.upper]) if t.upper in renamed else t for t in tokens]
    return [
        Token(WORD, "NULL") if t.upper == "DISABLE" and made[at - 2].upper == "PASSWORD" else t
        for at, t in enumerate(made)
    ]


def _plain_password(token: Token) -> Token:
    """`'sha256|password'` asks for a way to keep the password; here it is kept in the one way there is."""
    algorithm, bar, password = token.text[1:-1].partition("|")
    if not bar or algorithm.lower() != "sha256" or "|" in password:
        return token
    return Token(STRING, f"'{password}'")


def schema(tokens: Tokens) -> Tokens:
    """CREATE SCHEMA."""
    return without(tokens, "QUOTA UNLIMITED", "QUOTA * MB", "QUOTA * GB", "QUOTA * TB", "QUOTA *")


def database(tokens: Tokens) -> Tokens:
    """CREATE DATABASE."""
    return without(
        tokens, "COLLATE CASE_SENSITIVE", "COLLATE CASE_INSENSITIVE", "COLLATE CS", "COLLATE CI",
        "ISOLATION LEVEL SERIALIZABLE", "ISOLATION LEVEL SNAPSHOT", "CONNECTION LIMIT UNLIMITED",
    )  # fmt: skip


def alter_database(tokens: Tokens) -> Tokens:
    """ALTER DATABASE; snapshot isolation is PostgreSQL's repeatable read."""
    said = words(tokens, 6)
    if said[3:5] != ["ISOLATION", "LEVEL"]:
        return tokens
    level = "repeatable read" if said[5] == "SNAPSHOT" else "serializable"
    name = tokens[significant(tokens)[2]].text
    return tokenize(f"ALTER DATABASE {name} SET default_transaction_isolation TO '{level}'")


def view(tokens: Tokens) -> Tokens:
    """CREATE VIEW; a late-binding one is bound at once, and keeps its text."""
    made = without(tokens, "WITH NO SCHEMA BINDING")
    return made if made is tokens else [*made, Attributes({"late_binding": sql_of(tokens)}).comment()]


def materialized_view(tokens: Tokens) -> Tokens:
    """CREATE MATERIALIZED VIEW without its storage clauses."""
    at = next((i for i, token in enumerate(tokens) if token.upper == "AS"), len(tokens))
    head = without(tokens[:at], "AUTO REFRESH *", "BACKUP *", "DISTSTYLE *", "DISTKEY ( * )", "COMPOUND")
    opened = next((i for i, token in enumerate(head) if token.upper == "SORTKEY"), len(head))
    return head[:opened] + tokens[at:]


def privileges(tokens: Tokens) -> Rewritten:
    """GRANT and REVOKE."""
    said = words(tokens, 4)
    is_system_role = said[1:4] == ["ROLE", "SYS", ":"]
    if is_system_role or said[1] == "ASSUMEROLE" or (said[1] == "USAGE" and "DATASHARE" in said):
        return Rewritten(tokenize("SELECT WHERE false"), tag=said[0])
    return Rewritten(without(tokens, "ROLE", "FORCE"))


def analyze(tokens: Tokens) -> Tokens:
    """ANALYZE, and ANALYZE COMPRESSION as a query."""
    if words(tokens, 2)[1:] == ["COMPRESSION"]:
        name = sql_of(tokens[significant(tokens)[2] :]).split(" COMPROWS")[0].split("(")[0].strip()
        return tokenize(f"SELECT * FROM redshift_catalog.analyze_compression({literal(name)})")
    return without(tokens, "PREDICATE COLUMNS", "ALL COLUMNS")


def vacuum(tokens: Tokens) -> Rewritten:
    """VACUUM; every kind of it is PostgreSQL's plain one."""
    tokens = without(tokens, "TO * PERCENT", "SORT ONLY", "DELETE ONLY", "REINDEX", "RECLUSTER", "FULL", "BOOST")
    return Rewritten(tokens, Action.ALONE)


def cancel(tokens: Tokens) -> Tokens:
    """CANCEL pid ['message']."""
    return tokenize(f"SELECT pg_cancel_backend({tokens[significant(tokens)[1]].text})")


def refused(tokens: Tokens) -> Rewritten:
    """What needs services a laptop has not."""
    kind = " ".join(words(tokens, 3)[:3])
    raise RedshiftError(f"{kind} is not emulated by the local Redshift server", sqlstate="0A000")


def solid_words(tokens: Sequence[Token]) -> Tokens:
    """The tokens that are neither space nor comment."""
    return [token for token in stripped(tokens) if token.kind not in (SPACE, COMMENT)]
