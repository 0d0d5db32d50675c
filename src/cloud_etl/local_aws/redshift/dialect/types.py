"""Redshift's type names, default widths and limits in PostgreSQL's words."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_etl.local_aws.redshift.dialect.tokens import (
    NUMBER,
    OPERATOR,
    WORD,
    Token,
    Tokens,
    closing,
    significant,
    sql_of,
    stripped,
)
from cloud_etl.local_aws.redshift.port import RedshiftError

LONGEST_VARCHAR = 65535
_LONGEST_CHAR = 4096
_LONGEST_VARBYTE = 16_777_216
_PRECISION = 38
_DEFAULT_WIDTH = 256

_VARCHAR = {"VARCHAR", "NVARCHAR", "CHARACTER VARYING", "CHAR VARYING", "NATIONAL CHARACTER VARYING"}
_CHAR = {"CHAR", "CHARACTER", "NCHAR", "NATIONAL CHARACTER"}
_VARBYTE = {"VARBYTE", "VARBINARY", "BINARY VARYING"}
_NUMERIC = {"NUMERIC", "DECIMAL", "DEC"}
_REFUSED = {"GEOMETRY", "GEOGRAPHY"}
_PLAIN = {"DATETIME": "timestamp", "SMALLDATETIME": "timestamp"}
_INTERVAL_FIELDS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_COLUMN_TYPES = frozenset(
    (*_VARCHAR, *_CHAR, *_VARBYTE, *_NUMERIC, *_REFUSED, *_PLAIN, "TEXT", "BPCHAR", "SMALLINT", "INT2", "INTEGER",
     "INT", "INT4", "BIGINT", "INT8", "REAL", "FLOAT4",
     "FLOAT", "FLOAT8", "DOUBLE PRECISION", "BOOLEAN", "BOOL", "DATE",
     "TIME", "TIMETZ", "TIMESTAMP", "TIMESTAMPTZ", "TIME WITH TIME ZONE", "TIME WITHOUT TIME ZONE",
     "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE", "SUPER", "HLLSKETCH", "INTERVALY2M", "INTERVALD2S")
)  # fmt: skip
_SECOND_WORDS = {
    "CHARACTER": ("VARYING",), "CHAR": ("VARYING",), "BINARY": ("VARYING",), "DOUBLE": ("PRECISION",),
    "NATIONAL": ("CHARACTER", "VARYING"),
}  # fmt: skip


def split_type(tokens: Sequence[Token]) -> tuple[Tokens, Tokens]:
    """The type that tokens begin with, and what follows it; both as they stand."""
    solid = significant(tokens)
    if not solid:
        return [], []
    at = 0
    for word in _SECOND_WORDS.get(tokens[solid[0]].upper, ()):
        if at + 1 < len(solid) and tokens[solid[at + 1]].upper == word:
            at += 1
    while at + 2 < len(solid) and tokens[solid[at + 1]].upper == ".":
        at += 2
    end = solid[at]
    if at + 1 < len(solid) and tokens[solid[at + 1]].upper == "(":
        end = closing(tokens, solid[at + 1])
    end = _time_zone(tokens, end)
    end = _interval_fields(tokens, end)
    return list(tokens[: end + 1]), list(tokens[end + 1 :])


def _interval_fields(tokens: Sequence[Token], end: int) -> int:
    """INTERVAL YEAR TO MONTH, INTERVAL DAY TO SECOND (3), and arrays, which Redshift has not."""
    following = [at for at in significant(tokens) if at > end]
    if tokens[end].upper == "INTERVAL" and following and tokens[following[0]].upper in _INTERVAL_FIELDS:
        to = len(following) > 2 and tokens[following[1]].upper == "TO"
        end = following[2 if to else 0]
        following = following[3 if to else 1 :]
        if following and tokens[following[0]].upper == "(":
            end = closing(tokens, following[0])
            following = [at for at in following if at > end]
    while len(following) > 1 and tokens[following[0]].upper == "[":
        end, following = following[1], following[2:]
    return end


def _time_zone(tokens: Sequence[Token], end: int) -> int:
    following = [at for at in significant(tokens) if at > end][:3]
    said = [tokens[at].upper for at in following]
    if len(said) == 3 and said[0] in ("WITH", "WITHOUT") and said[1:] == ["TIME", "ZONE"]:
        return following[2]
    return end


def check_column(kind: Sequence[Token], place: str) -> None:
    """Refuse a column's type that PostgreSQL has and Redshift has not.

    Raises:
        RedshiftError: as Redshift says it.
    """
    name, _ = _parts(kind)
    bare = name.removeprefix("PG_CATALOG.")
    known = bare in _COLUMN_TYPES or (bare.startswith("INTERVAL ") and bare.split()[1] in _INTERVAL_FIELDS)
    if not known or any(token.upper == "[" for token in kind):
        shown = sql_of(kind).strip().lower()
        raise RedshiftError(f'Column "{place}" has unsupported type "{shown}".', sqlstate="0A000")


def to_postgres(kind: Sequence[Token], *, column: bool) -> Tokens:
    """A type in PostgreSQL's words.

    Args:
        kind: the type's tokens.
        column: whether it is a column's, where text types without a width get 256 bytes.

    Raises:
        RedshiftError: Redshift has no such width or precision, or the type is not emulated.
    """
    name, arguments = _parts(kind)
    if name in _REFUSED:
        raise RedshiftError(f"type {name.lower()} is not emulated by the local Redshift server", sqlstate="0A000")
    if name in _VARCHAR or (column and name == "TEXT"):
        return _text("varchar", arguments, column=column, longest=LONGEST_VARCHAR)
    if name in _CHAR or (column and name == "BPCHAR"):
        if column and name == "BPCHAR":
            arguments = arguments or [str(_DEFAULT_WIDTH)]
        return _text("char", arguments or (["1"] if column else []), column=False, longest=_LONGEST_CHAR)
    if name in _VARBYTE:
        _check_width(arguments, "varbyte", _LONGEST_VARBYTE)
        return _word("bytea")
    if name in _NUMERIC:
        return _numeric(arguments)
    return _word(_PLAIN[name]) if name in _PLAIN else list(kind)


def _parts(kind: Sequence[Token]) -> tuple[str, list[str]]:
    solid = stripped(kind)
    opened = next((at for at, token in enumerate(solid) if token.upper == "("), len(solid))
    name = " ".join(token.upper or token.text for token in solid[:opened] if token.kind in (WORD, OPERATOR))
    arguments = [token.text for token in solid[opened:] if token.kind in (NUMBER, WORD)]
    return name.replace(" . ", "."), arguments


def _text(name: str, arguments: list[str], *, column: bool, longest: int) -> Tokens:
    if arguments and arguments[0].upper() == "MAX":
        arguments = [str(longest)]
    if not arguments and column:
        arguments = [str(_DEFAULT_WIDTH)]
    _check_width(arguments, "character varying" if name == "varchar" else "character", longest)
    return _word(f"{name}({arguments[0]})" if arguments else name)


def _check_width(arguments: Sequence[str], name: str, longest: int) -> None:
    if arguments and arguments[0].isdigit() and not 1 <= int(arguments[0]) <= longest:
        edge = f"cannot exceed {longest}" if int(arguments[0]) else "must be at least 1"
        raise RedshiftError(f"length for type {name} {edge}", sqlstate="22023")


def _numeric(arguments: list[str]) -> Tokens:
    precision, scale = ([*arguments, "0"] if arguments else ["18", "0"])[:2]
    if precision.isdigit() and not 1 <= int(precision) <= _PRECISION:
        raise RedshiftError(f"NUMERIC precision {precision} must be between 1 and {_PRECISION}", sqlstate="22023")
    return _word(f"numeric({precision},{scale})")


def _word(text: str) -> Tokens:
    return [Token(WORD, text)]
