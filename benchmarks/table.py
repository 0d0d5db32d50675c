"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.records import GIB, Record

NOTES = """Processor seconds are those of the whole process tree, peaks the largest of the repeats, bytes read those of
read calls, from disk or from memory (mapped files are none). Compare within one table only: its contestants ran in
turns on the same machine, which others were using as well; processor seconds are steadier than wall time.
Polars and the hand-written job on Sail get their input through pyarrow and take 0.05% of broken records for sound; dlt
loads and does no more; all others end with the same rows in every table (checked column by column).
The input is one that DuckDB reads whole: with other seeds its parallel CSV reader loses rows without a word
(see make_sales.py). What the contestants do is in [rivals/](rivals/) and [job/](job/).
"""


_TITLES = (
    ("retail", "The retail job"),
    ("workers", "Spark clusters of one and two workers"),
    ("files", "Many files"),
    ("columns", "Many columns"),
    ("pipelines", "A hundred small pipelines"),
)


def render(records: Sequence[Record]) -> str:
    """All tables."""
    parts = [
        "# Results\n",
        "`python -m benchmarks all` makes them anew, `python -m benchmarks plots` draws them.\n",
        NOTES,
    ]
    for suite, title in _TITLES:
        members = [one for one in records if one.suite == suite]
        if members:
            parts += [f"## {title}\n", f"![{title}](plots/{suite}.svg)\n"]
            parts += _retail(members) if suite in ("retail", "workers", "pipelines") else [_growth(suite, members)]
    return "\n".join(parts)


def _retail(records: Sequence[Record]) -> Iterable[str]:
    for rows, group in groupby(sorted(records, key=lambda one: one.rows), key=lambda one: one.rows):
        members = sorted(group, key=lambda one: one.cpu_seconds)
        ours = next((one for one in members if one.contestant == "cloud-etl on sail"), members[0])
        yield f"### {rows:,} records, {ours.size_bytes / 1e6:,.0f} MB\n"
        yield "| contestant | CPU s | to ours | wall s | to ours | peak RSS GiB | peak PSS GiB | read MB | runs |"
        yield "|---|---|---|---|---|---|---|---|---|"
        for one in members:
            yield (
                f"| {one.contestant}{'' if not one.exit_code else f' (exit {one.exit_code})'} | {one.cpu_seconds:.1f} "
                f"| {one.cpu_seconds / ours.cpu_seconds:.2f} | {one.wall_seconds:.1f} "
                f"| {one.wall_seconds / ours.wall_seconds:.2f} | {one.peak_rss_bytes / GIB:.2f} "
                f"| {one.peak_pss_bytes / GIB:.2f} | {one.read_bytes / 1e6:,.0f} | {one.repeats} |"
            )
        yield ""
        yield from _phases(members)
        yield from (f"* {one.contestant}: {line}" for one in members for line in one.differences)
        yield from sorted({f"_{one.at}_\n" for one in members})


def _phases(records: Sequence[Record]) -> Iterable[str]:
    ours = [one for one in records if one.phases]
    if not ours:
        return
    yield "| phase: CPU s / wall s | " + " | ".join(one.contestant for one in ours) + " |"
    yield "|---|" + "---|" * len(ours)
    for phase in ours[0].phases:
        cells = (
            f"{one.phases[phase][1]:.1f} / {one.phases[phase][0]:.1f}" if phase in one.phases else "" for one in ours
        )
        yield f"| {phase} | " + " | ".join(cells) + " |"
    yield ""


def _growth(suite: str, records: Sequence[Record]) -> str:
    members = sorted(records, key=lambda one: getattr(one, suite))
    first = members[0]
    lines = [
        f"| {suite} | rows | CPU s | to the first | wall s | to the first | peak RSS GiB |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {getattr(one, suite):,} | {one.rows:,} | {one.cpu_seconds:.1f} "
            f"| {one.cpu_seconds / first.cpu_seconds:.2f} | {one.wall_seconds:.1f} "
            f"| {one.wall_seconds / first.wall_seconds:.2f} | {one.peak_rss_bytes / GIB:.2f} |"
            for one in members
        ),
        "",
        *sorted({f"_{one.at}_\n" for one in members}),
    ]
    return "\n".join(lines)
