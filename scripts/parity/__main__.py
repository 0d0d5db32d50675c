"""Compare Sail and Spark over generated cases and print those they answer differently."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.parity.arithmetic import make_arithmetic_case
from scripts.parity.cases import Case, make_case
from scripts.parity.comparison import compare

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_manager import SparkManager

FAMILIES: Mapping[str, Callable[[int], Case]] = {"pipelines": make_case, "arithmetic": make_arithmetic_case}


def main() -> int:
    """Run the cases; the exit code is 1 when one differs."""
    parser = argparse.ArgumentParser(prog="python -m scripts.parity", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="how many")
    parser.add_argument("--of", choices=FAMILIES, default="pipelines", help="which kind of cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first; a case is always the same")
    parser.add_argument("--without-spark", action="store_true", help="compare Sail with Python alone, which is faster")
    wanted = parser.parse_args()
    make, found, started = FAMILIES[wanted.of], 0, time.monotonic()
    refused: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="cloud-etl-parity-") as name:
        folder = Path(name)
        sail = SparkManager(EngineSpec(memory="1GB"), 2, folder / "sail")
        spark = SparkManager(EngineSpec(name="spark", memory="1GB"), 2, folder / "spark")
        engines = (sail,) if wanted.without_spark else (sail, spark)
        with sail, spark:
            for number in range(wanted.first, wanted.first + wanted.cases):
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    case = make(number)
                    answer = compare(case, engines, Path(place))
                if answer.refused is not None:
                    refused[" ".join(answer.refused.split())[:160]] += 1
                if answer.difference is not None:
                    found += 1
                    sys.stdout.write(f"{answer.difference}\n{case}\n\n")
                    sys.stdout.flush()
                if number % 20 == 19:
                    sys.stderr.write(f"{number + 1} cases, {found} differ, {time.monotonic() - started:.0f} s\n")
    for reason, times in refused.most_common():
        sys.stdout.write(f"refused {times} times by {reason}\n")
    sys.stdout.write(f"{wanted.cases} cases, {refused.total()} refused, {found} differ\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
