"""Match the names in a file's header with the contract."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud_etl.domain.rejects import RejectCode
from cloud_etl.domain.schema import LINEAGE
from cloud_etl.domain.spec import ColumnSpec, PipelineSpec
from cloud_etl.extract.reader.pieces import Layout

_RESERVED = (*LINEAGE, "_fate", "_status", "_reason")
_VERSIONS = ("valid_from", "valid_to", "is_current")
# Every warehouse takes names of this length.
_MAX_NAME_BYTES = 127
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Matched:
    """A layout, and what a person should know of how it was found."""

    layout: Layout
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether records can be read by it."""
        return self.layout.refusal is None


@dataclass(slots=True)
class SeenHeader:
    """The last header that was accepted: files of one batch mostly have the same, and it is matched once.

    Attributes:
        raw: the header's record with its line end, as it stood in its file; empty before the first.
        cr_file: whether CR ended the lines of that file.
    """

    raw: bytes = b""
    cr_file: bool = False
    names: list[str] = field(default_factory=list)
    matched: Matched = field(default_factory=lambda: Matched(Layout(0)))


def match_header(names: Sequence[str], spec: PipelineSpec) -> Matched:
    """Find each column of the contract in a header: by its exact name, else by one that reads the same.

    That is without case, outer blanks, characters without a width, and the kinds of blanks and composition in Unicode.

    Returns:
        A layout; its refusal says why, where the header does not fit the contract.
    """
    width = len(names)
    found: dict[str, int] = {}
    notes: list[str] = []
    exactly, alike = _by_name(names), _by_name([folded(name) for name in names])
    for column, column_spec in spec.schema_.items():
        wanted = {column, *column_spec.source_names}
        places = sorted(place for name in wanted for place in exactly.get(name, ()))
        exact = bool(places)
        if not exact:
            places = sorted(place for name in {folded(one) for one in wanted} for place in alike.get(name, ()))
        if len(places) > 1:
            shown = ", ".join(repr(names[place][:80]) for place in places[:_SHOWN])
            message = f"column {column} has {len(places)} candidates in the header: {shown}"
            return _refused(width, RejectCode.DUPLICATE_HEADER, message, column)
        if places:
            found[column] = places[0]
            if not exact:
                odd = _code_points(names[places[0]], wanted)
                notes.append(f"column {column} was taken from {names[places[0]]!r}{f' ({odd})' if odd else ''}")
    if not found:
        message = "the first record names none of the contract's columns; check delimiter, quote, encoding and header"
        message += "".join(_alike(column, names) for column in list(spec.schema_)[:_SHOWN])
        return _refused(width, RejectCode.HEADER_MISMATCH, message)
    missing = [column for column in spec.schema_ if column not in found]
    if lacking := [column for column in missing if _needed(spec.schema_[column])]:
        message = f"the file lacks required columns: {', '.join(lacking[:_SHOWN])}"
        message += "".join(_alike(column, names) for column in lacking[:_SHOWN])
        return _refused(width, RejectCode.MISSING_COLUMN, message, lacking[0])
    notes += [f"column {column} is not in the file{_alike(column, names)}" for column in missing]
    return _with_extras(names, found, notes, spec)


def _with_extras(names: Sequence[str], found: Mapping[str, int], notes: list[str], spec: PipelineSpec) -> Matched:
    width = len(names)
    taken = set(found.values())
    extras = [(name, place) for place, name in enumerate(names) if place not in taken]
    shown = ", ".join(repr(name[:80]) for name, _ in extras[:_SHOWN])
    if extras and spec.new_columns == "reject":
        message = f"the file has columns that the contract lacks: {shown}"
        return _refused(width, RejectCode.UNEXPECTED_COLUMN, message, extras[0][0][:80])
    sources = dict(found)
    if extras and spec.new_columns == "ignore":
        notes.append(f"columns dropped: {shown}")
    elif extras:
        alike = [folded(name) for name, _ in extras]
        if len(set(alike)) < len(alike):
            return _refused(width, RejectCode.DUPLICATE_HEADER, f"new columns share a name: {shown}")
        if set(alike) & {name.casefold() for name in spec.schema_}:
            return _refused(width, RejectCode.DUPLICATE_HEADER, f"new columns differ from others by case only: {shown}")
        for name, _ in extras:
            if problem := new_name_problem(name.strip(), spec):
                return _refused(width, RejectCode.BAD_HEADER, f"the new column {name[:80]!r}: {problem}")
        sources.update((name.strip(), place) for name, place in extras)
        notes.append(f"new columns taken as string: {shown}")
    return Matched(Layout(width, tuple(sources.items())), tuple(notes))


def new_name_problem(name: str, spec: PipelineSpec) -> str | None:
    """Why no table can have a new column of that name, or None: found in the record, it costs no more than that."""
    if not name:
        return "it has no name"
    if not name.isprintable():
        return "its name holds characters that cannot be printed"
    if len(name.encode()) > _MAX_NAME_BYTES:
        return f"its name is longer than {_MAX_NAME_BYTES} bytes"
    keeps_versions = any(output.load is not None and output.load.mode == "scd2" for output in spec.outputs)
    if name.casefold() in (*_RESERVED, *(_VERSIONS if keeps_versions else ())):
        return "its name is taken by cloud-etl itself"
    return None


def by_position(spec: PipelineSpec) -> Layout:
    """The layout of files without a header: the contract's columns in their order."""
    return Layout(len(spec.schema_), tuple((name, place) for place, name in enumerate(spec.schema_)))


def holds_contract(names: Sequence[str], spec: PipelineSpec) -> bool:
    """Whether a line names every column of the contract and is accepted: then it is the header, wherever it stands."""
    matched = match_header(names, spec)
    return matched.accepted and {name for name, _ in matched.layout.sources} >= set(spec.schema_)


def _needed(column: ColumnSpec) -> bool:
    return column.required and column.default is None


def folded(name: str) -> str:
    """What is left of a name where all is taken away that nobody sees; most are ASCII."""
    if not name.isascii():
        kinds = [(char, unicodedata.category(char)) for char in name]
        name = "".join(" " if kind == "Zs" else char for char, kind in kinds if kind != "Cf")
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())
    return name.strip().casefold()


def _code_points(name: str, wanted: Iterable[str]) -> str:
    """The characters beyond ASCII by which a name and the one that is looked for differ."""
    known = set("".join(wanted))
    here = [char for char in dict.fromkeys(name) if not char.isascii() and char not in known]
    lacking = [char for char in sorted(known - set(name)) if not char.isascii()]
    parts = [(word, chars[:_SHOWN]) for word, chars in (("with", here), ("without", lacking)) if chars]
    return ", ".join(f"{word} {', '.join(map(_code_point, chars))}" for word, chars in parts)


def _code_point(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()


def _alike(column: str, names: Sequence[str]) -> str:
    """What to say of names that look like that column, with letters of other alphabets."""
    found = [
        name
        for name in names
        if len(name) == len(column) and name != column and (not name.isascii() or not column.isascii())
        and all(one == other or not (one + other).isascii() for one, other in zip(name, column, strict=True))
    ]  # fmt: skip
    return "".join(f"; {name!r} is another name than {column} ({_code_points(name, [column])})" for name in found[:1])


def _by_name(names: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return places


def _refused(width: int, code: RejectCode, message: str, column: str | None = None) -> Matched:
    return Matched(Layout(width, refusal=(code, message, column)))
