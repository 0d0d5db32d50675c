r"""Regular expressions in Spark SQL: \d, \s and \w are ASCII for Java and of all alphabets for Sail."""

from __future__ import annotations

import re

# Functions whose second argument is a pattern.
FUNCTIONS = frozenset({
    "regexp_replace", "regexp_extract", "regexp_extract_all", "regexp_like", "regexp_count", "regexp_substr",
    "regexp_instr", "rlike", "regexp", "split",
})  # fmt: skip
_CLASSES = {"d": "0-9", "s": r" \t\n\x0B\f\r", "w": "0-9A-Za-z_"}
_PIECE = re.compile(r"\\.|\[\^?\]?|\]|.", re.DOTALL)


def ascii_classes(pattern: str) -> str:
    """The pattern with its classes written out, which every engine reads alike."""
    made, depth = [], 0
    for piece in _PIECE.findall(pattern):
        if piece.startswith("["):
            depth += 1
        elif piece == "]":
            depth = max(0, depth - 1)
        letter = piece[1:] if piece.startswith("\\") else ""
        if letter in _CLASSES:
            made.append(_CLASSES[letter] if depth else f"[{_CLASSES[letter]}]")
        elif letter and letter.lower() in _CLASSES:
            made.append(f"[^{_CLASSES[letter.lower()]}]")
        else:
            made.append(piece)
    return "".join(made)
