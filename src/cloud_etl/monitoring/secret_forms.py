"""A pattern that finds known secrets in every form a library may print them in."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator

# A secret of one or two characters would take whole logs with it; one under six must stand alone to count.
SHORTEST = 3
_ANYWHERE = 6
_NEVER_ENCODED = re.compile(r"[A-Za-z0-9]")
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_ESCAPED = {"\n": "n", "\r": "r", "\t": "t"}


def known_secrets_pattern(secrets: Collection[str]) -> re.Pattern[str] | None:
    """Compile a pattern for the secrets as they are, percent-encoded, escaped (JSON, repr, HTML), base64 and hex.

    Returns:
        None when no secret is long enough to be looked for.
    """
    words = {secret.strip() for secret in secrets}
    # Tracebacks and exception groups indent the lines of a multi-line secret: each line is one of its own.
    words |= {line.strip() for word in words for line in word.splitlines()}
    branches = [
        branch for word in sorted(words, key=len, reverse=True) if len(word) >= SHORTEST for branch in _branches(word)
    ]
    if not branches:
        return None
    # The set of first characters lets the scanner step over most of a text at the speed of C.
    firsts = "".join(
        re.escape(char) for char in sorted({char for first, _ in branches for char in first} | set("\\%&+"))
    )
    return re.compile(f"(?=[{firsts}])(?:{'|'.join(pattern for _, pattern in branches)})")


def _branches(secret: str) -> Iterator[tuple[str, str]]:
    """(possible first characters, pattern) of each form of one secret."""
    plain = _any_form(secret)
    yield secret[0], plain if len(secret) >= _ANYWHERE else rf"(?<!\w){plain}(?!\w)"
    raw = secret.encode("utf-8", "surrogatepass")
    if len(raw) >= _ANYWHERE:
        for encoded in _base64_forms(raw):
            pattern = "".join({"+": r"(?:[+-]|%2[Bb])", "/": r"(?:[/_]|\\+/|%2[Ff])"}.get(c, c) for c in encoded)
            yield ("-_" if encoded[0] in "+/" else "") + encoded[0], pattern
        hexed = raw.hex()
        yield hexed[0].lower() + hexed[0].upper(), f"(?i:{hexed})"


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The base64 digits that only the secret decides, for its three places in a longer text (`user:password`)."""
    for offset, skip in ((0, 0), (1, 2), (2, 3)):
        digits = base64.b64encode(bytes(offset) + raw).decode()
        yield digits[skip : (offset + len(raw)) * 8 // 6]


def _any_form(secret: str) -> str:
    """Each character in any of its encodings; runs of backslashes are one, or matching would be exponential."""
    parts = re.findall(r"\\+|[^\\]", secret, re.DOTALL)
    return "".join(_any_backslashes(len(part)) if part[0] == "\\" else _any_character(part) for part in parts)


def _any_backslashes(count: int) -> str:
    return rf"(?:\\{{{count},{16 * count}}}|(?:%(?:25){{0,2}}5[Cc]){{{count},{2 * count}}})"


def _any_character(char: str) -> str:
    literal = re.escape(char)
    if _NEVER_ENCODED.fullmatch(char):
        return literal
    raw = char.encode("utf-8", "surrogatepass")
    units = char.encode("utf-16-be", "surrogatepass")
    forms = [
        rf"\\{{0,8}}{literal}",
        "".join(f"%(?:25){{0,2}}(?i:{byte:02x})" for byte in raw),
        "".join(rf"\\{{1,8}}x(?i:{byte:02x})" for byte in raw),
        "".join(rf"\\{{1,8}}u(?i:{units[at]:02x}{units[at + 1]:02x})" for at in range(0, len(units), 2)),
        rf"&#0*{ord(char)};",
        rf"&#[xX]0*(?i:{ord(char):x});",
    ]
    if len(raw) > 1 and ord(char) < 256:
        forms.append(rf"\\{{1,8}}x(?i:{ord(char):02x})")
    if char in _NAMED:
        forms.append(f"&{_NAMED[char]};")
    if char in _ESCAPED:
        forms.append(rf"\\{{1,8}}{_ESCAPED[char]}")
    if char == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(forms)})"
