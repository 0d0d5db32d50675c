"""The SHOW commands that list databases, tables, columns, keys, grants and routines, as queries of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_etl.local_aws.redshift.dialect.statement import Rewritten
from cloud_etl.local_aws.redshift.dialect.tokens import (
    COMMENT,
    PARAMETER,
    QUOTED,
    SPACE,
    STRING,
    WORD,
    Token,
    closing,
    literal,
    split_on,
    sql_of,
    tokenize,
)
from cloud_etl.local_aws.redshift.port import RedshiftError

_HERE = "current_database()"


@dataclass(frozen=True, slots=True)
class _Command:
    """A SHOW command.

    Args:
        view: of the catalogue, with its rows.
        within: the columns that the dotted name after the keywords gives, the database first.
        like: the column that LIKE goes by.
        order: the columns its rows are in order of.
    """

    view: str
    within: tuple[str, ...] = ()
    like: str = ""
    order: tuple[str, ...] = ()


_DATABASE = ("database_name",)
_SCHEMA = (*_DATABASE, "schema_name")
_TABLE = (*_SCHEMA, "table_name")
_PK_TABLE = ("pk_database_name", "pk_schema_name", "pk_table_name")
_FK_TABLE = ("fk_database_name", "fk_schema_name", "fk_table_name")
_OBJECT = (*_SCHEMA, "object_name")
_GRANTS_ORDER = ("privilege_type", "identity_type = 'role'", "identity_id")
_COMMANDS = {
    "DATABASES": _Command("show_databases", (), "database_name", _DATABASE),
    "SCHEMAS FROM DATABASE": _Command("show_schemas", _DATABASE, "schema_name", _SCHEMA),
    "TABLES FROM SCHEMA": _Command("show_tables", _SCHEMA, "table_name", _TABLE),
    "TABLES FROM DATABASE": _Command("show_tables", _DATABASE, "table_name", _TABLE),
    "COLUMNS FROM TABLE": _Command("show_columns", _TABLE, "column_name", (*_TABLE, "ordinal_position")),
    "COLUMNS FROM DATABASE": _Command("show_columns", _DATABASE, "column_name", (*_TABLE, "ordinal_position")),
    "CONSTRAINTS PRIMARY KEYS FROM TABLE": _Command("show_primary_keys", _TABLE, "", (*_TABLE, "key_seq")),
    "CONSTRAINTS FOREIGN KEYS FROM TABLE": _Command("show_foreign_keys", _FK_TABLE, "", (*_PK_TABLE, "key_seq")),
    "CONSTRAINTS FOREIGN KEYS EXPORTED FROM TABLE": _Command(
        "show_foreign_keys", _PK_TABLE, "", (*_FK_TABLE, "key_seq")
    ),
    "GRANTS ON TABLE": _Command("show_grants", _OBJECT, "", (*_OBJECT, *_GRANTS_ORDER)),
    "GRANTS ON TABLES FROM DATABASE": _Command("show_grants", _DATABASE, "", (*_OBJECT, *_GRANTS_ORDER)),
    "COLUMN GRANTS ON TABLE": _Command(
        "show_column_grants", _TABLE, "column_name", (*_TABLE, "column_name", *_GRANTS_ORDER)
    ),
    "PROCEDURES FROM SCHEMA": _Command("show_procedures", _SCHEMA, "procedure_name", (*_SCHEMA, "procedure_name")),
    "FUNCTIONS FROM SCHEMA": _Command("show_functions", _SCHEMA, "function_name", (*_SCHEMA, "function_name")),
    "PARAMETERS OF PROCEDURE": _Command(
        "show_procedure_parameters", (*_SCHEMA, "procedure_name"), "parameter_name", ("ordinal_position",)
    ),
    "PARAMETERS OF FUNCTION": _Command(
        "show_function_parameters", (*_SCHEMA, "function_name"), "parameter_name", ("ordinal_position",)
    ),
}  # fmt: skip


def show(tokens: Sequence[Token]) -> Rewritten | None:
    """One of these commands as a query; None when it is another SHOW.

    Raises:
        RedshiftError: it does not go on as the command does.
    """
    words = [token for token in tokens if token.kind not in (SPACE, COMMENT)][1:]
    said = [token.upper for token in words]
    for keywords, command in sorted(_COMMANDS.items(), key=lambda known: -len(known[0])):
        expected = keywords.split()
        if said[: len(expected)] == expected:
            return _query(command, words[len(expected) :])
    return None


def _query(command: _Command, words: list[Token]) -> Rewritten:
    place, conditions = _HERE, list[str]()
    if command.within:
        parts, words = _name(words)
        missing = len(command.within) - len(parts)
        known = [_HERE, "current_schema()", ""][:missing]
        if missing < 0 or "" in known:
            raise _unexpected(words)
        place, *_ = values = [*known, *parts]
        conditions += [f"{column} = {value}" for column, value in zip(command.within, values, strict=True)]
    if words and words[0].upper == "(":
        end = closing(words, 0)
        conditions.append(_arguments(words[1:end]))
        words = words[end + 1 :]
    limit = _clauses(command, words, conditions)
    view = f"redshift_catalog.{command.view}"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    elsewhere = f"jsonb_populate_recordset(NULL::{view}, redshift_catalog.elsewhere({place}))"
    source = f"(SELECT * FROM {view} UNION ALL SELECT * FROM {elsewhere}) AS shown" if command.within else view
    order = ", ".join(f'{column} COLLATE "C"' if column.endswith("name") else column for column in command.order)
    made = tokenize(f"SELECT * FROM {source}{where} ORDER BY {order}{limit}")
    return Rewritten(made, tag="SHOW", place=place if place != _HERE else None)


def _name(words: list[Token]) -> tuple[list[str], list[Token]]:
    """The parts of a dotted name as expressions, and what follows it."""
    parts, at = list[str](), 0
    while at < len(words):
        parts.append(_value(words[at]))
        if at + 1 == len(words) or words[at + 1].upper != ".":
            break
        at += 2
    if at >= len(words):
        raise _unexpected([])
    return parts, words[at + 1 :]


def _value(token: Token) -> str:
    if token.kind == PARAMETER:
        return f"{token.text}::text"
    if token.kind in (WORD, QUOTED):
        return literal(token.name)
    if token.kind == STRING:
        return token.text
    raise _unexpected([token])


def _arguments(words: list[Token]) -> str:
    """The condition on a routine's argument types."""
    given = [
        _value(part[0]) if len(part) == 1 and part[0].kind != WORD else literal(" ".join(token.text for token in part))
        for part in split_on(words, ",")
        if part
    ]
    return f"argument_list = concat_ws(', ', {', '.join(given)})" if given else "argument_list = ''"


def _clauses(command: _Command, words: list[Token], conditions: list[str]) -> str:
    """LIKE, WHERE and LIMIT; the LIMIT as SQL. DRIVER_TOKEN, which tells one client's calls apart, has no effect."""
    limit = ""
    while words:
        word = words[0].upper
        if len(words) < 2:
            raise _unexpected(words)
        if word == "LIKE" and command.like:
            conditions.append(f"{command.like} LIKE {_value(words[1])}")
        elif word == "LIMIT":
            limit = f" LIMIT {sql_of(words[1:2])}"
        elif word in ("WHERE", "AND") and len(words) > 3 and words[2].upper == "LIKE":
            # A grant's table is an object.
            column = command.order[2] if words[1].upper == "TABLE_NAME" else words[1].text
            conditions.append(f"{column} LIKE {_value(words[3])}")
            words = words[2:]
        elif word != "DRIVER_TOKEN":
            raise _unexpected(words)
        words = words[2:]
    return limit


def _unexpected(words: Sequence[Token]) -> RedshiftError:
    where = f'at or near "{words[0].text}"' if words else "at end of input"
    return RedshiftError(f"syntax error {where}", sqlstate="42601")
