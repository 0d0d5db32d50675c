"""Tokens of COPY and UNLOAD, and a cursor over them that complains in the server's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cloud_etl.local_aws.redshift.port import RedshiftError

Kind = Literal["word", "quoted", "string", "number", "symbol", "end"]

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<dollar>\$(?P<tag>\w*)\$(?P<body>.*?)\$(?P=tag)\$)
  | (?P<string>'(?:[^'\\]|''|\\.)*')
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<symbol>[^\w\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9A-Fa-f]{1,2})|(?P<one>.))", re.DOTALL)
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", "'": "'", '"': '"'}


@dataclass(frozen=True, slots=True)
class Token:
    """One token; text is the value: a string without its quotes, a quoted name unquoted, a word as written."""

    kind: Kind
    text: str

    def says(self, *words: str) -> bool:
        """Whether this is one of these key words or symbols, in any case."""
        return self.kind in ("word", "symbol") and self.text.upper() in words


def tokenize(sql: str) -> list[Token]:
    """Tokens of one statement without comments and without its final semicolon.

    Raises:
        RedshiftError: a quote is never closed.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None or match["symbol"] in ("'", '"'):
            raise syntax_error(f"unterminated quoted string at or near {_shown(sql[position:])}")
        position = match.end()
        if not match["skip"]:
            tokens.append(_token(match))
    while tokens and tokens[-1].says(";"):
        tokens.pop()
    return tokens


def unescaped(text: str) -> str:
    r"""A literal with `\t`, `\001` and the like replaced; a backslash before any other character stays (`\N`)."""

    def one(match: re.Match[str]) -> str:
        if match["octal"]:
            return chr(int(match["octal"], 8))
        if match["hex"]:
            return chr(int(match["hex"], 16))
        return _CONTROLS.get(match["one"], match[0])

    return _ESCAPE.sub(one, text)


def syntax_error(message: str) -> RedshiftError:
    """A statement that cannot be parsed."""
    return RedshiftError(message, sqlstate="42601")


class Cursor:
    """The next token and what is wrong with it."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Stand before the first token."""
        self._tokens = tokens
        self._next = 0

    @property
    def token(self) -> Token:
        """The next token; of kind `end` after the last."""
        return self._tokens[self._next] if self._next < len(self._tokens) else Token("end", "")

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._next >= len(self._tokens)

    def take(self) -> Token:
        """The next token, and go on."""
        token = self.token
        self._next += 1
        return token

    def accept(self, *words: str) -> bool:
        """Go on if the next token is one of these key words."""
        if self.token.says(*words):
            self._next += 1
            return True
        return False

    def expect(self, *words: str) -> None:
        """Go on over one of these key words.

        Raises:
            RedshiftError: another token stands there.
        """
        if not self.accept(*words):
            raise self.unexpected()

    def string(self) -> str:
        """The next token, which must be a string literal; escapes are kept."""
        if self.token.kind != "string":
            raise self.unexpected()
        return self.take().text

    def number(self) -> int:
        """The next token, which must be a whole number."""
        if self.token.kind != "number" or not self.token.text.lstrip("-").isdigit():
            raise self.unexpected()
        return int(self.take().text)

    def name(self) -> str:
        """The next token, which must be a name; folded to lower case unless quoted."""
        if self.token.kind not in ("word", "quoted"):
            raise self.unexpected()
        token = self.take()
        return token.text if token.kind == "quoted" else token.text.lower()

    def names(self) -> tuple[str, ...]:
        """A parenthesised list of names."""
        self.expect("(")
        found = [self.name()]
        while self.accept(","):
            found.append(self.name())
        self.expect(")")
        return tuple(found)

    def unexpected(self) -> RedshiftError:
        """The next token as a syntax error."""
        if self.ended:
            return syntax_error("syntax error at end of input")
        return syntax_error(f"syntax error at or near {_shown(self.token.text)}")


def _shown(text: str) -> str:
    return f'"{text[:30]}"'


def _token(match: re.Match[str]) -> Token:
    if match["dollar"]:
        return Token("string", match["body"])
    if match["string"]:
        return Token("string", match["string"][1:-1].replace("''", "'").replace("\\'", "'"))
    if match["quoted"]:
        return Token("quoted", match["quoted"][1:-1].replace('""', '"'))
    for kind in ("number", "word"):
        if match[kind]:
            return Token(kind, match[kind])
    return Token("symbol", match["symbol"])
