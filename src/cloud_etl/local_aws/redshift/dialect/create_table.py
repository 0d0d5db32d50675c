"""CREATE TABLE: what only Redshift knows leaves the text and is kept as the table's attributes.

PostgreSQL gets the plain definition with the attributes in a trailing comment; an event trigger in the catalogue reads
them there, so that one statement stays one statement, whatever protocol it came by.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloud_etl.local_aws.redshift.dialect.tokens import (
    SPACE,
    WORD,
    Token,
    Tokens,
    closing,
    raw,
    significant,
    split_on,
    sql_of,
    stripped,
    tokenize,
)
from cloud_etl.local_aws.redshift.dialect.types import check_column, split_type, to_postgres
from cloud_etl.local_aws.redshift.port import RedshiftError

_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN")
_COLUMN_WORDS = frozenset(
    ("DEFAULT", "IDENTITY", "GENERATED", "ENCODE", "DISTKEY", "SORTKEY", "COLLATE", "NOT", "NULL", "UNIQUE", "PRIMARY",
     "REFERENCES", "CONSTRAINT", "CHECK")
)  # fmt: skip

# Attributes of a column that leave the text, with how many words each has.
_DROPPED = {"DISTKEY": 1, "SORTKEY": 1, "ENCODE": 2, "UNIQUE": 1, "PRIMARY": 2, "COLLATE": 2}


@dataclass
class Attributes:
    """What Redshift keeps about a table and PostgreSQL does not; columns by name, `table` for messages."""

    values: dict[str, object] = field(default_factory=dict)
    table: str = ""
    encodings: dict[str, str] = field(default_factory=dict)
    keys: list[dict[str, object]] = field(default_factory=list)

    def settle(self) -> None:
        """Leave out what the keys forbid: a column of the primary key is never nullable."""
        primary = [name for key in self.keys if key["kind"] == "p" for name in _list(key["columns"])]
        nullable = [name for name in _list(self.values.pop("nullable", [])) if name not in primary]
        if nullable:
            self.values["nullable"] = nullable

    def comment(self) -> Token:
        """The attributes as the comment the event trigger reads."""
        found: dict[str, object] = dict(self.values)
        if self.encodings:
            found["encodings"] = self.encodings
        if self.keys:
            found["keys"] = self.keys
        # A slash in it could end the comment.
        return raw(" /*redshift:" + json.dumps(found).replace("/", "\\u002f") + "*/")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def create_table(tokens: Tokens) -> Tokens:
    """CREATE TABLE in PostgreSQL's words."""
    solid = significant(tokens)
    opened = _column_list(tokens, solid)
    attributes = Attributes()
    query = _query_start(tokens, solid, opened)
    if opened is None:
        head, rest = tokens[: _name_end(tokens, solid)], tokens[_name_end(tokens, solid) : query]
    else:
        end = closing(tokens, opened)
        attributes.table = tokens[_name_end(tokens, solid) - 1].name
        head = tokens[:opened] + _definitions(tokens[opened : end + 1], attributes, typed=query == len(tokens))
        rest = tokens[end + 1 : query]
    table_attributes(rest, attributes)
    attributes.settle()
    separator = [Token(SPACE, " ")] if query < len(tokens) else []
    return [*_without_trailing_space(head), *separator, *tokens[query:], attributes.comment()]


def _name_end(tokens: Sequence[Token], solid: Sequence[int]) -> int:
    """The position after the table's name, for a CREATE TABLE AS without a column list."""
    at = next(i for i, position in enumerate(solid) if tokens[position].upper == "TABLE") + 1
    if tokens[solid[at]].upper == "IF":
        at += 3
    while at + 2 < len(solid) and tokens[solid[at + 1]].upper == ".":
        at += 2
    return solid[at] + 1


def _column_list(tokens: Sequence[Token], solid: Sequence[int]) -> int | None:
    end = _name_end(tokens, solid)
    following = next((at for at in solid if at >= end), None)
    return following if following is not None and tokens[following].upper == "(" else None


