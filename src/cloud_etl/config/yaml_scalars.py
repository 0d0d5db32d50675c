"""What an unquoted YAML scalar stands for.

The YAML 1.2 core schema, and where a number would lose what was written (`007`, `1_000`, more digits than a float
holds) the text is kept. So `no`, `on`, `12:30`, `2026-01-31` and `0o17` stay text.
"""

from __future__ import annotations

import re
from decimal import Decimal

_NULL = re.compile(r"|~|null|Null|NULL")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,37})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_UNQUOTED = re.compile(r"[A-Za-z0-9_./$][^\n\r\t#:]*(:(?=\S)[^\n\r\t#:]*)*(?<!\s)")


def scalar(text: str) -> object:
    """The value that an unquoted YAML 1.2 scalar stands for; text where a number would lose what was written."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if Decimal(repr(number)) == Decimal(text) else text
    return text


def reads_as_text(text: str) -> bool:
    """Whether a text, written without quotes, is read as that text again."""
    return text.isprintable() and _UNQUOTED.fullmatch(text) is not None and scalar(text) is text
