"""The benchmark's job, written by hand with Polars: `python benchmarks/rivals/polars_job.py SALES FOLDER`.

Polars' own CSV reader stops at text behind a closing quote whatever its options, and cuts surplus fields silently. So
the records come through pyarrow's reader, which counts fields and hands over what does not fit; it takes text behind a
closing quote for a part of the value, so that 0.05% of the records are loaded here and rejected by the others.
"""

from __future__ import annotations

import argparse
import glob
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

TYPES = {
    "order_id": pl.String, "customer_id": pl.Int32, "product_id": pl.Int32, "region": pl.String,
    "order_ts": pl.Datetime("us"), "quantity": pl.Int32, "unit_price": pl.Decimal(12, 2), "discount": pl.Decimal(5, 4),
    "note": pl.String,
}  # fmt: skip


def main() -> None:
    """Run the job and print its counts as JSON."""
    parser = argparse.ArgumentParser(description="The job with Polars.")
    parser.add_argument("sales")
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    ragged: list[str] = []
    batches = [batch for path in sorted(glob.glob(args.sales)) for batch in read(path, ragged)]
    marked, counts = run(pl.concat(batches), args.folder)
    pl.DataFrame({"raw": ragged}, schema={"raw": pl.String}).write_parquet(args.folder / "ragged.parquet")
    load(marked, args.folder)
    print(json.dumps({**counts, "ragged": len(ragged)}))


def read(path: str, ragged: list[str]) -> Iterator[pl.DataFrame]:
    """Typed rows with `bad`, in batches; ragged records go into the list."""
    names = list(TYPES)
    reader = pacsv.open_csv(
        path,
        pacsv.ReadOptions(block_size=16 << 20),
        pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda row: ragged.append(row.text) or "skip"),
        pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True,
                             null_values=[""], quoted_strings_can_be_null=False),
    )  # fmt: skip
    stamp = pl.col("order_ts").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    casts = [stamp if name == "order_ts" else pl.col(name).cast(kind, strict=False) for name, kind in TYPES.items()]
    for batch in reader:
        text = pl.from_arrow(batch)
        bad = text["quantity"].is_not_null() & text["quantity"].cast(pl.Int32, strict=False).is_null()
        yield text.select(casts).with_columns(bad=bad)


def run(rows: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, dict[str, int]]:
    """Mark every row, write each fate, fold; gives the marked rows and the rows of each fate."""
    rows.filter(pl.col("bad")).write_parquet(folder / "rejects.parquet")
    sound = rows.filter(~pl.col("bad")).drop("bad")
    del rows
    repeated = sound.filter(pl.col("order_id").is_duplicated())
    latest = repeated.sort("order_ts", descending=True).unique("order_id", keep="first", maintain_order=True)
    kept = pl.concat([sound.filter(~pl.col("order_id").is_duplicated()), latest])
    duplicates = len(sound) - len(kept)
    del sound, repeated
    amount = pl.col("quantity") * pl.col("unit_price").cast(pl.Decimal(38, 2)) * (1 - pl.col("discount").fill_null(0))
    fate = (
        pl.when(pl.col("product_id").is_null()).then(pl.lit("null_dropped"))
        .when(pl.col("customer_id") < 0).then(pl.lit("filtered"))
        .when(pl.col("customer_id").is_null()).then(pl.lit("no_customer"))
        .when(~pl.col("quantity").is_between(1, 1000).fill_null(False)).then(pl.lit("quantity"))
        .otherwise(pl.lit("ok"))
    )  # fmt: skip
    marked = kept.with_columns(
        discount=pl.col("discount").fill_null(0), amount=amount.cast(pl.Decimal(14, 2)), fate=fate,
        order_ts_date=pl.col("order_ts").dt.date(), order_ts_year=pl.col("order_ts").dt.year(),
        order_ts_month=pl.col("order_ts").dt.month().cast(pl.Int32),
        order_ts_day=pl.col("order_ts").dt.day().cast(pl.Int32),
    )  # fmt: skip
    refused = marked.filter(pl.col("fate").is_in(["no_customer", "quantity"]))
    refused.write_parquet(folder / "refused.parquet")
    accepted = marked.filter(pl.col("fate") == "ok").drop("fate")
    for (region,), part in accepted.partition_by("region", as_dict=True).items():
        part.write_parquet(folder / f"sales_fact-{region}.parquet", compression="zstd", compression_level=1)
    daily = accepted.group_by("order_ts_date", "region").agg(orders=pl.len(), revenue=pl.col("amount").sum())
    daily.write_parquet(folder / "daily.parquet")
    counts = dict(marked.group_by("fate").len().iter_rows())
    return accepted, {**counts, "duplicate": duplicates}


def load(accepted: pl.DataFrame, folder: Path) -> None:
    """Take the accepted rows and the aggregate into a DuckDB file, in one transaction."""
    facts = f"read_parquet('{folder}/sales_fact-*.parquet')"
    del accepted
    with duckdb.connect(str(folder / "warehouse.duckdb"), config={"threads": 2, "memory_limit": "1GB"}) as connection:
        connection.execute("BEGIN; CREATE SCHEMA IF NOT EXISTS analytics")
        connection.execute(f"CREATE TABLE IF NOT EXISTS analytics.sales_fact AS FROM {facts} WHERE false")
        connection.execute(f"DELETE FROM analytics.sales_fact WHERE order_id IN (SELECT order_id FROM {facts})")
        connection.execute(f"INSERT INTO analytics.sales_fact FROM {facts}")
        connection.execute(f"CREATE OR REPLACE TABLE analytics.daily_sales AS FROM '{folder}/daily.parquet'")
        connection.execute("COMMIT")


if __name__ == "__main__":
    main()
