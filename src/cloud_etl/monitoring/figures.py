"""Numbers as people read them, alike in the terminal and in the report."""

from __future__ import annotations

import math

UNKNOWN = "unknown"
NONE = "–"  # noqa: RUF001 - an en dash is what a table cell without a figure holds


def number(value: int | None) -> str:
    """`1,234,567`; None is a figure that is not known, which is not zero."""
    return UNKNOWN if value is None else f"{value:,}"


def percent(part: int | None, whole: int | None) -> str:
    """The share with two figures that mean something; a share that is not zero is never shown as zero."""
    if part is None or not whole:
        return NONE
    share = 100 * part / whole
    if part == 0 or part == whole:
        return f"{share:.0f} %"
    if abs(share) < 0.01:
        return "< 0.01 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.2f} %" if abs(share) < 1 else f"{share:.1f} %"


def size(size_bytes: int) -> str:
    """`678 MB`, in powers of 1000."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def seconds(value: float) -> str:
    """`0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`."""
    if not math.isfinite(value):
        return UNKNOWN
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plural(count: int, word: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {word if count == 1 else word + 's'}"


def shortened(text: str, length: int) -> str:
    """The text, its middle cut out where it is longer: the ends tell file names apart."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"
