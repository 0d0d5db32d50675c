"""Strict casts from text, as DuckDB expressions: a value arrives as it is written or not at all.

DuckDB's own casts round, take offsets away and accept more than is documented ('1_000', '1e2', ' 12 ', 'infinity' as a
date); each expression here therefore proves the text as well. The cheap proof comes first (the value printed again is
the text), the pattern second, and only for the rows that need it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import ColumnSpec

_INTEGER = "[+-]?[0-9]+"
_DECIMAL = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)"
_DOUBLE = _DECIMAL + "([eE][+-]?[0-9]+)?"
_NOT_FINITE = "[+-]?(inf|infinity|nan)"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6}0*)?)?"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_OFFSET = "(Z|[+-](0[0-9]|1[0-3])(:?[0-5][0-9])?|[+-]14(:?00)?)"
_TRUE = "true|t|yes|y|1"
_FALSE = "false|f|no|n|0"
_FIRST_DAY, _LAST_DAY = "DATE '0001-01-01'", "DATE '9999-12-31'"
_FIRST_TIME, _LAST_TIME = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
# A day off the limits, no offset and no zone can leave them.
_INNER_TIMES = "TIMESTAMP '0001-01-02' AND TIMESTAMP '9999-12-30'"
# What each specifier may match; a format with another one is not proven by pattern but by printing.
_SPECIFIERS = {
    "Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "[0-9]{2}", "d": "[0-9]{2}", "H": "[0-9]{2}", "I": "[0-9]{2}",
    "M": "[0-9]{2}", "S": "[0-9]{2}", "f": "[0-9]{1,6}", "p": "[AaPp][Mm]",
    "b": "[A-Za-z]+", "B": "[A-Za-z]+", "z": _OFFSET,
}  # fmt: skip
# As a dash writes them, without a zero in front.
_UNPADDED = "[1-9]?[0-9]"
_DIGITS = frozenset("YymdHIMSf")
# Two specifiers of one group say the same thing twice, and may contradict each other.
_SAME = {"y": "Y", "I": "H", "B": "b", "m": "b"}


@dataclass(frozen=True, slots=True)
class Cast:
    """The cast of one column, from text column `text` by way of `tried`.

    Attributes:
        tried: DuckDB's own cast, computed once.
        proven: the value where the text is proven, else null; uses `tried`.
        code: for a text that is not null and has no value: the reject code.
        wanted: what the message says the value should be.
    """

    tried: str
    proven: str
    code: str
    wanted: str


def cast_of(column: ColumnSpec, text: str, tried: str) -> Cast | None:
    """The cast of a column; None where the text is taken as it is.

    Args:
        column: the contract of the column.
        text: name of the text column.
        tried: name under which the value of `Cast.tried` will be known.
    """
    kind = column.type.kind
    if kind in ("string", "json"):
        return None
    if kind in ("integer", "bigint"):
        return _integer(column.type, text, tried)
    if kind == "decimal":
        return _decimal(column.type, text, tried)
    if kind == "double":
        return _double(text, tried)
    if kind == "boolean":
        return _boolean(text, tried)
    return _date(column, text, tried) if kind == "date" else _timestamp(column, text, tried)


def _full(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, '{pattern.replace(chr(39), chr(39) * 2)}')"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _either(text: str, pattern: str, code: RejectCode, other: RejectCode) -> str:
    return f"CASE WHEN {_full(text, pattern)} THEN '{code}' ELSE '{other}' END"


def _integer(type_: ColumnType, text: str, tried: str) -> Cast:
    proven = f"CASE WHEN CAST({tried} AS VARCHAR) = {text} OR {_full(text, _INTEGER)} THEN {tried} END"
    code = _either(text, _INTEGER, RejectCode.OUT_OF_RANGE, RejectCode.BAD_INTEGER)
    return Cast(f"TRY_CAST({text} AS {type_.duckdb})", proven, code, f"{type_}: a whole number in its range")


def _decimal(type_: ColumnType, text: str, tried: str) -> Cast:
    scale = type_.scale
    exact = f"[+-]?([0-9]+([.][0-9]{{0,{scale}}}0*)?|[.][0-9]{{1,{scale}}}0*)"
    if scale == 0:
        exact = "[+-]?([0-9]+([.]0*)?|[.]0+)"
    code = (
        f"CASE WHEN NOT {_full(text, _DECIMAL)} THEN '{RejectCode.BAD_DECIMAL}' "
        f"WHEN {_full(text, exact)} THEN '{RejectCode.OUT_OF_RANGE}' ELSE '{RejectCode.DECIMAL_SCALE}' END"
    )
    proven = f"CASE WHEN {_full(text, exact)} THEN {tried} END"
    return Cast(f"TRY_CAST({text} AS {type_.duckdb})", proven, code, f"{type_}: a plain number that fits")


def _double(text: str, tried: str) -> Cast:
    proof = f"(isfinite({tried}) AND ({tried} <> 0 OR NOT regexp_matches({text}, '^[+-]?[0-9.]*[1-9]')))"
    proof += f" AND {_full(text, _DOUBLE)}"
    proven = f"CASE WHEN {proof} OR {_full(f'lower({text})', _NOT_FINITE)} THEN {tried} END"
    code = _either(text, _DOUBLE, RejectCode.OUT_OF_RANGE, RejectCode.BAD_DOUBLE)
    return Cast(f"TRY_CAST({text} AS DOUBLE)", proven, code, "double: a number")


def _boolean(text: str, tried: str) -> Cast:
    # Not IN: DuckDB makes a join of a list, and a join does not keep the order of the rows.
    proven = f"CASE WHEN {_full(tried, _TRUE)} THEN true WHEN {_full(tried, _FALSE)} THEN false END"
    return Cast(f"lower({text})", proven, f"'{RejectCode.BAD_BOOLEAN}'", "boolean: true or false")


def _date(column: ColumnSpec, text: str, tried: str) -> Cast:
    code = f"'{RejectCode.BAD_DATE}'"
    if column.format is not None:
        cast = f"CAST(try_strptime({text}, {_literal(column.format)}) AS TIMESTAMP)"
        # A time of day is no part of a date; it is not cut off.
        proof = f"({_format_proof(text, column.format)}) AND {tried} = CAST({tried} AS DATE)"
        wanted = f"date: as {column.format}, without a time of day"
    else:
        cast, proof, wanted = f"TRY_CAST({text} AS DATE)", f"CAST({tried} AS VARCHAR) = {text}", "date: YYYY-MM-DD"
    proven = f"CASE WHEN ({proof}) AND {tried} BETWEEN {_FIRST_DAY} AND {_LAST_DAY} THEN CAST({tried} AS DATE) END"
    return Cast(cast, proven, code, wanted)


def _timestamp(column: ColumnSpec, text: str, tried: str) -> Cast:
    in_range = f"{tried} BETWEEN {_FIRST_TIME} AND {_LAST_TIME}"
    printed = f"CAST({tried} AS VARCHAR) = {text}"
    if column.format is None:
        local = f"{printed} OR {_full(text, f'{_DATE}[T ]{_TIME}')}"
        moment = f"CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP)"
        pattern = f"{_DATE}[T ]{_TIME}{_OFFSET}"
        wanted = "timestamp: YYYY-MM-DD hh:mm:ss, offset optional"
    elif column.format == "%Y-%m-%d %H:%M:%S":
        # The same reading as without a format, but nothing shorter or longer; it is the cheapest to prove.
        local, moment, pattern = f"{printed} AND strlen({text}) = 19", "NULL", ""
        wanted = f"timestamp: as {column.format}"
    else:
        return _formatted_timestamp(column, column.format, text, tried)
    fine = f"({local}) AND {in_range}"
    proven = f"CASE WHEN {fine} THEN {_in_utc(tried, column.zone)}"
    if pattern:
        proven += f" WHEN {_full(text, pattern)} AND {in_range} THEN {_limited(tried, moment)}"
    return Cast(f"TRY_CAST({text} AS TIMESTAMP)", proven + " END", _timestamp_code(tried, fine), wanted)


def _formatted_timestamp(column: ColumnSpec, format_: str, text: str, tried: str) -> Cast:
    # DuckDB reads no Z for %z.
    offset = f"regexp_replace({text}, 'Z$', '+00')" if _ends_with_offset(format_) else text
    parsed = f"try_strptime({offset}, {_literal(format_)})"
    in_range = f"{tried} BETWEEN {_FIRST_TIME} AND {_LAST_TIME}"
    carries_zone = re.search("%z", format_.replace("%%", "")) is not None
    value = tried if carries_zone else _in_utc(tried, column.zone)
    fine = f"({_format_proof(text, format_)}) AND {in_range}"
    code = _timestamp_code(tried, fine)
    return Cast(f"CAST({parsed} AS TIMESTAMP)", f"CASE WHEN {fine} THEN {value} END", code, f"timestamp: as {format_}")


def _timestamp_code(tried: str, fine: str) -> str:
    """The code of a text without a value; what is fine as written fails in its zone."""
    return (
        f"CASE WHEN NOT coalesce({fine}, false) THEN '{RejectCode.BAD_TIMESTAMP}' "
        f"WHEN {tried} BETWEEN {_INNER_TIMES} THEN '{RejectCode.NONEXISTENT_TIME}' "
        f"ELSE '{RejectCode.OUT_OF_RANGE}' END"
    )


def _limited(tried: str, moment: str) -> str:
    """The moment in UTC, null where offset or zone take it out of the years 1 to 9999."""
    return (
        f"CASE WHEN {tried} BETWEEN {_INNER_TIMES} OR {moment} BETWEEN {_FIRST_TIME} AND {_LAST_TIME} THEN {moment} END"
    )


def _in_utc(tried: str, zone: str) -> str:
    """A local time in UTC; null where clocks skip it. Where clocks repeat it, the later moment is taken."""
    if zone.upper() == "UTC":
        return tried
    name = _literal(zone)
    there = f"timezone({name}, timezone({name}, {tried}))"
    moment = f"timezone('UTC', timezone({name}, {tried}))"
    return f"CASE WHEN {there} = {tried} THEN {_limited(tried, moment)} END"


def _format_proof(text: str, format_: str) -> str:
    """That the text is what the format says; by its pattern where that suffices, else the value must print as it."""
    pattern = format_pattern(format_)
    if pattern is not None:
        return _full(text, pattern)
    if _ends_with_offset(format_):
        # An offset prints as +00 whatever it was: it is proven by its pattern, and the rest without it.
        local = f"regexp_replace({text}, '{_OFFSET}$', '')"
        return f"{_full(text, f'(?s:.*){_OFFSET}')} AND {_printed(local, format_.removesuffix('%z'))}"
    return _printed(text, format_)


def _ends_with_offset(format_: str) -> bool:
    return format_.endswith("%z") and not format_.endswith("%%z")


def _printed(text: str, format_: str) -> str:
    return f"strftime(try_strptime({text}, {_literal(format_)}), {_literal(format_)}) = {text}"


def format_pattern(format_: str) -> str | None:
    """What texts in a strptime format look like.

    Returns:
        None where a pattern proves nothing: digits follow digits, a specifier is not known here, or one says what
        another one has said.
    """
    parts: list[str] = []
    said: set[str] = set()
    after_digits = False
    for literal, flag_and_letter in re.findall(r"([^%]+)|%(-?.)", format_):
        letter = flag_and_letter.removeprefix("-")
        if literal or letter == "%":
            if re.search("[0-9]", literal):
                return None
            parts.append(re.escape(literal or "%"))
            after_digits = False
            continue
        meaning = _SAME.get(letter, letter)
        if letter not in _SPECIFIERS or meaning in said or (after_digits and letter in _DIGITS):
            return None
        said.add(meaning)
        after_digits = letter in _DIGITS or letter == "z"
        parts.append(f"({_UNPADDED if flag_and_letter.startswith('-') else _SPECIFIERS[letter]})")
    return "".join(parts)
