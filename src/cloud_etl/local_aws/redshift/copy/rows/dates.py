"""Dates and times by Redshift's DATEFORMAT and TIMEFORMAT."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

DEFAULT_DATE = "YYYY-MM-DD"
DEFAULT_TIME = "YYYY-MM-DD HH:MI:SS"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PARTS = {
    "YYYY": r"(?P<year>\d{4})", "YY": r"(?P<short>\d{2})", "MONTH": r"(?P<name>[A-Za-z]{3,9})",
    "MON": r"(?P<name>[A-Za-z]{3})", "MM": r"(?P<month>\d{1,2})", "DD": r"(?P<day>\d{1,2})",
    "HH24": r"(?P<hour>\d{1,2})", "HH12": r"(?P<hour>\d{1,2})", "HH": r"(?P<hour>\d{1,2})",
    "MI": r"(?P<minute>\d{1,2})", "SS": r"(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,9}))?",
    "US": r"(?P<fraction>\d{1,6})", "AM": r"(?P<half>[AaPp]\.?[Mm]\.?)", "PM": r"(?P<half>[AaPp]\.?[Mm]\.?)",
    "OF": r"(?P<offset>[+-]\d{2}(?::?\d{2})?|Z)", "TZ": r"(?P<offset>[+-]\d{2}(?::?\d{2})?|Z|UTC|GMT)",
}  # fmt: skip
_TOKEN = re.compile("|".join(sorted(_PARTS, key=len, reverse=True)), re.IGNORECASE)
_AUTO_DATES = (
    "YYYY-MM-DD", "YYYYMMDD", "MM/DD/YYYY", "MM/DD/YY", "YYYY/MM/DD", "MON-DD-YYYY", "DD-MON-YYYY", "YYYY-MON-DD",
    "MONTH DD, YYYY", "MON DD, YYYY", "DD MON YYYY", "YYYY.MM.DD", "MM-DD-YYYY", "MM.DD.YYYY",
)  # fmt: skip
_CLOCKS = ("", " HH:MI:SS", "THH:MI:SS", " HH:MI", "THH:MI", " HH:MI:SS AM", " HH:MI AM", " HHMISS", "THHMISS")
_EPOCH = datetime(1970, 1, 1)


class FormatError(ValueError):
    """A text is no date or time of its format."""


def parse_date(text: str, pattern: str | None) -> date:
    """A date.

    Args:
        text: without blanks around it.
        pattern: of DATEFORMAT, `auto`, or None for YYYY-MM-DD.

    Raises:
        FormatError: the text is not written so, or there is no such day.
    """
    return _parse(text, _candidates(pattern, DEFAULT_DATE, clocks=pattern == "auto")).date()


def parse_timestamp(text: str, pattern: str | None, *, zoned: bool) -> datetime:
    """A time without a zone, in UTC for TIMESTAMPTZ; TIMESTAMP ignores what zone the text names.

    Args:
        text: without blanks around it.
        pattern: of TIMEFORMAT, `auto`, `epochsecs`, `epochmillisecs`, or None for YYYY-MM-DD HH:MI:SS.
        zoned: whether the column is TIMESTAMPTZ.

    Raises:
        FormatError: the text is not written so, or there is no such time.
    """
    if pattern in ("epochsecs", "epochmillisecs"):
        return _from_epoch(text, 1 if pattern == "epochsecs" else 1000)
    found = _parse(text, _candidates(pattern, DEFAULT_TIME, clocks=True))
    return found.astimezone(UTC).replace(tzinfo=None) if zoned and found.tzinfo else found.replace(tzinfo=None)


def _from_epoch(text: str, per_second: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=float(text) / per_second)
    except (ValueError, OverflowError) as exc:
        raise FormatError from exc


@lru_cache(maxsize=64)
def _candidates(pattern: str | None, default: str, *, clocks: bool) -> tuple[re.Pattern[str], ...]:
    if pattern is None:
        # A time may lack its clock, and may name its zone.
        patterns: tuple[str, ...] = (default, DEFAULT_DATE) if clocks else (default,)
    elif pattern == "auto":
        patterns = tuple(day + clock for day in _AUTO_DATES for clock in (_CLOCKS if clocks else ("",)))
    else:
        return (_compiled(pattern),)
    return tuple(_compiled(one, zone=clocks) for one in patterns)


def _compiled(pattern: str, *, zone: bool = False) -> re.Pattern[str]:
    made, position, seen = "", 0, set[str]()
    for match in _TOKEN.finditer(pattern):
        made += re.escape(pattern[position : match.start()])
        part = _PARTS[match[0].upper()]
        name = part[part.index("<") + 1 : part.index(">")]
        # `US` after `SS`: the seconds of this pattern bring no fraction of their own.
        made += part.partition(r"(?:\.")[0] if name == "second" and "US" in pattern.upper() else part
        if name in seen:
            raise FormatError
        seen.add(name)
        position = match.end()
    made += re.escape(pattern[position:])
    return re.compile(made + (rf"\s?(?:{_PARTS['TZ']})?" if zone and "offset" not in seen else ""))


def _parse(text: str, candidates: tuple[re.Pattern[str], ...]) -> datetime:
    for candidate in candidates:
        match = candidate.fullmatch(text)
        if match is None:
            continue
        try:
            return _built(match.groupdict())
        except (ValueError, OverflowError):
            continue
    raise FormatError


def _built(parts: dict[str, str | None]) -> datetime:
    def number(name: str, default: int) -> int:
        return int(parts.get(name) or default)

    year = number("year", 1900)
    if parts.get("short"):
        short = number("short", 0)
        year = short + (2000 if short < 70 else 1900)
    month = number("month", 1)
    if name := parts.get("name"):
        month = _MONTHS.index(name[:3].lower()) + 1
    hour = number("hour", 0)
    if half := parts.get("half"):
        hour = hour % 12 + (12 if half[0] in "pP" else 0)
    fraction = (parts.get("fraction") or "0").ljust(6, "0")[:6]
    return datetime(
        year, month, number("day", 1), hour, number("minute", 0), number("second", 0), int(fraction),
        tzinfo=_zone(parts.get("offset")),
    )  # fmt: skip


def _zone(offset: str | None) -> timezone | None:
    if offset is None:
        return None
    if offset[0] not in "+-":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-shift if offset[0] == "-" else shift)
