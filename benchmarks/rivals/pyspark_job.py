"""The benchmark's job, written by hand in PySpark: `python benchmarks/rivals/pyspark_job.py SALES FOLDER`.

What an engineer who knows Spark writes: the CSV is parsed once, each row is marked with its fate and written once,
counts and rejects come from what was written, the aggregate reads the accepted rows. Fields over several lines need
multiLine, which keeps one file in one task. Spark takes text behind a closing quote for a value; such values begin
with a quote. Sail stops at the first ragged record, so it gets what pyarrow finds whole, which takes text behind a
closing quote for a part of the value: 0.05% of the records more than on Spark.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pysail.spark import SparkConnectServer

COLUMNS = (
    "order_id string, customer_id int, product_id int, region string, order_ts timestamp, quantity int, "
    "unit_price decimal(12,2), discount decimal(5,4), note string"
)
TABLES = """
BEGIN;
CREATE SCHEMA IF NOT EXISTS analytics;
CREATE TABLE IF NOT EXISTS analytics.sales_fact AS FROM {facts} WHERE false;
DELETE FROM analytics.sales_fact WHERE order_id IN (SELECT order_id FROM {facts});
INSERT INTO analytics.sales_fact BY NAME FROM {facts};
CREATE TABLE IF NOT EXISTS analytics.daily_sales AS FROM {daily} WHERE false;
DELETE FROM analytics.daily_sales AS old USING {daily} AS new
WHERE old.order_ts_date = new.order_ts_date AND old.region = new.region;
INSERT INTO analytics.daily_sales BY NAME FROM {daily};
COMMIT
"""


def main() -> None:
    """Run the job and print its counts as JSON."""
    parser = argparse.ArgumentParser(description="The job in hand-written PySpark.")
    parser.add_argument("sales")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=("spark", "sail"), default="spark")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--memory-mb", type=int, default=2048)
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    if args.engine == "spark":
        session = spark(args.master, args.memory_mb, args.folder)
        rejects = run(session, read_spark(session, args.sales), args.folder)
        session.stop()
    else:
        server, session = sail(args.memory_mb, args.folder)
        rejects = run(session, read_sail(session, args.sales, args.folder), args.folder)
        session.stop()
        server.stop()
    load(args.folder)
    print(json.dumps(rejects))


def spark(master: str, memory_mb: int, folder: Path) -> SparkSession:
    """A session in a JVM of its own."""
    settings = {
        "spark.driver.memory": f"{memory_mb}m",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.local.dir": str(folder / "spill"),
        "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
    }
    builder = SparkSession.builder.master(master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def sail(memory_mb: int, folder: Path) -> tuple[SparkConnectServer, SparkSession]:
    """A Sail server in this process, its pool bounded, and a session with it; the server ends when it is dropped."""
    os.environ.update(
        SAIL_RUNTIME__MEMORY_POOL__TYPE="fair",
        SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE=str(memory_mb << 20),
        SAIL_RUNTIME__TEMPORARY_FILES__PATHS=f'["{folder}"]',
        SAIL_EXECUTION__DEFAULT_PARALLELISM="2",
        SAIL_PARQUET__COMPRESSION="zstd(1)",
    )
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").create()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return server, session


def read_spark(session: SparkSession, sales: str) -> DataFrame:
    """The rows with `_bad`, the raw text of what the parser refused."""
    return session.read.csv(
        sorted(glob.glob(sales)), schema=f"{COLUMNS}, _bad string", header=True, multiLine=True, escape='"',
        mode="PERMISSIVE", columnNameOfCorruptRecord="_bad", timestampFormat="yyyy-MM-dd HH:mm:ss",
    )  # fmt: skip


def read_sail(session: SparkSession, sales: str, folder: Path) -> DataFrame:
    """Whole records as text through pyarrow, cast by the engine; `_bad` where a value does not fit."""
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    names = [column.split()[0] for column in COLUMNS.split(", ")]
    ragged: list[str] = []
    (folder / "text").mkdir()
    for number, path in enumerate(sorted(glob.glob(sales))):
        reader = pacsv.open_csv(
            path,
            pacsv.ReadOptions(block_size=16 << 20),
            pacsv.ParseOptions(
                newlines_in_values=True, invalid_row_handler=lambda row: ragged.append(row.text) or "skip"
            ),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True,
                                 null_values=[""], quoted_strings_can_be_null=False),
        )  # fmt: skip
        with pq.ParquetWriter(folder / "text" / f"{number:06d}.parquet", reader.schema, compression="lz4") as writer:
            for batch in reader:
                writer.write_batch(batch)
    pq.write_table(pa.table({"raw": ragged}), folder / "ragged.parquet")
    text = session.read.parquet(str(folder / "text"))
    typed = [F.expr(f"try_cast({column.split()[0]} as {column.split()[1]})").alias(column.split()[0])
             for column in COLUMNS.split(", ")]  # fmt: skip
    bad = F.when(F.expr("quantity is not null and try_cast(quantity as int) is null"), F.concat_ws(",", *names))
    return text.select(*typed, bad.alias("_bad"))


def run(session: SparkSession, rows: DataFrame, folder: Path) -> dict[str, int]:
    """Mark, write once, fold; gives the rows of each fate."""
    bad = F.col("_bad").isNotNull() | F.col("note").startswith('"')
    latest = F.row_number().over(Window.partitionBy("order_id").orderBy(F.when(bad, 1).otherwise(0),
                                                                         F.col("order_ts").desc()))  # fmt: skip
    amount = F.expr("cast(quantity * unit_price * (1 - coalesce(discount, 0)) as decimal(14,2))")
    fate = (
        F.when(bad, "reader")
        .when(latest > 1, "duplicate")
        .when(F.col("product_id").isNull(), "null_dropped")
        .when(F.col("customer_id") < 0, "filtered")
        .when(F.col("customer_id").isNull(), "no_customer")
        .when(~F.coalesce(F.col("quantity").between(1, 1000), F.lit(False)), "quantity")
        .otherwise("ok")
    )
    marked = rows.select(
        "*", F.expr("cast(coalesce(discount, 0) as decimal(5,4))").alias("filled"), amount.alias("amount"),
        F.to_date("order_ts").alias("order_ts_date"), F.year("order_ts").alias("order_ts_year"),
        F.month("order_ts").alias("order_ts_month"), F.dayofmonth("order_ts").alias("order_ts_day"),
        fate.alias("fate"), F.col("region").alias("part"),
    ).drop("discount").withColumnRenamed("filled", "discount")  # fmt: skip
    marked.write.partitionBy("fate", "part").parquet(str(folder / "marked"))
    accepted = session.read.parquet(str(folder / "marked" / "fate=ok"))
    daily = accepted.groupBy("order_ts_date", "region").agg(
        F.count("*").alias("orders"), F.sum("amount").cast("decimal(24,2)").alias("revenue")
    )
    daily.write.parquet(str(folder / "daily"))
    # Footers only: no column is read.
    counts = session.read.parquet(str(folder / "marked")).groupBy("fate").count().collect()
    return {row["fate"]: row["count"] for row in counts}


def load(folder: Path) -> None:
    """Take the accepted rows and the aggregate into a DuckDB file, in one transaction."""
    facts = (
        f"(SELECT * EXCLUDE (_bad) REPLACE (order_ts::TIMESTAMP AS order_ts) "
        f"FROM read_parquet('{folder}/marked/fate=ok/*/*.parquet', hive_partitioning = false))"
    )
    daily = f"read_parquet('{folder}/daily/*.parquet')"
    with duckdb.connect(str(folder / "warehouse.duckdb"), config={"threads": 2, "memory_limit": "1GB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in TABLES.format(facts=facts, daily=daily).split(";"):
            connection.execute(statement)


if __name__ == "__main__":
    main()
