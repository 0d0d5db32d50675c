"""Measure COPY of Parquet into the local Redshift server: `python -m benchmarks.copy_speed --rows 10000000`.

Against it stands PostgreSQL's own `COPY t FROM 'file.csv'` of the same rows into the same PostgreSQL, in turns.
Prints both, their ratio and the server's peak memory; ends with 1 where COPY is slower than 60 % of PostgreSQL's,
the server takes more than 1 GB, or the tables differ.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.measure import memory_of
from cloud_etl.local_aws.redshift.backend import PostgresConnection
from cloud_etl.local_aws.redshift.install import internal
from cloud_etl.local_aws.stack import Addresses, LocalAws

BUCKET = "copy-speed"
FILES = 8
GROUP_ROWS = 250_000
LEAST_SPEED = 0.6
MOST_BYTES = 1_000_000_000
COLUMNS = """order_id varchar(32) not null, customer_id int, product_id int, region varchar(16), order_ts timestamp,
quantity int, unit_price decimal(12,2), discount decimal(5,4), amount decimal(14,2), order_date date, note varchar(256),
score float8"""
CHECKS = (
    "count(*), sum(customer_id), sum(amount), sum(quantity), max(order_ts), count(note), md5(sum(score::int)::text)"
)


def main() -> int:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description="Measure COPY into the local Redshift server.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="copy-speed-") as folder:
        # PostgreSQL, which is another user under root, reads the CSV file itself.
        Path(folder).chmod(0o755)
        stack = LocalAws(Path(folder) / "aws")
        try:
            return _measure(stack, Path(folder), given.rows, given.repeats)
        finally:
            stack.down()


def _measure(stack: LocalAws, folder: Path, rows: int, repeats: int) -> int:
    addresses = stack.up("seaweed")
    size = _prepare(addresses, folder / "rows.csv", rows)
    print(
        f"{rows:,} rows: {size[0] / 1e6:,.0f} MB of CSV, {size[1] / 1e6:,.0f} MB of Parquet in {FILES} files",
        flush=True,
    )
    client = _client(addresses)
    plain = internal(_socket_of(stack), addresses.redshift_database)
    # PostgreSQL's own table is PostgreSQL's own: without the byte widths that the server adds to Redshift's.
    plain.execute("set redshift.in_change = 'on'")
    ours, theirs, peak, equal = [], [], 0, True
    try:
        for _ in range(repeats):
            seconds, memory = _copy(client, _pid(stack))
            ours.append(seconds)
            peak = max(peak, memory)
            loaded = plain.rows(f"select {CHECKS} from public.ours")
            theirs.append(_postgres_copy(plain, folder / "rows.csv"))
            equal = equal and loaded == plain.rows(f"select {CHECKS} from public.theirs")
            print(f"COPY of Parquet {ours[-1]:.1f} s, PostgreSQL's COPY of CSV {theirs[-1]:.1f} s", flush=True)
    finally:
        client.close()
        plain.close()
    return _verdict(rows, ours, theirs, peak, equal)


def _verdict(rows: int, ours: list[float], theirs: list[float], peak: int, equal: bool) -> int:
    mine, other = statistics.median(ours), statistics.median(theirs)
    speeds = f"{rows / mine:,.0f} rows/s against {rows / other:,.0f} rows/s"
    print(f"median: {speeds}, {other / mine:.0%} of PostgreSQL's speed")
    print(f"peak memory of the server: {peak / 1e6:,.0f} MB beside PostgreSQL; tables {'' if equal else 'NOT '}equal")
    return int(other / mine < LEAST_SPEED or peak > MOST_BYTES or not equal)


def _prepare(addresses: Addresses, csv: Path, rows: int) -> tuple[int, int]:
    """Write the same rows as one CSV file and as Parquet in S3; gives both sizes."""
    s3 = _s3(addresses)
    s3.create_bucket(Bucket=BUCKET)
    per_file = -(-rows // FILES)
    size, options = 0, pa.csv.WriteOptions(include_header=False)
    with csv.open("wb") as out:
        for number in range(FILES):
            count = min(per_file, rows - number * per_file)
            with tempfile.NamedTemporaryFile(suffix=".parquet", dir=csv.parent) as file:
                for first in range(0, count, GROUP_ROWS):
                    table = _rows(number * per_file + first, min(GROUP_ROWS, count - first))
                    pa.csv.write_csv(table, out, options)
                    if not first:
                        writer = pq.ParquetWriter(file.name, table.schema, compression="snappy")
                    writer.write_table(table)
                writer.close()
                s3.upload_file(file.name, BUCKET, f"rows/{number}.parquet")
                size += Path(file.name).stat().st_size
    csv.chmod(0o644)
    return csv.stat().st_size, size


def _rows(first: int, count: int) -> pa.Table:
    random = np.random.default_rng(first)
    number = pa.array(np.arange(first, first + count))
    some = pa.array(random.random(count) < 0.3)
    days = random.integers(18_000, 20_000, count).astype("int32")
    return pa.table(
        {
            "order_id": pc.binary_join_element_wise("order-", number.cast(pa.string()), ""),
            "customer_id": pa.array(random.integers(1, 1_000_000, count).astype("int32")),
            "product_id": pa.array(random.integers(1, 10_000, count).astype("int32")),
            "region": pc.take(pa.array(["north", "south", "east", "west"]), pa.array(random.integers(0, 4, count))),
            "order_ts": pa.array(random.integers(16e14, 17e14, count)).cast(pa.timestamp("us")),
            "quantity": pa.array(random.integers(1, 100, count).astype("int32"), mask=random.random(count) < 0.02),
            "unit_price": pa.array(random.random(count) * 1e5).cast(pa.decimal128(12, 2)),
            "discount": pa.array(random.random(count)).cast(pa.decimal128(5, 4)),
            "amount": pa.array(random.random(count) * 1e6).cast(pa.decimal128(14, 2)),
            "order_date": pa.array(days).cast(pa.date32()),
            "note": pc.if_else(some, pc.binary_join_element_wise("note on ", number.cast(pa.string()), ""), None),
            "score": pa.array(random.random(count) * 1e4),
        }
    )


def _copy(client: Any, pid: int) -> tuple[float, int]:
    """Seconds of COPY through the driver, and the server's peak memory meanwhile."""
    cursor = client.cursor()
    cursor.execute("drop table if exists public.ours")
    cursor.execute(f"create table public.ours ({COLUMNS})")
    with _peak(pid) as peak:
        began = time.monotonic()
        cursor.execute(f"copy public.ours from 's3://{BUCKET}/rows/' iam_role default format as parquet")
        seconds = time.monotonic() - began
    return seconds, peak[0]


