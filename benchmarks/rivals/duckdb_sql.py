"""The benchmark's job, written by hand in DuckDB SQL: `python benchmarks/rivals/duckdb_sql.py SALES FOLDER`.

SALES is a file or a glob. This is what an engineer who knows DuckDB writes: typed read with rejects kept, rows
deduplicated, cleaned, checked, published as partitioned Parquet and loaded into a DuckDB file in one transaction.
It keeps no journal and no lineage and cannot be run twice on the same file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import duckdb

READ = """
CREATE TEMP TABLE staged AS
SELECT * FROM read_csv(?, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\\n',
    strict_mode = true, store_rejects = true, rejects_limit = 0, timestampformat = '%Y-%m-%d %H:%M:%S', columns = {
    order_id: 'VARCHAR', customer_id: 'INTEGER', product_id: 'INTEGER', region: 'VARCHAR', order_ts: 'TIMESTAMP',
    quantity: 'INTEGER', unit_price: 'DECIMAL(12,2)', discount: 'DECIMAL(5,4)', note: 'VARCHAR'})
"""

REJECTS = """
COPY (SELECT line, line_byte_position, column_name, error_type, error_message, csv_line FROM reject_errors)
TO '{folder}/rejects.parquet' (COMPRESSION zstd)
"""

# Only keys that occur more than once go through the window: 2% of the rows instead of all.
CLEAN = """
CREATE TEMP TABLE repeated AS SELECT order_id FROM staged GROUP BY order_id HAVING count(*) > 1;
CREATE TEMP TABLE latest AS
SELECT * FROM staged WHERE order_id IN (SELECT order_id FROM repeated)
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY order_ts DESC) = 1;
CREATE TEMP TABLE marked AS
SELECT order_id, customer_id, product_id, region, order_ts, quantity, unit_price,
    coalesce(discount, 0)::DECIMAL(5,4) AS discount, note,
    (quantity * unit_price * (1 - coalesce(discount, 0)))::DECIMAL(14,2) AS amount,
    order_ts::DATE AS order_ts_date, year(order_ts)::INTEGER AS order_ts_year,
    month(order_ts)::INTEGER AS order_ts_month, day(order_ts)::INTEGER AS order_ts_day,
    CASE WHEN product_id IS NULL THEN 'null_dropped'
        WHEN customer_id < 0 THEN 'filtered'
        WHEN customer_id IS NULL THEN 'no_customer'
        WHEN quantity IS NULL OR quantity NOT BETWEEN 1 AND 1000 THEN 'quantity'
        ELSE 'ok' END AS fate
FROM (FROM staged WHERE order_id NOT IN (SELECT order_id FROM repeated) UNION ALL FROM latest)
"""

PUBLISH = """
COPY (SELECT * EXCLUDE (fate) FROM marked WHERE fate = 'ok')
TO '{folder}/sales_fact' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (region), WRITE_PARTITION_COLUMNS true);
COPY (SELECT * FROM marked WHERE fate IN ('no_customer', 'quantity')) TO '{folder}/refused.parquet' (COMPRESSION zstd);
COPY (SELECT order_ts_date, region, count(*) AS orders, sum(amount)::DECIMAL(24,2) AS revenue
FROM marked WHERE fate = 'ok' GROUP BY ALL)
TO '{folder}/daily_sales.parquet' (COMPRESSION zstd)
"""

LOAD = """
BEGIN;
CREATE SCHEMA IF NOT EXISTS warehouse.analytics;
CREATE TABLE IF NOT EXISTS warehouse.analytics.sales_fact AS
SELECT * EXCLUDE (fate) FROM marked WHERE false;
DELETE FROM warehouse.analytics.sales_fact WHERE order_id IN (SELECT order_id FROM marked WHERE fate = 'ok');
INSERT INTO warehouse.analytics.sales_fact SELECT * EXCLUDE (fate) FROM marked WHERE fate = 'ok';
CREATE TABLE IF NOT EXISTS warehouse.analytics.daily_sales AS FROM '{folder}/daily_sales.parquet' WHERE false;
DELETE FROM warehouse.analytics.daily_sales AS old USING '{folder}/daily_sales.parquet' AS new
WHERE old.order_ts_date = new.order_ts_date AND old.region = new.region;
INSERT INTO warehouse.analytics.daily_sales FROM '{folder}/daily_sales.parquet';
COMMIT
"""

COUNTS = """
SELECT 'staged', count(*) FROM staged UNION ALL
SELECT 'rejected', count(DISTINCT line_byte_position) FROM reject_errors UNION ALL
SELECT fate, count(*) FROM marked GROUP BY fate UNION ALL
SELECT 'sales_fact', count(*) FROM warehouse.analytics.sales_fact
"""


def main() -> None:
    """Run the job and print its counts as JSON."""
    parser = argparse.ArgumentParser(description="The hand-written rival of the benchmark.")
    parser.add_argument("sales")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="3GB")
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    settings = {"threads": args.threads, "memory_limit": args.memory, "temp_directory": str(args.folder / "spill")}
    with duckdb.connect(config={**settings, "preserve_insertion_order": False}) as connection:
        connection.execute(f"ATTACH '{args.folder / 'warehouse.duckdb'}' AS warehouse")
        print(json.dumps(run(connection, args.sales, args.folder)))


def run(connection: duckdb.DuckDBPyConnection, sales: str, folder: Path) -> dict[str, int]:
    """Take one sales file into the warehouse; gives rows by fate."""
    connection.execute(READ, [sales])
    for script in (REJECTS, CLEAN, PUBLISH, LOAD):
        for statement in script.format(folder=folder).split(";"):
            connection.execute(statement)
    return dict(connection.execute(COUNTS).fetchall())


if __name__ == "__main__":
    main()
