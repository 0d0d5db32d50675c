"""Do two warehouses hold the same rows? Row counts and order-free checksums, column by column."""

from __future__ import annotations

from pathlib import Path

import duckdb

TABLES = ("analytics.sales_fact", "analytics.daily_sales")


def differences(ours: Path, rival: Path) -> list[str]:
    """One sentence per difference between two DuckDB files; empty when all tables hold the same rows."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{ours}' AS ours (READ_ONLY); ATTACH '{rival}' AS rival (READ_ONLY)")
        return [line for table in TABLES for line in _table_differences(connection, table)]


def _table_differences(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    left, right = (_columns(connection, f"{side}.{table}") for side in ("ours", "rival"))
    if left != right:
        return [f"{table}: columns {sorted(left.items() ^ right.items())} differ"]
    # The checksum of the whole row ties the columns together: equal columns in shuffled rows would differ.
    quoted = [f'"{name}"' for name in left]
    sums = [f"sum(hash({name}))" for name in (*quoted, ", ".join(quoted))]
    values = [
        connection.execute(f"SELECT {', '.join(sums)}, count(*) FROM {side}.{table}").fetchall()[0]
        for side in ("ours", "rival")
    ]
    names = [*left, "whole rows", "row count"]
    return [
        f"{table}: {name} differs ({one} against {other})"
        for name, one, other in zip(names, *values, strict=True)
        if one != other
    ]


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE {table}").fetchall()
    return {name: str(kind) for name, kind, *_ in sorted(rows)}