def _postgres_copy(plain: PostgresConnection, csv: Path) -> float:
    plain.execute("drop table if exists public.theirs")
    plain.execute(f"create table public.theirs ({COLUMNS})")
    began = time.monotonic()
    plain.execute(f"copy public.theirs from '{csv}' csv")
    return time.monotonic() - began


@contextlib.contextmanager
def _peak(pid: int) -> Iterator[list[int]]:
    """Largest resident memory of a process, PostgreSQL below it not counted."""
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            peak[0] = max(peak[0], memory_of(pid))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _pid(stack: LocalAws) -> int:
    return next(part.pid for part in stack.status() if part.name == "redshift")


def _socket_of(stack: LocalAws) -> str:
    """PostgreSQL's own socket: the server's clients never see it."""
    status = stack.folder / "redshift" / "pgdata" / "postmaster.pid"
    return f"{status.read_text().splitlines()[4]}/.s.PGSQL.5432"


def _s3(addresses: Addresses) -> Any:
    import boto3

    return boto3.client(
        "s3", endpoint_url=addresses.s3_endpoint, region_name="us-east-1",
        aws_access_key_id=addresses.access_key_id, aws_secret_access_key=addresses.secret_access_key,
    )  # fmt: skip


def _client(addresses: Addresses) -> Any:
    import redshift_connector

    client = redshift_connector.connect(
        host="127.0.0.1", port=addresses.redshift_port, database=addresses.redshift_database,
        user=addresses.redshift_user, password=addresses.redshift_password, ssl=False,
    )  # fmt: skip
    client.autocommit = True
    return client


if __name__ == "__main__":
    sys.exit(main())
