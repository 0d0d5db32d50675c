"""Expressions PostgreSQL writes otherwise: date parts as bare words, DECODE, NVL, CONVERT, casts, LISTAGG."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cloud_etl.local_aws.redshift.dialect.tokens import (
    COMMENT,
    SPACE,
    WORD,
    Token,
    Tokens,
    closing,
    literal,
    significant,
    split_on,
    sql_of,
    stripped,
    tokenize,
)
from cloud_etl.local_aws.redshift.dialect.types import split_type, to_postgres

_DATE_PART_FIRST = {"DATEADD", "DATEDIFF", "DATE_PART", "DATE_DIFF", "DATE_ADD", "DATE_TRUNC", "PGDATE_PART"}
# The last is a word of SQL itself from PostgreSQL 17 on.
_RENAMED = {"NVL": "coalesce", "ISNULL": "coalesce", "REPLICATE": "repeat", "JSON_SERIALIZE": '"json_serialize"'}
_CATALOG_QUALIFIED = {"PG_CATALOG"}
# Views and functions of the catalogue that stand before PostgreSQL's own of the same name.
OVERRIDDEN = frozenset(
    ("pg_constraint", "pg_user", "pg_class", "pg_attribute", "pg_attrdef", "pg_namespace", "pg_index", "pg_indexes",
     "pg_get_constraintdef",
     "pg_get_viewdef", "pg_get_expr", "version", "sys_load_history", "sys_load_error_detail", "sys_unload_history",
     "stl_load_errors", "stl_load_commits")
)  # fmt: skip


def rewrite(tokens: Tokens) -> Tokens:
    """A statement with its expressions in PostgreSQL's words; the same tokens when there is nothing to do."""
    made = Tokens()
    at = 0
    changed = False
    while at < len(tokens):
        step = _special(tokens, at)
        if step is None:
            made.append(tokens[at])
            at += 1
        else:
            taken, added = step
            made += added
            at += taken
            changed = True
    return made if changed else tokens


def _special(tokens: Tokens, at: int) -> tuple[int, Tokens] | None:
    """How many tokens from here are written otherwise, and how; None when this one stays."""
    token = tokens[at]
    if token.upper == "::":
        return _cast(tokens, at)
    if token.kind != WORD:
        return None
    word = token.upper
    if word in ("SYSDATE", "APPROXIMATE") or word in _CATALOG_QUALIFIED:
        return _word(tokens, at)
    opened = at + 1
    while opened < len(tokens) and tokens[opened].kind == SPACE:
        opened += 1
    if opened >= len(tokens) or tokens[opened].upper != "(" or _before(tokens, at) == ".":
        return None
    if word in _CALLS:
        end = closing(tokens, opened)
        arguments = [stripped(part) for part in split_on(tokens[opened + 1 : end], ",")]
        return _CALLS[word](tokens, at, (opened, end), arguments)
    return None


def _before(tokens: Sequence[Token], at: int) -> str:
    for position in range(at - 1, -1, -1):
        if tokens[position].kind not in (SPACE, COMMENT):
            return tokens[position].upper or tokens[position].text
    return ""


def _after(tokens: Sequence[Token], at: int) -> int:
    """The position of the next token that is not space; the end when there is none."""
    return next((i for i in range(at + 1, len(tokens)) if tokens[i].kind not in (SPACE, COMMENT)), len(tokens))


def _word(tokens: Tokens, at: int) -> tuple[int, Tokens] | None:
    word, following = tokens[at].upper, _after(tokens, at)
    after = tokens[following] if following < len(tokens) else None
    is_value = _before(tokens, at) not in (".", "AS") and (after is None or after.upper not in (".", "("))
    if word == "SYSDATE" and is_value:
        return 1, tokenize("sysdate()")
    if word == "APPROXIMATE" and after is not None and after.upper in ("COUNT", "PERCENTILE_DISC"):
        return following - at, []
    if word in _CATALOG_QUALIFIED and after is not None and after.upper == ".":
        name = _after(tokens, following)
        if name < len(tokens) and tokens[name].is_name and tokens[name].name in OVERRIDDEN:
            return name - at, tokenize("redshift_catalog.")
    return None


def _cast(tokens: Tokens, at: int) -> tuple[int, Tokens] | None:
    kind, rest = split_type(tokens[at + 1 :])
    made = to_postgres(kind, column=False)
    if made == kind:
        return None
    return len(tokens) - at - len(rest), [tokens[at], *made]


