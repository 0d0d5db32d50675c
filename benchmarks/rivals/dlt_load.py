"""The sales file into DuckDB with dlt: `python benchmarks/rivals/dlt_load.py SALES FOLDER`. A load and no more.

Records go as Arrow tables, dlt's fastest way: nothing is deduplicated, cleaned, checked or folded, and ragged records
are counted and dropped. Texts that are no number stay texts.
"""

from __future__ import annotations

import argparse
import glob
import json
from collections.abc import Iterator
from pathlib import Path

import dlt
import pyarrow as pa
import pyarrow.csv as pacsv

NAMES = (
    "order_id", "customer_id", "product_id", "region", "order_ts", "quantity", "unit_price", "discount", "note",
)  # fmt: skip


def main() -> None:
    """Load and print the count as JSON."""
    parser = argparse.ArgumentParser(description="A load with dlt.")
    parser.add_argument("sales")
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    dropped = [0]
    target = dlt.destinations.duckdb(str(args.folder / "warehouse.duckdb"))
    pipeline = dlt.pipeline("sales", destination=target, dataset_name="analytics", pipelines_dir=str(args.folder))
    pipeline.run(dlt.resource(records(args.sales, dropped), name="sales_fact"), loader_file_format="parquet")
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT count(*) FROM sales_fact")
    print(json.dumps({"rows": rows[0][0] if rows else None, "dropped": dropped[0]}))


def records(sales: str, dropped: list[int]) -> Iterator[pa.Table]:
    """Batches of all files, as text."""

    def refused(_: pacsv.InvalidRow) -> str:
        dropped[0] += 1
        return "skip"

    for path in sorted(glob.glob(sales)):
        reader = pacsv.open_csv(
            path,
            pacsv.ReadOptions(block_size=16 << 20),
            pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=refused),
            pacsv.ConvertOptions(column_types=dict.fromkeys(NAMES, pa.string())),
        )
        for batch in reader:
            yield pa.Table.from_batches([batch])


if __name__ == "__main__":
    main()
