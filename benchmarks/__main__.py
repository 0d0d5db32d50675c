"""`python -m benchmarks retail|files|columns|pipelines|workers|all|plots`: measure, keep, show and draw.

Results go to benchmarks/results.json, results.md and plots/. Ends with 1 where a job failed or tables differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks import plots, records, suites, table
from benchmarks.contestants import ALL

HERE = Path(__file__).parent


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suite",
        choices=("retail", "files", "columns", "pipelines", "workers", "all", "plots"),
        nargs="?",
        default="retail",
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000], help="records of the retail job")
    parser.add_argument("--contestants", nargs="+", choices=tuple(ALL), default=["sail", "duckdb"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    args = parser.parse_args()
    at = records.machine()
    found = [] if args.suite == "plots" else list(_measured(args, at))
    kept = records.save(args.results, found)
    args.results.with_suffix(".md").write_text(table.render(kept))
    if args.suite in ("all", "plots"):
        plots.draw(kept, args.results.parent / "plots")
    if found:
        print(table.render(found))
    return int(any(one.exit_code or one.differences for one in found))


def _measured(args: argparse.Namespace, at: str) -> Iterable[records.Record]:
    if args.suite in ("retail", "all"):
        yield from suites.retail(args.rows, args.contestants, args.repeats, at)
    if args.suite in ("workers", "all"):
        yield from suites.workers(args.rows[0], args.repeats, at)
    if args.suite in ("files", "all"):
        yield from suites.files(args.repeats, at)
    if args.suite in ("columns", "all"):
        yield from suites.columns(args.repeats, at)
    if args.suite in ("pipelines", "all"):
        yield from suites.pipelines(args.repeats, at)


if __name__ == "__main__":
    sys.exit(main())
