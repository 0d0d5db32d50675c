"""Compare Sail and Spark over generated cases and print those they answer differently."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from scripts.parity.cases import make_case
from scripts.parity.comparison import compare

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.spark_manager import SparkManager


def main() -> int:
    """Run the cases; the exit code is 1 when one differs."""
    parser = argparse.ArgumentParser(prog="python -m scripts.parity", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first; a case is always the same")
    wanted = parser.parse_args()
    found, refused, started = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cloud-etl-parity-") as name:
        folder = Path(name)
        sail = SparkManager(EngineSpec(memory="1GB"), 2, folder / "sail")
        spark = SparkManager(EngineSpec(name="spark", memory="1GB"), 2, folder / "spark")
        with sail, spark:
            for number in range(wanted.first, wanted.first + wanted.cases):
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    case = make_case(number)
                    answer = compare(case, (sail, spark), Path(place))
                refused += answer.refused
                if answer.difference is not None:
                    found += 1
                    sys.stdout.write(f"{answer.difference}\n{case}\n\n")
                    sys.stdout.flush()
                if number % 20 == 19:
                    sys.stderr.write(f"{number + 1} cases, {found} differ, {time.monotonic() - started:.0f} s\n")
    sys.stdout.write(f"{wanted.cases} cases, {refused} refused by both engines, {found} differ\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
