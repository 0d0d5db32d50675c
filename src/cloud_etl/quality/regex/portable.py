r"""Regular expressions that mean the same on every engine.

Spark matches with Java's rules, Sail with Rust's. They differ silently: \d and \w are ASCII in Java and Unicode in
Rust, $ in Java also matches before a last line feed, a dot stops at other characters. So a pattern is rewritten into
the part that both read alike, with the meaning of Python's `re.fullmatch(pattern, text, re.ASCII)`; what has no such
form (look-around, back references, possessive quantifiers, word boundaries) is refused.
"""

from __future__ import annotations

import re
import warnings

from cloud_etl.quality.regex.cost import regex_problem

_MOST_SHOWN = 100
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r" \t\n\r\x0B\f"}
_CONTROLS = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "v": r"\x0B", "a": r"\x07"}
_ANCHORS = {"A": r"\A", "Z": r"\z"}
_META = set(r"\.+*?()|[]{}^$&~#-")
_HEX = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??")
_FLAGS = re.compile(r"\A\(\?i\)")


def portable(pattern: str) -> str:
    """Rewrite a pattern so that a search with it is a full match with the same answer on every engine.

    Raises:
        ValueError: the pattern is broken, takes without bound on Spark, or uses something that engines answer
            differently or not at all.
    """
    with warnings.catch_warnings():
        # Python warns of [[ and && inside a class, which are set operations elsewhere.
        warnings.simplefilter("error", FutureWarning)
        try:
            re.compile(pattern, re.ASCII)
            problem = regex_problem(pattern)
        except (re.error, OverflowError) as error:
            raise ValueError(f"the regex {_shown(pattern)} is broken: {error}") from error
        except RecursionError:
            problem = "is nested too deeply"
        except FutureWarning as warning:
            reason = str(warning)[:1].lower() + str(warning)[1:]
            raise ValueError(
                f"the regex {_shown(pattern)} is ambiguous: {reason}; escape it with a backslash"
            ) from None
    if problem is not None:
        raise ValueError(
            f"the regex {_shown(pattern)} {problem}; say what stands between the parts, such as [^,]* for .*, "
            "or write an expression with LIKE"
        )
    flags = _FLAGS.match(pattern)
    body = _Scanner(pattern[flags.end() :] if flags else pattern).rewrite()
    return rf"\A{'(?iu)' if flags else ''}(?:{body})\z"


class _Scanner:
    """Reads a pattern that Python accepts from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def rewrite(self) -> str:
        """The pattern in the common language."""
        parts = []
        while self._at < len(self._text):
            parts.append(self._next())
        return "".join(parts)

    def _next(self) -> str:
        char = self._text[self._at]
        if char == "\\":
            return self._escape(in_class=False)
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        if found := _QUANTIFIER.match(self._text, self._at):
            return self._quantifier(found)
        self._at += 1
        simple = {".": r"[^\n]", "^": r"\A", "$": r"\z", "|": "|", ")": ")"}
        return simple.get(char) or _literal(char)

    def _quantifier(self, found: re.Match[str]) -> str:
        self._at = found.end()
        if self._text[self._at : self._at + 1] == "+":
            raise self._refusal("possessive quantifiers")
        return found.group()

    def _group(self) -> str:
        if self._text.startswith("(?:", self._at):
            self._at += 3
            return "(?:"
        if self._text.startswith("(?", self._at):
            raise self._refusal("groups that begin with (?, but for (?: and a leading (?i)")
        self._at += 1
        return "(?:"

    def _escape(self, *, in_class: bool) -> str:
        if found := _HEX.match(self._text, self._at):
            self._at = found.end()
            return found.group()
        char = self._text[self._at + 1]
        self._at += 2
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in _CLASSES:
            return _CLASSES[char] if in_class else f"[{_CLASSES[char]}]"
        if char.lower() in _CLASSES and not in_class:
            return f"[^{_CLASSES[char.lower()]}]"
        if char in _ANCHORS and not in_class:
            return _ANCHORS[char]
        if char.isalnum():
            raise self._refusal(f"\\{char}{' inside [ ]' if in_class else ''}")
        return _literal(char)

    def _class(self) -> str:
        self._at += 1
        parts = ["["]
        if self._text.startswith("^", self._at):
            self._at += 1
            parts.append("^")
        first = len(parts)
        while self._text[self._at] != "]" or len(parts) == first:
            parts.append(self._class_part())
        self._at += 1
        return "".join(parts) + "]"

    def _class_part(self) -> str:
        char = self._text[self._at]
        if char == "\\":
            return self._escape(in_class=True)
        self._at += 1
        is_range = char == "-" and self._text[self._at - 2] != "[" and self._text[self._at] != "]"
        return "-" if is_range else _literal(char)

    def _refusal(self, what: str) -> ValueError:
        return ValueError(f"the regex {_shown(self._text)} uses {what}, which the engines do not all read alike")


def _literal(char: str) -> str:
    return "\\" + char if char in _META else char


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= _MOST_SHOWN else f"{pattern[:_MOST_SHOWN]}...")
