"""Text that others wrote, made fit for a screen: the one place where it is decided what must not reach it."""

from __future__ import annotations

_SPELLED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_SPELLED |= {
    code: f"\\u{code:04x}"
    for code in (
        *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029), *range(0x202A, 0x202F), *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
    )
}  # fmt: skip
_LAYOUT = {code: spelled for code, spelled in _SPELLED.items() if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """The text with control characters and direction marks spelled out, so that data cannot steer a screen."""
    return text.translate(_SPELLED)


def laid_out(text: str) -> str:
    """As `printable`, for whole messages of ours: their line feeds and tabs stay."""
    return text.translate(_LAYOUT)
