"""SQL as tokens, whitespace and comments among them, so that joining them gives the text back unchanged."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

WORD, QUOTED, STRING, NUMBER, OPERATOR, PARAMETER, SPACE, COMMENT = range(8)

# Redshift reads backslashes in literals as escapes (standard_conforming_strings is off).
_LEXER = re.compile(
    r"""
    (?P<space>[ \t\n\r\f\v]+)
  | (?P<comment>--[^\n]*|/\*)
  | (?P<string>[eEnNbBxX]?'(?:[^'\\]|\\.|'')*(?:'|\Z))
  | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$)
  | (?P<quoted>"(?:[^"]|"")*(?:"|\Z))
  | (?P<parameter>\$\d+)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>\#?[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
  | (?P<operator>::|<>|!=|<=|>=|\|\||:=|=>|!~~?\*?|~~?\*?|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "space": SPACE, "comment": COMMENT, "string": STRING, "quoted": QUOTED, "parameter": PARAMETER,
    "number": NUMBER, "word": WORD, "operator": OPERATOR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One token as it stands in the text."""

    kind: int
    text: str

    @property
    def upper(self) -> str:
        """A word in upper case; anything else gives what no keyword equals."""
        return self.text.upper() if self.kind == WORD else self.text if self.kind == OPERATOR else ""

    @property
    def is_name(self) -> bool:
        """Whether it can stand for an identifier."""
        return self.kind in (WORD, QUOTED)

    @property
    def name(self) -> str:
        """The identifier it stands for."""
        return self.text[1:-1].replace('""', '"') if self.kind == QUOTED else folded(self.text)


Tokens = list[Token]


_FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def folded(name: str) -> str:
    """A name in lower case, in which Redshift and PostgreSQL leave all letters but those of ASCII as they are."""
    return name.translate(_FOLDED)


def tokenize(sql: str) -> Tokens:
    """All tokens of a text; their texts joined are the text."""
    return list(_scan(sql))


def _scan(sql: str) -> Iterator[Token]:
    at = 0
    while at < len(sql):
        found = _LEXER.match(sql, at)
        assert found is not None
        end, group = found.end(), found.lastgroup or ""
        if group == "comment" and found.group() == "/*":
            end = _comment_end(sql, at)
        if group in ("dollar", "tag"):
            group, close = "string", sql.find(found.group(), end)
            end = len(sql) if close < 0 else close + len(found.group())
        yield Token(_KINDS[group], sql[at:end])
        at = end


def _comment_end(sql: str, at: int) -> int:
    depth = 0
    for mark in re.finditer(r"/\*|\*/", sql[at:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return at + mark.end()
    return len(sql)


def sql_of(tokens: Iterable[Token]) -> str:
    """The text of tokens."""
    return "".join(token.text for token in tokens)


def split_statements(tokens: Sequence[Token]) -> list[Tokens]:
    """The statements between semicolons; those without a word are left out."""
    statements: list[Tokens] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if token.upper == ";" and depth <= 0:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if any(t.kind not in (SPACE, COMMENT) for t in statement)]


def significant(tokens: Sequence[Token]) -> list[int]:
    """The positions of tokens that are neither whitespace nor comment."""
    return [at for at, token in enumerate(tokens) if token.kind not in (SPACE, COMMENT)]


def closing(tokens: Sequence[Token], opened: int) -> int:
    """The position of the bracket that closes the one at `opened`; the last position when none does."""
    depth = 0
    for at in range(opened, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at].upper, 0)
        if depth == 0:
            return at
    return len(tokens) - 1


def split_on(tokens: Sequence[Token], separator: str) -> list[Tokens]:
    """The parts between separators that stand outside brackets."""
    parts: list[Tokens] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.upper, 0)
        if depth == 0 and token.upper == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def stripped(tokens: Sequence[Token]) -> Tokens:
    """The tokens without whitespace and comments at both ends."""
    solid = significant(tokens)
    return list(tokens[solid[0] : solid[-1] + 1]) if solid else []


def words(tokens: Sequence[Token], count: int) -> list[str]:
    """The first words and operators in upper case, at most `count` of them."""
    found = list[str]()
    for token in tokens:
        if token.kind not in (SPACE, COMMENT):
            found.append(token.upper)
            if len(found) == count:
                break
    return found


def quote(name: str) -> str:
    """An identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A string literal; backslashes are doubled, since they escape."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def raw(text: str) -> Token:
    """A piece of SQL no later pass looks into."""
    return Token(COMMENT, text)


Pass = Callable[[Tokens], Tokens]
