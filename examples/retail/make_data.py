"""Write the retail example's raw data and what must come of it: `python make_data.py`.

The same seed gives the same bytes. Each record is planted with its fate, so that `expected/` owes nothing to any
program that reads the files.
"""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from expected import write_expected  # noqa: E402 - found beside this file
from planted import customers, products, sales  # noqa: E402 - found beside this file

SEED = 3


def make(folder: Path) -> None:
    """Write `data/raw-data/` and `expected/` below a folder; what was there is replaced."""
    rng = random.Random(SEED)
    sources = {
        "sales_data": sales.files(rng),
        "customer_data": customers.files(rng),
        "product_data": products.files(rng),
    }
    shutil.rmtree(folder / "data/raw-data", ignore_errors=True)
    for source in sources:
        (folder / "data/raw-data" / source).mkdir(parents=True)
    raw = folder / "data/raw-data"
    for file in (*sources["sales_data"], *sources["customer_data"]):
        owner = "sales_data" if file.name.startswith("sales") else "customer_data"
        (raw / owner / file.name).write_bytes(file.content)
    for table in sources["product_data"]:
        table.write(raw / "product_data")
    _write_strays(raw / "sales_data")
    write_expected(folder / "expected", sources)


def _write_strays(folder: Path) -> None:
    """Objects that lie around in real buckets and are not data."""
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / "sales_2026-01-09.csv").write_bytes(b"")
    (folder / ".sales_2026-01-10.csv").write_bytes(sales.HEADER + b"\n")


if __name__ == "__main__":
    make(HERE)
