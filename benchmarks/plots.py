"""Draw the results: `python -m benchmarks plots`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, OTHERS = "#2b6a94", "#b8c4ce"


def draw(records: Sequence[Record], folder: Path) -> list[Path]:
    """One SVG for each suite that has results."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "cloud-etl", "font.size": 9, "axes.spines.top": False,
                         "axes.spines.right": False})  # fmt: skip
    folder.mkdir(exist_ok=True)
    drawn = []
    for suite in ("retail", "workers", "files", "columns"):
        members = [one for one in records if one.suite == suite and not one.exit_code]
        if members:
            drawn.append(
                _draw_retail(suite, members, folder)
                if suite in ("retail", "workers")
                else _draw_growth(suite, members, folder)
            )
    return drawn


def _draw_retail(suite: str, records: Sequence[Record], folder: Path) -> Path:
    from matplotlib import pyplot as plt

    sizes = sorted({one.rows for one in records})
    figure, axes = plt.subplots(
        len(sizes), 3, figsize=(10, 0.9 + 1.9 * len(sizes)), squeeze=False, layout="constrained"
    )
    for line, rows in zip(axes, sizes, strict=True):
        members = sorted((one for one in records if one.rows == rows), key=lambda one: -one.cpu_seconds)
        names = [one.contestant for one in members]
        for place, (title, values) in enumerate(
            (
                (f"{rows / 1e6:g} M records: CPU seconds", [one.cpu_seconds for one in members]),
                ("wall seconds", [one.wall_seconds for one in members]),
                ("peak memory, GiB", [one.peak_rss_bytes / 2**30 for one in members]),
            )
        ):
            _bars(line[place], names if place == 0 else [""] * len(names), values, title)
            for bar, name in zip(line[place].patches, names, strict=True):
                bar.set_color(OURS if name.startswith("cloud-etl") else OTHERS)
    return _saved(figure, folder / f"{suite}.svg")


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float], title: str) -> None:
    bars = axes.barh(range(len(values)), values)
    axes.set_yticks(range(len(values)), names)
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_title(title, loc="left", fontsize=9)
    axes.margins(x=0.18)


def _draw_growth(suite: str, records: Sequence[Record], folder: Path) -> Path:
    from matplotlib import pyplot as plt

    members = sorted(records, key=lambda one: getattr(one, suite))
    figure, axes = plt.subplots(figsize=(5.5, 3), layout="constrained")
    counts = [getattr(one, suite) for one in members]
    for label, values, colour in (
        ("CPU seconds", [one.cpu_seconds for one in members], OURS),
        ("wall seconds", [one.wall_seconds for one in members], "#c8553d"),
    ):
        axes.plot(counts, values, marker="o", label=label, color=colour)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts], minor=False)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{suite}, of the same {'records' if suite == 'files' else 'number of cells'}")
    axes.legend(frameon=False)
    return _saved(figure, folder / f"{suite}.svg")


def _saved(figure: object, path: Path) -> Path:
    from matplotlib import pyplot as plt

    plt.savefig(path, metadata={"Date": None})
    plt.close()
    return path