def _query_start(tokens: Sequence[Token], solid: Sequence[int], opened: int | None) -> int:
    """The position of AS in CREATE TABLE AS; the end when there is none."""
    after = closing(tokens, opened) if opened is not None else _name_end(tokens, solid) - 1
    return next((at for at in solid if at > after and tokens[at].upper == "AS"), len(tokens))


def _without_trailing_space(tokens: Tokens) -> Tokens:
    while tokens and tokens[-1].kind == SPACE:
        tokens = tokens[:-1]
    return tokens


def _definitions(tokens: Tokens, attributes: Attributes, *, typed: bool) -> Tokens:
    kept = list[Tokens]()
    for part in split_on(tokens[1:-1], ","):
        first = stripped(part)[:1]
        if not first:
            raise RedshiftError('syntax error at or near ")"', sqlstate="42601")
        if not typed:
            kept.append(part)
        elif first[0].upper in _CONSTRAINTS:
            attributes.keys.append(constraint(stripped(part)))
        elif first[0].upper == "LIKE":
            kept.append(_like(part))
        else:
            kept.append(column(part, attributes))
    joined: Tokens = [tokens[0]]
    for part in kept:
        joined += ([Token(WORD, ",")] if len(joined) > 1 else []) + part
    return [*joined, tokens[-1]]


def _like(part: Tokens) -> Tokens:
    return [*part, *tokenize(" INCLUDING IDENTITY")] if "INCLUDING" in [t.upper for t in part] else part


def column(part: Tokens, attributes: Attributes) -> Tokens:
    """One column of a CREATE TABLE or ADD COLUMN; its keys and its encoding go to the attributes."""
    lead = list(part[: significant(part)[0]])
    solid = stripped(part)
    name, (kind, rest) = solid[0].name, split_type(solid[1:])
    check_column(kind, f"{attributes.table}.{name}")
    made: Tokens = [*lead, solid[0], *_spaced(to_postgres(kind, column=True))]
    words = stripped(rest)
    said = [token.upper for token in words if token.kind != SPACE]
    says_not_null = ("NOT", "NULL") in itertools.pairwise(said)
    if any(word in ("IDENTITY", "GENERATED") for word in said) and not says_not_null:
        attributes.values["nullable"] = [*_list(attributes.values.get("nullable", [])), name]
    while words:
        taken, added = _column_word(name, words, attributes)
        made += added
        words = stripped(words[taken:])
    return made


def _spaced(tokens: Sequence[Token]) -> Tokens:
    solid = stripped(tokens)
    return [Token(SPACE, " "), *solid] if solid else []


def _column_word(name: str, words: Tokens, attributes: Attributes) -> tuple[int, Tokens]:
    """How many tokens one attribute of a column takes, and what PostgreSQL gets for it."""
    solid = significant(words)
    word = words[0].upper
    if word in ("IDENTITY", "GENERATED"):
        return _identity(words, *((solid[0], "ALWAYS") if word == "IDENTITY" else (solid[4], "BY DEFAULT")))
    if word == "REFERENCES":
        key, taken = _references(words)
        attributes.keys.append({"kind": "f", "columns": [name], **key})
        return taken, []
    if word not in _DROPPED:
        return _kept_word(words)
    if word == "DISTKEY":
        attributes.values["distkey"] = name
    elif word == "SORTKEY":
        attributes.values["sortkeys"] = [name]
    elif word == "ENCODE":
        attributes.encodings[name] = words[solid[1]].name
    elif word in ("UNIQUE", "PRIMARY"):
        attributes.keys.append({"kind": word[0].lower(), "columns": [name]})
    return solid[_DROPPED[word] - 1] + 1, []


def _identity(words: Tokens, at: int, kind: str) -> tuple[int, Tokens]:
    end = closing(words, next(i for i in range(at, len(words)) if words[i].upper == "("))
    numbers = "".join(t.text for t in words[at : end + 1] if t.upper not in ("IDENTITY", "(", ")") and t.kind != SPACE)
    seed, step = numbers.split(",")
    return end + 1, tokenize(f" GENERATED {kind} AS IDENTITY (START WITH {seed} INCREMENT BY {step} MINVALUE {seed})")


