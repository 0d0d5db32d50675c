"""A header that does not fit the contract, and whether columns can be taken by their place all the same."""

from __future__ import annotations

import re

from cloud_etl.domain.spec import PipelineSpec
from cloud_etl.extract.reader.dialect import Dialect
from cloud_etl.extract.reader.header import by_position
from cloud_etl.extract.reader.pieces import Layout
from cloud_etl.extract.reader.shape import Shape

_SAMPLE_LINES = 20


def layout_by_position(header: bytes, below: bytes, spec: PipelineSpec, dialect: Dialect) -> Layout | None:
    """The layout of the contract, where a damaged header and the first records leave no other; else None.

    The header's line holds the contract's names in their order and nothing else, whatever became of its delimiters and
    quotes; or it has as many names as the contract, half of them at their place and none at another's. And more than
    half of the first lines below it are records by the contract: as many fields as columns, of the right types.

    Args:
        header: the header's line.
        below: the lines that follow it.
        spec: the pipeline.
        dialect: the grammar.
    """
    text = header.decode(errors="replace")
    if not (_holds_the_names(text, spec) or _has_names_at_their_place(text, spec)):
        return None
    kinds = {place: column.type.kind for place, column in enumerate(spec.schema_.values())}
    shape = Shape.of(len(spec.schema_), kinds)
    lines = [line for line in below.split(b"\n")[:-1] if not shape.is_gap(line, dialect)][:_SAMPLE_LINES]
    records = sum(shape.is_record(line, dialect) for line in lines)
    return by_position(spec) if 2 * records > len(lines) else None


def _names(spec: PipelineSpec) -> list[set[str]]:
    """The folded names of each column."""
    return [{_folded(name) for name in (column, *one.source_names)} for column, one in spec.schema_.items()]


def _folded(name: str) -> str:
    """The letters and digits of a text, without case."""
    return re.sub(r"[\W_]", "", name).casefold()


def _holds_the_names(text: str, spec: PipelineSpec) -> bool:
    columns = ["(?:" + "|".join(sorted(map(re.escape, names))) + ")" for names in _names(spec)]
    return re.fullmatch("".join(columns), _folded(text)) is not None


def _has_names_at_their_place(text: str, spec: PipelineSpec) -> bool:
    wanted = _names(spec)
    found = [_folded(name) for name in text.split(spec.source.csv.delimiter)]
    known = [(place, name) for place, name in enumerate(found) if any(name in names for names in wanted)]
    return len(found) == len(wanted) <= 2 * len(known) and all(name in wanted[place] for place, name in known)