_Arguments = list[Tokens]
_Rewritten = tuple[int, Tokens] | None
_Call = Callable[[Tokens, int, tuple[int, int], _Arguments], _Rewritten]


def _joined(arguments: _Arguments) -> Tokens:
    made = Tokens()
    for argument in arguments:
        made += [*(tokenize(", ") if made else []), *rewrite(argument)]
    return made


def _date_part(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    first = arguments[0]
    if len(first) != 1 or not first[0].is_name:
        return None
    opened, end = place
    made = [*tokens[at : opened + 1], *tokenize(literal(first[0].name)), *tokenize(", "), *_joined(arguments[1:])]
    return end - at + 1, [*made, tokens[end]]


def _renamed(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    name = _RENAMED[tokens[at].upper]
    return place[0] - at, [Token(WORD, name)] if name != tokens[at].text else [tokens[at]]


def _nvl2(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    if len(arguments) != 3:
        return None
    given, present, absent = (sql_of(rewrite(argument)) for argument in arguments)
    return place[1] - at + 1, tokenize(f"CASE WHEN ({given}) IS NOT NULL THEN {present} ELSE {absent} END")


def _decode(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    if len(arguments) < 3:
        return None
    subject, *rest = (sql_of(rewrite(argument)) for argument in arguments)
    pairs = zip(rest[::2], rest[1::2], strict=False)
    cases = " ".join(f"WHEN ({subject}) IS NOT DISTINCT FROM ({search}) THEN {result}" for search, result in pairs)
    other = f" ELSE {rest[-1]}" if len(rest) % 2 else ""
    return place[1] - at + 1, tokenize(f"CASE {cases}{other} END")


def _convert(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    if len(arguments) != 2 or not arguments[0] or arguments[0][0].kind != WORD:
        return None
    kind = sql_of(to_postgres(arguments[0], column=False))
    return place[1] - at + 1, tokenize(f"CAST({sql_of(rewrite(arguments[1]))} AS {kind})")


def _explicit_cast(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    opened, end = place
    depth, split = 0, None
    for position in range(opened + 1, end):
        depth += {"(": 1, ")": -1}.get(tokens[position].upper, 0)
        if depth == 0 and tokens[position].upper == "AS":
            split = position
    if split is None:
        return None
    kind = tokens[split + 1 : end]
    made = to_postgres(kind, column=False)
    inner = tokens[opened + 1 : split]
    rewritten = rewrite(inner)
    if made == kind and rewritten is inner:
        return None
    return end - at + 1, [*tokens[at : opened + 1], *rewritten, *tokenize("AS "), *stripped(made), tokens[end]]


def _listagg(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    end = place[1]
    first = arguments[0]
    distinct = bool(first) and first[0].upper == "DISTINCT"
    value = sql_of(rewrite(first[1:] if distinct else first)).strip()
    delimiter = sql_of(rewrite(arguments[1])) if len(arguments) > 1 else "''"
    order = ""
    solid = [i for i in significant(tokens) if i > end]
    if [tokens[i].upper for i in solid[:3]] == ["WITHIN", "GROUP", "("]:
        group_end = closing(tokens, solid[2])
        order = " " + sql_of(rewrite(tokens[solid[2] + 1 : group_end])).strip()
        end = group_end
    sql = f"listagg({'DISTINCT ' if distinct else ''}({value})::text, {delimiter}{order})"
    return end - at + 1, tokenize(sql)


def _ratio(tokens: Tokens, at: int, place: tuple[int, int], arguments: _Arguments) -> _Rewritten:
    solid = [i for i in significant(tokens) if i > place[1]]
    if [tokens[i].upper for i in solid[:2]] != ["OVER", "("]:
        return None
    end = closing(tokens, solid[1])
    value, window = sql_of(rewrite(arguments[0])), sql_of(rewrite(tokens[solid[1] : end + 1]))
    return end - at + 1, tokenize(f"(({value})::float8 / nullif(sum({value}) OVER {window}, 0))")


_CALLS: dict[str, _Call] = {
    **dict.fromkeys(_DATE_PART_FIRST, _date_part),
    **dict.fromkeys(_RENAMED, _renamed),
    "NVL2": _nvl2,
    "DECODE": _decode,
    "CONVERT": _convert,
    "CAST": _explicit_cast,
    "LISTAGG": _listagg,
    "RATIO_TO_REPORT": _ratio,
}