def _kept_word(words: Tokens) -> tuple[int, Tokens]:
    """One attribute PostgreSQL knows too: NULL, NOT NULL, or DEFAULT with its expression."""
    end, depth = 1, 0
    if words[0].upper == "NOT":
        end = significant(words)[1] + 1
    elif words[0].upper == "DEFAULT":
        while end < len(words):
            depth += {"(": 1, ")": -1}.get(words[end].upper, 0)
            if depth == 0 and end > significant(words)[1] and words[end].upper in _COLUMN_WORDS:
                break
            end += 1
    elif words[0].upper != "NULL":
        raise RedshiftError(f'syntax error at or near "{words[0].text}"', sqlstate="42601")
    return end, _spaced(words[:end])


def constraint(part: Tokens) -> dict[str, object]:
    """A table constraint as one of the attributes' keys."""
    found: dict[str, object] = {}
    words = [t for t in part if t.kind != SPACE]
    if words[0].upper == "CONSTRAINT":
        found["name"] = words[1].name
        words = words[2:]
    kinds = {"PRIMARY": "p", "UNIQUE": "u", "FOREIGN": "f"}
    if words[0].upper not in kinds:
        raise RedshiftError(f'syntax error at or near "{words[0].text}"', sqlstate="42601")
    found["kind"] = kinds[words[0].upper]
    opened = next(at for at, token in enumerate(words) if token.upper == "(")
    end = closing(words, opened)
    found["columns"] = _names(words[opened : end + 1])
    if found["kind"] == "f":
        found |= _references(words[end + 1 :])[0]
    return found


def _references(words: Tokens) -> tuple[dict[str, object], int]:
    """REFERENCES t [(c, ...)]: the table as SQL, its columns, and how many tokens it took."""
    solid = significant(words)
    at = 1
    while at + 2 < len(solid) and words[solid[at + 1]].upper == ".":
        at += 2
    found: dict[str, object] = {"table": sql_of(words[solid[1] : solid[at] + 1])}
    if at + 1 < len(solid) and words[solid[at + 1]].upper == "(":
        end = closing(words, solid[at + 1])
        found["table_columns"] = _names(words[solid[at + 1] : end + 1])
        return found, end + 1
    return found, solid[at] + 1


def _names(tokens: Sequence[Token]) -> list[str]:
    return [token.name for token in tokens if token.is_name]


def table_attributes(tokens: Sequence[Token], attributes: Attributes) -> None:
    """BACKUP, DISTSTYLE, DISTKEY, SORTKEY and ENCODE AUTO after the columns."""
    words = [token for token in tokens if token.kind != SPACE]
    at = 0
    while at < len(words):
        word = words[at].upper
        following = words[at + 1] if at + 1 < len(words) else Token(WORD, "")
        if word in ("COMPOUND", "INTERLEAVED"):
            attributes.values["sortstyle"] = word.lower()
            at += 1
        elif word in ("DISTKEY", "SORTKEY"):
            at = _key(words, at, attributes)
        elif word in ("DISTSTYLE", "BACKUP", "ENCODE"):
            if word == "DISTSTYLE":
                attributes.values["diststyle"] = following.upper
            at += 2
        else:
            raise RedshiftError(f'syntax error at or near "{words[at].text}"', sqlstate="42601")


def _key(words: Sequence[Token], at: int, attributes: Attributes) -> int:
    if at + 1 < len(words) and words[at + 1].upper in ("AUTO", "NONE"):
        attributes.values["sortkeys"] = []
        return at + 2
    end = closing(words, at + 1)
    names = _names(words[at + 1 : end + 1])
    if words[at].upper == "SORTKEY":
        attributes.values["sortkeys"] = names
    else:
        attributes.values["distkey"] = names[0]
    return end + 1
