"""Check a pipeline's source and contract: options that exclude one another, formats, zones, defaults, encodings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from encodings.aliases import aliases
from zoneinfo import ZoneInfo, available_timezones

from cloud_etl.config.yaml_positions import YamlPath
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.schema import LINEAGE, Kind
from cloud_etl.domain.spec import ColumnSpec, CsvOptions, PipelineSpec, SourceSpec
from cloud_etl.errors import SourceError
from cloud_etl.extract.reader.casts import format_pattern
from cloud_etl.extract.source_path import fill, filled_glob

Finding = tuple[YamlPath, str]
_TIMED = ("date", "timestamp")
_LIMITS = {"integer": 1 << 31, "bigint": 1 << 63}
_DIRECTIVE = re.compile(r"%(-?.)?", re.DOTALL)
# What DuckDB parses.
_DIRECTIVES = frozenset("aAbBcdfgGhHIjmMpSuUVwWxXyYz%") | {"-" + letter for letter in "djmyHIMS"}
# What says the year: by itself, by the week, or as part of a whole date.
_YEARS = frozenset("YyGcx")
_DATE_LETTERS = frozenset("YyGVUWwujmbBhdcxaA")
# Directives that say one thing are written as one of them; weekdays beside a whole date are proven by printing it.
_ONE_OF = {"y": "Y", "b": "m", "B": "m", "h": "m", "W": "U", "A": "a"}
_WHOLE_DATES = tuple(map(frozenset, ("Ymd", "Yj", "GVu", "YUw", "c", "x")))
_WEEKDAYS = frozenset("awu")
# A number of any length with a number right behind it: nothing says where the first one ends.
_RUNS_ON = re.compile(r"%(?:-.|f|g)(?=[0-9]|%-?[YymdHIMSfgGVUWwujcxX])")
_REFUSED = {
    "%n": "a timestamp holds microseconds, and nanoseconds would be rounded; write %f",
    "%Z": "names of zones are not taken: PST, CET and IST mean several offsets; "
    "write %z where the texts have an offset, else leave the name out at the source and set the column's zone",
}


def check_source(spec: PipelineSpec) -> Iterator[Finding]:
    """Findings in `source` and `schema` that the shape of the values does not show."""
    yield from _source(spec.source)
    for name, column in spec.schema_.items():
        yield from _column(column, ("schema", name))
    yield from _names(spec.schema_)


def _source(source: SourceSpec) -> Iterator[Finding]:
    for key, read in (("path", fill), ("pattern", filled_glob)):
        try:
            read(getattr(source, key), date.min)
        except SourceError as exc:
            yield ("source", key), str(exc)
    for name in ("csv", "json"):
        field = "json_" if name == "json" else name
        if field in source.model_fields_set and source.format != name:
            yield ("source", name), f"the format is {source.format}; leave the {name} options out"
    if source.format == "csv":
        yield from _csv(source.csv)
    encoding = source.json_.encoding if source.format == "json" else source.csv.encoding
    if source.format != "parquet" and not _is_encoding(encoding):
        hint = did_you_mean(encoding.lower().replace("-", "_"), set(aliases.values()))
        yield ("source", source.format, "encoding"), f"there is no encoding {encoding!r}{hint}"
    if source.format == "parquet" and source.compression not in ("auto", "none"):
        yield ("source", "compression"), "Parquet files hold their compression themselves; leave it out"


def _csv(csv: CsvOptions) -> Iterator[Finding]:
    path = ("source", "csv")
    if csv.quote and csv.quote in csv.delimiter:
        yield (*path, "quote"), "delimiter and quote are the same character"
    if csv.comment and csv.comment[0] in csv.delimiter:
        yield (*path, "comment"), "a comment would begin with the delimiter"
    if csv.quote and csv.comment and csv.comment.startswith(csv.quote):
        yield (*path, "comment"), "a comment would begin with the quote"
    for name, text in (("delimiter", csv.delimiter), ("quote", csv.quote or ""), ("comment", csv.comment or "")):
        if "\n" in text or "\r" in text:
            yield (*path, name), f"a line break cannot be the {name}"
    escape = "\\" if csv.escape == "backslash" else csv.escape
    if escape == csv.quote:
        yield (*path, "escape"), f"{escape} is the quote already; a quote that stands twice is escape: doubled"
    elif len(escape) == 1 and escape in csv.delimiter:
        yield (*path, "escape"), f"{escape} is the delimiter already"
    elif len(escape) == 1 and csv.comment and csv.comment.startswith(escape):
        yield (*path, "escape"), "a comment would begin with the escape character"


def _column(column: ColumnSpec, path: YamlPath) -> Iterator[Finding]:
    kind = column.type.kind
    if column.format is not None:
        if kind not in _TIMED:
            yield (*path, "format"), f"a format is for dates and timestamps, the column is {column.type}"
        elif (wrong := _format_problem(column.format, kind)) is not None:
            yield (*path, "format"), wrong
    if "zone" in column.model_fields_set and kind != "timestamp":
        yield (*path, "zone"), f"a zone is for timestamps, the column is {column.type}"
    elif not _is_zone(column.zone):
        yield (
            (*path, "zone"),
            f"there is no time zone {column.zone!r}{did_you_mean(column.zone, available_timezones())}",
        )
    if "too_long" in column.model_fields_set and kind not in ("string", "json"):
        yield (*path, "too_long"), f"too_long is for texts, the column is {column.type}"
    elif kind == "json" and column.too_long == "cut":
        yield (*path, "too_long"), "half a JSON text is none; write reject or fail"
    if column.default is not None and (wrong := _default_problem(column)) is not None:
        yield (*path, "default"), wrong


def _names(schema: Mapping[str, ColumnSpec]) -> Iterator[Finding]:
    """Names that are reserved, or that two columns share; upper and lower case are one name to engines."""
    seen: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, column in schema.items():
        path = ("schema", name)
        if not name.strip():
            yield path, "a column needs a name"
        if name in LINEAGE or name == "_fate":
            yield path, f"the name {name!r} is kept for lineage; rename the column with rename_from"
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield path, f"columns {first!r} and {name!r} differ in case only, which engines do not tell apart"
        for source in column.source_names or (name,):
            owner = sources.setdefault(source, name)
            if owner != name:
                yield path, f"column {source!r} of the files goes to {owner!r} already"


def _is_encoding(name: str) -> bool:
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _format_problem(text: str, kind: Kind = "timestamp") -> str | None:
    """Why a format accepts what it does not write, or cannot read what it writes; None where neither is true."""
    if "%" not in text:
        return f"{text!r} is no strptime format; write for example %Y-%m-%d or %d.%m.%Y %H:%M:%S"
    for match in _DIRECTIVE.finditer(text):
        if match[1] not in _DIRECTIVES:
            return _REFUSED.get(match[0], f"{match[0]!r} is no part of a strptime format")
    said = [match[1].removeprefix("-") for match in _DIRECTIVE.finditer(text)]
    letters = set(said) - {"%"}
    twice = next((letter for letter in said if said.count(letter) > 1 and letter != "%"), None)
    if twice is not None:
        return f"%{twice} stands twice in {text!r}, and the two may contradict each other; leave one out"
    if not letters & _YEARS:
        return f"{text!r} has no year, and one would be invented; write a date with it, or declare string"
    named = {_ONE_OF.get(letter, letter) for letter in letters & _DATE_LETTERS}
    if not any(whole <= named <= whole | _WEEKDAYS for whole in _WHOLE_DATES) or len(letters & set("YyG")) > 1:
        return (
            f"{text!r} does not name one day, once: by year, month and day, or year and %j, %G-%V-%u, a year with %U "
            "or %W and %w, %x or %c; what is missing would be invented, what stands there twice may contradict itself"
        )
    return _time_problem(text, letters) or _place_problem(text, letters, kind)


def _time_problem(text: str, letters: set[str]) -> str | None:
    """As `_format_problem`, for the time of day: no part of it without the larger ones, and each said once."""
    if ("I" in letters) != ("p" in letters) or {"H", "I"} <= letters:
        return "hours of a half day are %I together with %p; hours of a whole day are %H, alone"
    whole = letters & {"c", "X"}
    parts = letters & set("HIMS")
    if whole and (parts or len(whole) > 1):
        return f"{text!r} says the time twice: %{min(whole)} is hours, minutes and seconds already"
    for small, large in (("fg", "ScX"), ("S", "M"), ("M", "HI")):
        if letters & set(small) and not letters & set(large):
            return f"{text!r} has a smaller part of the time without the larger, which would be invented"
    if {"f", "g"} <= letters:
        return f"{text!r} says the fraction twice; %f is microseconds, %g milliseconds"
    return None


def _place_problem(text: str, letters: set[str], kind: Kind) -> str | None:
    """As `_format_problem`, for what stands where."""
    if (found := _RUNS_ON.search(text)) is not None:
        return f"nothing says where the number of {found[0]} ends in {text!r}; put something between it and the next"
    if "z" in letters and kind == "date":
        return "a date has no offset; leave %z out at the source, or declare timestamp"
    if "z" in letters and format_pattern(text) is None and not text.endswith("%z"):
        return f"%z can stand at the end of {text!r} only: elsewhere no offset but +00 would be read"
    return None


def _default_problem(column: ColumnSpec) -> str | None:
    kind = column.type.kind
    # Without the value: defaults can be as private as the data.
    if _FITS[kind](column):
        return None
    hint = {
        "string": "; put it in quotes",
        "json": "; write JSON text in quotes",
        "date": "; write it as 2024-12-31, or in the column's format",
        "timestamp": "; write it as 2024-12-31 23:59:59, or in the column's format",
    }.get(kind, "")
    return f"the default does not fit the type {column.type}{hint}"


def _is_whole(column: ColumnSpec) -> bool:
    limit, value = _LIMITS[column.type.kind], column.default
    return isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit


def _is_decimal(column: ColumnSpec) -> bool:
    if isinstance(column.default, bool):
        return False
    try:
        number = Decimal(str(column.default))
    except InvalidOperation:
        return False
    if not number.is_finite():
        return False
    _, digits, exponent = number.normalize().as_tuple()
    scale = max(0, -int(exponent))
    whole = len(digits) + int(exponent) if number else 0
    return scale <= column.type.scale and whole <= column.type.precision - column.type.scale


def _is_time(column: ColumnSpec) -> bool:
    value = column.default
    if not isinstance(value, str):
        return False
    parse = date.fromisoformat if column.type.kind == "date" else datetime.fromisoformat
    return _parses(parse, value) or (
        column.format is not None and _parses(lambda text: datetime.strptime(text, column.format or ""), value)
    )


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


_FITS: Mapping[Kind, Callable[[ColumnSpec], bool]] = {
    "string": lambda column: isinstance(column.default, str),
    "json": lambda column: isinstance(column.default, str) and _parses(json.loads, column.default),
    "boolean": lambda column: isinstance(column.default, bool),
    "double": lambda column: isinstance(column.default, int | float) and not isinstance(column.default, bool),
    "integer": _is_whole,
    "bigint": _is_whole,
    "decimal": _is_decimal,
    "date": _is_time,
    "timestamp": _is_time,
}
