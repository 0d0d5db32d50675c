"""Take secrets out of what is logged: known ones in every form, unknown ones by how they are written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping

from cloud_etl.monitoring.secret_forms import known_secrets_pattern

MASK = "***"
Secrets = Callable[[], Collection[str]]

_NAME = (
    r"(?:pass(?:word|wd|phrase)|pwd|(?<!\$\{)secret(?:[_-]?access)?(?:[_-]?(?:key|string|value))?|token"
    r"|(?:api|access|account|private|signing|encryption)[_-]?key(?:[_-]?id)?)"
)
# The bounds keep an unclosed quote from being searched for to the end of the text at every name.
_QUOTED = (
    r"""b?"(?:\\.|[^"\\]){0,4096}+"|b?'(?:\\.|[^'\\]){0,4096}+'"""
    r"""|(?P<escaped>\\+["'])(?:(?!(?P=escaped)).){0,4096}?(?P=escaped)"""
)
# What begins with a quote and does not end clearly is masked to the end of its line.
_VALUE = rf"""(?:(?P<quoted>{_QUOTED})(?=[\s,;:)\]}}>&."'\\]|$)|b?\\*["'][^\r\n]*|\S+)"""
_ASSIGNED = re.compile(
    rf"(?P<head>(?:{_NAME}[\"'\\]{{0,4}}\s{{0,3}}(?:=>|==?|:|%3D)|(?<![a-z])pass=|(?<![\w-])--[\w-]{{0,40}}{_NAME}[\"']?,?\s"
    rf"|(?:password|secret_access_key|session_token|access_key_id)\s{{1,3}}(?=')|identified\s{{1,3}}by\s{{1,3}}(?='))"
    rf"\s{{0,3}})(?P<value>{_VALUE})",
    re.IGNORECASE | re.DOTALL,
)
_HEADER = re.compile(
    r"""(?P<head>(?:authorization|(?:set-)?cookie|x-amz-security-token)["'\\]{0,4}\s{0,3}(?:=>|[=:]|(?<=["']),)\s{0,3})"""
    rf"(?P<value>(?P<quoted>{_QUOTED})|[^\r\n]+)",
    re.IGNORECASE | re.DOTALL,
)
_SIGNED = re.compile(
    r"(?P<head>(?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|[?&](?:Signature|sig))(?:=|%3D))"
    r"""[^&\s"'<>]+""",
    re.IGNORECASE,
)
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-{0,5}|\Z)", re.DOTALL
)
_BARE = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{12,128}"
    r"|(?<![\w-])eyJ[\w-]{8,8192}\.[\w-]{8,8192}\.[\w-]{0,8192}"
    r"|(?<!\w)(?:gh[pousr]_|github_pat_|xox[abeoprs]-)[\w-]{16,255}"
    r"|(?<=hooks\.slack\.com/services/)[\w/]+"
    r"|(?<=[Bb]earer )(?=[^\s\"']{0,64}\d)[\w.~+/=-]{16,8192}"
    # A secret access key: 40 base64 digits of all three kinds. A hash has no capitals, a path has dots or dashes.
    r"|(?<![\w/+=.-])(?=[^\s]{0,39}[A-Z])(?=[^\s]{0,39}[a-z])(?=[^\s]{0,39}[0-9])[A-Za-z0-9/+]{40}(?![\w/+=.-])"
)
_AUTHORITY_END = re.compile("[/?#]")
_WORD = re.compile(r"\S+")
_NOTHING = re.compile(
    r"""["']?(?:\*\*\*.*|None|null|true|false|\$\{(?:secret|env):[^}\s]*\})?["']?[\s,;)\]}]*""", re.I | re.S
)
_FIELD = re.compile(rf".*{_NAME}|(?:.*[_.\s-])?(?:pass|authorization|cookie)", re.IGNORECASE | re.DOTALL)
_DEEPEST = 8


class Redactor:
    """Replaces secrets by `***` in texts and in the fields of a log line."""

    def __init__(self, known: Secrets = frozenset) -> None:
        """Store where the known secrets come from; it is asked at each line, as secrets are resolved on the way."""
        self._known = known
        self._compiled: tuple[frozenset[str], re.Pattern[str] | None] = (frozenset(), None)

    def known(self, text: str) -> str:
        """The text without the known secrets, in whatever form they stand in it."""
        secrets = frozenset(self._known())
        if secrets != self._compiled[0]:
            self._compiled = (secrets, known_secrets_pattern(secrets))
        pattern = self._compiled[1]
        return pattern.sub(MASK, text) if pattern else text

    def text(self, text: str) -> str:
        """The text without known secrets and without what is written like one.

        The time is linear in the length of the text.
        """
        # Known ones first: a pattern that stops at a blank would leave the rest of a secret that holds one.
        text = _PEM.sub(MASK, self.known(text))
        if "://" in text and "@" in text:
            text = _WORD.sub(_without_userinfo, text)
        text = _SIGNED.sub(rf"\g<head>{MASK}", text)
        text = _HEADER.sub(_masked, text)
        text = _ASSIGNED.sub(_masked, text)
        return _BARE.sub(MASK, text)

    def fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields as plain JSON values, redacted; a field whose name says secret is masked whole."""
        return {self.text(str(name)): self._field(str(name), value, 0) for name, value in fields.items()}

    def _field(self, name: str, value: object, depth: int) -> object:
        if value is not None and not isinstance(value, bool) and _FIELD.fullmatch(name):
            return MASK
        return self._value(value, depth)

    def _value(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            shown = str(value)
            plain = not isinstance(value, float) or math.isfinite(value)
            return value if plain and self.known(shown) == shown else self.known(shown)
        if isinstance(value, Mapping) and depth < _DEEPEST:
            return {self.text(str(key)): self._field(str(key), item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
            return [self._value(item, depth + 1) for item in value]
        if isinstance(value, bytes | bytearray):
            return self.text(value.decode("utf-8", "backslashreplace"))
        return self.text(value if isinstance(value, str) else _shown(value))


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception as exc:  # noqa: BLE001 - a log line must not end the run because an object cannot be shown
        return f"<{type(value).__name__} that cannot be shown: {type(exc).__name__}>"


def _masked(match: re.Match[str]) -> str:
    value = match["value"]
    if _NOTHING.fullmatch(value):
        return match[0]
    if match["quoted"] is None:
        return match["head"] + MASK
    quote = match["escaped"] or value[-1]
    return f"{match['head']}{quote}{MASK}{quote}"


def _without_userinfo(match: re.Match[str]) -> str:
    """Mask `user:password` in the urls of one word, up to the last @: passwords hold / @ ? : and #.

    A url without a colon before its path keeps an @ in the path: `s3://bucket/mail@2024.csv` is no secret.
    """
    word = match[0]
    last = word.rfind("@")
    at = word.find("://")
    while at != -1 and at < last:
        start = at + 3
        end = _authority_end(word, start)
        colon = word.find(":", start, end)
        if colon != -1:
            return f"{word[:start]}{MASK}{word[last:]}"
        if (mark := word.find("@", start, end)) != -1:
            return f"{word[:start]}{MASK}{word[mark:]}"
        at = word.find("://", start)
    return word


def _authority_end(word: str, start: int) -> int:
    end = _AUTHORITY_END.search(word, start)
    return end.start() if end else len(word)
