"""Records of JSON files: one object after the other, found by name, by jsonpaths, or taken whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Self

from cloud_etl.local_aws.redshift.copy.objects import Objects, S3Address
from cloud_etl.local_aws.redshift.copy.rows.records import BadRecord, Field, Parsed, Record
from cloud_etl.local_aws.redshift.port import RedshiftError

if TYPE_CHECKING:
    from cloud_etl.local_aws.redshift.copy.table import TableColumn

_INVALID = 1216
_LONGEST_OBJECT = 4 << 20
_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_][\w$-]*)|\['(?P<quoted>[^']*)'\]|\[(?P<place>\d+)\]|\["(?P<double>[^"]*)"\]"""
)
Step = str | int
Pick = Callable[[object], list[Field]]


class _Number(float):
    """A number with a fraction, which keeps its text: a decimal must not pass through a float."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def picker(option: str, columns: Sequence[TableColumn], objects: Objects) -> Pick:
    """What takes the fields of the columns out of one JSON value.

    Args:
        option: auto, auto ignorecase, noshred, or the address of a jsonpaths file.
        columns: of the table.
        objects: where a jsonpaths file is read from.

    Raises:
        RedshiftError: the jsonpaths file is missing or off.
    """
    if option.startswith("s3://"):
        paths = _read_paths(S3Address.parse(option), objects)
        if len(paths) != len(columns):
            raise RedshiftError("Number of jsonpaths and the number of columns should match.")
        wholes = [column.type == "super" for column in columns]
        return lambda value: [_text(_walk(value, path), whole) for path, whole in zip(paths, wholes, strict=True)]
    if option == "noshred":
        if len(columns) != 1 or columns[0].type != "super":
            raise RedshiftError("JSON 'noshred' needs one column of type SUPER.")
        return lambda value: [_json(value)]
    if option not in ("auto", "auto ignorecase"):
        raise RedshiftError(f"JSON format option {option[:60]!r} is not valid: auto, auto ignorecase, noshred or s3://")
    return _by_name(columns, fold=option == "auto ignorecase")


def parse(lines: Iterable[str], pick: Pick) -> Iterator[Parsed]:
    """Records of a file: values in a row, each on one line, on several, or several on one line."""
    decoder = json.JSONDecoder(parse_float=_Number)
    pending, first = "", 1
    for number, line in enumerate(lines, 1):
        if not pending:
            first = number
        pending += line
        pending = yield from _complete(decoder, pending, first, pick)
        if len(pending) > _LONGEST_OBJECT:
            yield BadRecord(first, pending, _INVALID, "JSON object exceeds the size limit of 4194304 bytes")
            pending = ""
    if pending.strip():
        yield BadRecord(first, pending.strip(), _INVALID, "Invalid JSON: unexpected end of input")


def _complete(decoder: json.JSONDecoder, text: str, line: int, pick: Pick) -> Generator[Parsed, None, str]:
    """Every value that ends in the text; gives what is left of it."""
    position = len(text) - len(text.lstrip())
    while position < len(text):
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as exc:
            if _goes_on(text, exc):
                return text[position:]
            yield BadRecord(line, text[position:].strip(), _INVALID, f"Invalid JSON: {exc.msg.lower()} at {exc.pos}")
            return ""
        raw = text[position:end]
        if isinstance(value, dict | list):
            yield Record(line, raw, pick(value))
        else:
            yield BadRecord(line, raw, _INVALID, "Invalid JSON: an object or an array is expected")
        position = end
        while position < len(text) and text[position].isspace():
            position += 1
    return ""


def _goes_on(text: str, exc: json.JSONDecodeError) -> bool:
    """Whether the value may be complete with the next line: what is wrong is that the text ends."""
    return exc.pos >= len(text.rstrip()) or exc.msg.startswith("Unterminated string")


def _by_name(columns: Sequence[TableColumn], *, fold: bool) -> Pick:
    wanted = [(column.name.lower() if fold else column.name, column.type == "super") for column in columns]

    def pick(value: object) -> list[Field]:
        found = value if isinstance(value, dict) else {}
        if fold:
            found = {key.lower(): item for key, item in found.items()}
        return [_text(found.get(name), whole) for name, whole in wanted]

    return pick


def _text(value: object, whole: bool) -> Field:
    """A value as text; whole for SUPER, which keeps a string as one."""
    if value is None:
        return None
    if whole:
        return _json(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return value.text
    return str(value) if isinstance(value, int) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _walk(value: object, path: Sequence[Step]) -> object:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _read_paths(address: S3Address, objects: Objects) -> list[list[Step]]:
    try:
        document = json.loads(objects.read(address))
    except ValueError:
        document = None
    paths = document.get("jsonpaths") if isinstance(document, dict) else None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise RedshiftError("Invalid JSONPath format: 'jsonpaths' array is not found or holds more than texts.")
    return [_steps(path) for path in paths]


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            break
        place = match["place"]
        steps.append(int(place) if place is not None else match["name"] or match["quoted"] or match["double"] or "")
        position = match.end()
    if not path.startswith("$") or position < len(path):
        raise RedshiftError(f"Invalid JSONPath format: {path[:200]}")
    return steps
