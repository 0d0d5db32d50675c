"""ALTER TABLE: keys, encodings and constraints go to the table's attributes, types follow Redshift's rules."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cloud_etl.local_aws.redshift.dialect.create_table import Attributes, column, constraint, table_attributes
from cloud_etl.local_aws.redshift.dialect.statement import Action, Rewritten
from cloud_etl.local_aws.redshift.dialect.tokens import (
    COMMENT,
    SPACE,
    Token,
    Tokens,
    literal,
    raw,
    significant,
    sql_of,
    stripped,
    tokenize,
    words,
)
from cloud_etl.local_aws.redshift.dialect.types import to_postgres
from cloud_etl.local_aws.redshift.port import RedshiftError

# Changes nothing, but is a change of the table, so that the event trigger reads the attributes.
_NO_CHANGE = " RESET (fillfactor)"
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN")


def alter_table(tokens: Tokens) -> Rewritten:
    """ALTER TABLE in PostgreSQL's words."""
    solid = significant(tokens)
    at = 2 if tokens[solid[2]].upper != "IF" else 4
    start = at
    while at + 2 < len(solid) and tokens[solid[at + 1]].upper == ".":
        at += 2
    if at + 1 >= len(solid):
        return Rewritten(tokens)
    head, rest = tokens[: solid[at] + 1], tokens[solid[at] + 1 :]
    name = sql_of(tokens[solid[start] : solid[at] + 1])
    match words(rest, 3):
        case ["ADD", *_]:
            return _add(head, stripped(rest))
        case ["DROP", "CONSTRAINT", *_]:
            return _attributes(head, {"drop_key": stripped(rest)[4].name})
        case ["APPEND", "FROM", *_]:
            return _append(name, stripped(rest))
        case ["ALTER", *_]:
            return _alter(head, stripped(rest), name)
        case _:
            return Rewritten(tokens)


def _attributes(head: Tokens, values: dict[str, object]) -> Rewritten:
    return Rewritten([*head, raw(_NO_CHANGE), Attributes(values).comment()])


def _add(head: Tokens, rest: Tokens) -> Rewritten:
    solid = significant(rest)
    if rest[solid[1]].upper in _CONSTRAINTS:
        return Rewritten([*head, raw(_NO_CHANGE), Attributes(keys=[constraint(rest[solid[1] :])]).comment()])
    first = 2 if rest[solid[1]].upper == "COLUMN" else 1
    attributes = Attributes(table=stripped(head)[-1].name)
    made = column(rest[solid[first] :], attributes)
    _check_not_null(made)
    attributes.values.pop("distkey", None)
    return Rewritten([*head, *tokenize(" ADD COLUMN "), *made, attributes.comment()])


def _check_not_null(made: Sequence[Token]) -> None:
    said = [token.upper for token in made if token.kind not in (SPACE, COMMENT)]
    not_null = any(pair == ("NOT", "NULL") for pair in itertools.pairwise(said))
    if not_null and "DEFAULT" not in said:
        raise RedshiftError(
            "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression", sqlstate="42601"
        )


def _append(target: str, rest: Tokens) -> Rewritten:
    said = [token for token in rest if token.kind not in (SPACE, COMMENT)]
    option = said[-1].upper if said[-1].upper in ("IGNOREEXTRA", "FILLTARGET") else ""
    source = "".join(token.text for token in said[2 : -1 if option else None])
    sql = f"SELECT redshift_catalog.append_from({literal(target)}, {literal(source)}, {literal(option)})"
    return Rewritten(tokenize(sql), Action.ALONE, "ALTER TABLE APPEND")


def _alter(head: Tokens, rest: Tokens, table: str) -> Rewritten:
    said = words(rest, 4)
    if said[1] == "COLUMN" and "TYPE" in said:
        return _type(head, rest, table)
    if said[1] == "COLUMN" and "ENCODE" in words(rest, 5):
        solid = [token for token in rest if token.kind not in (SPACE, COMMENT)]
        encodings = {solid[2 + at].name: solid[4 + at].name for at in range(0, len(solid) - 4, 6)}
        return _attributes(head, {"encodings": encodings})
    if said[1] in ("DISTKEY", "DISTSTYLE", "SORTKEY", "COMPOUND", "INTERLEAVED", "ENCODE"):
        attributes = Attributes()
        table_attributes(rest[significant(rest)[1] :], attributes)
        return _attributes(head, attributes.values)
    return Rewritten([*head, Token(SPACE, " "), *rest])


def _type(head: Tokens, rest: Tokens, table: str) -> Rewritten:
    solid = significant(rest)
    kind = next(position for position in solid if rest[position].upper == "TYPE")
    made = to_postgres(rest[kind + 1 :], column=True)
    widened = {"table": table, "column": rest[solid[2]].name, "type": sql_of(made).strip()}
    tokens = [*head, Token(SPACE, " "), *rest[: kind + 1], Token(SPACE, " "), *stripped(made)]
    return Rewritten([*tokens, Attributes({"widened": widened}).comment()], Action.ALONE)
