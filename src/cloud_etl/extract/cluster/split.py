"""Split large CSV files between executors, where every line can be read without those above it."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.domain.files import FileSlice
from cloud_etl.domain.resources import MIB
from cloud_etl.extract.cluster.results import NumberedFile
from cloud_etl.extract.reader.streams import compression_of

if TYPE_CHECKING:
    from cloud_etl.domain.spec import PipelineSpec
    from cloud_etl.extract.cluster.scan import RangeScan

# Small files share a task, so that starting it costs less than what it does; many tasks keep all executors busy.
_LEAST_BYTES, _MOST_BYTES, _WANTED_TASKS = MIB, 64 * MIB, 64
_MOST_FILES = 1_000
# In these a byte below 0x80 is the ASCII character, and no other character has such a byte.
_ENCODINGS = frozenset(codecs.lookup(name).name for name in ("utf-8", "utf-8-sig", "ascii", "latin-1", "cp1252"))


@dataclass(frozen=True, slots=True)
class SplitSizes:
    """From which size on a file is split, and how large its ranges are; results do not depend on them."""

    least_bytes: int = 256 * MIB
    range_bytes: int = 128 * MIB


DEFAULT_SIZES = SplitSizes()


def ranges_of(file: NumberedFile, spec: PipelineSpec, sizes: SplitSizes) -> list[NumberedFile]:
    """The ranges of a file that may be worth splitting, cut anywhere; none of any other file."""
    source, size = spec.source, file.ref.size_bytes
    if source.format != "csv" or size < sizes.least_bytes or size <= sizes.range_bytes:
        return []
    if codecs.lookup(source.csv.encoding).name not in _ENCODINGS:
        return []
    if compression_of(Path(file.ref.key), file.ref.key, source.compression) is not None:
        return []
    cuts = [*range(0, size, sizes.range_bytes), size]
    return [replace(file, slice=FileSlice(*span)) for span in pairwise(cuts)]


def slices_of(ranges: Sequence[NumberedFile], scans: Sequence[RangeScan]) -> list[NumberedFile]:
    """The slices of one file, cut at line ends; the file as a whole where its lines do not stand apart.

    A line belongs to the range that holds the byte before it.
    """
    whole = replace(ranges[0], slice=None)
    if any(scan.entangled for scan in scans) or sum(scan.carriage_returns for scan in scans) > 0:
        return [whole]
    spans = [one.slice for one in ranges if one.slice is not None]
    lines = accumulate((scan.lines for scan in scans), initial=1)
    positions = accumulate((scan.text_bytes for scan in scans), initial=0)
    first = scans[0]
    starts = [FileSlice(0, spans[0].end)]
    for span, scan, line, position in list(zip(spans, scans, lines, positions, strict=False))[1:]:
        if scan.line_end is None:
            continue
        start, position = span.start + scan.line_end[0] + 1, position + scan.line_end[1] + 1
        if first.head_position <= position and start < spans[-1].end:
            starts.append(FileSlice(start, span.end, line + 1, position, first.head_bytes))
    if len(starts) == 1:
        return [whole]
    ends = [*(one.start for one in starts[1:]), spans[-1].end]
    return [replace(whole, slice=replace(one, end=end)) for one, end in zip(starts, ends, strict=True)]


def packed(files: Sequence[NumberedFile]) -> list[list[NumberedFile]]:
    """Files by task: the largest first and alone, small ones together; a slice is always alone."""
    total = sum(file.size_bytes for file in files)
    full = min(_MOST_BYTES, max(_LEAST_BYTES, total // _WANTED_TASKS))
    tasks: list[list[NumberedFile]] = []
    held = 0
    for file in sorted(files, key=lambda one: (-one.size_bytes, one.index)):
        alone = not tasks or file.slice is not None or tasks[-1][0].slice is not None
        if alone or held + file.size_bytes > full or len(tasks[-1]) >= _MOST_FILES:
            tasks.append([])
            held = 0
        tasks[-1].append(file)
        held += file.size_bytes
    return [sorted(task, key=lambda one: one.index) for task in tasks]
