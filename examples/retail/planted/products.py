"""Products as Parquet: wider types than the contract's, some values that do not fit it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from planted.record import Record

CATEGORIES = ("books", "garden", "toys", "Büro", None)
FIRST = datetime(2025, 9, 1, 9)
# The file's own types: a 64 bit id, prices with four digits, and a column that the contract ignores.
TYPES = pa.schema(
    {
        "product_id": pa.int64(), "name": pa.string(), "category": pa.dictionary(pa.int32(), pa.string()),
        "list_price": pa.decimal128(14, 4), "weight_kg": pa.float32(), "launched": pa.date32(),
        "updated_at": pa.timestamp("ms"), "internal_code": pa.int32(),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file and what each of its rows must become; raw holds nothing, the rows are typed."""

    name: str
    rows: tuple[dict[str, object], ...]
    records: tuple[Record, ...]

    def write(self, folder: Path) -> None:
        """Write the file with small row groups, so that there is more than one."""
        table = pa.Table.from_pylist([{**row, "internal_code": 7} for row in self.rows], schema=TYPES)
        pq.write_table(table, folder / self.name, row_group_size=64, compression="snappy", version="2.6")

    def numbered(self) -> list[tuple[int, Record]]:
        """The records with the number of their row, from 1."""
        return list(enumerate(self.records, 1))


def files(rng: random.Random) -> tuple[ParquetFile, ...]:
    """The product files in the order of their names."""
    products = [_product(rng, number) for number in range(1, 151)]
    sound = [(row, _sound(row)) for row in products[:144]]
    # Products 145 to 150 are lost to a fault each: their orders have nothing to refer to.
    faulty = [({**row, **change}, Record(b"", code=code))
              for row, (code, change) in zip(products[144:], _FAULTS, strict=True)]  # fmt: skip
    drawn = rng.sample(products[:144], 20)
    changed = [{**row, "list_price": Decimal("1.0000"), "updated_at": FIRST + timedelta(days=9)} for row in drawn[:12]]
    negative = [{**_product(rng, 151 + place), "list_price": Decimal("-5.0000")} for place in range(3)]
    second = [(row, _sound(row)) for row in [*changed, *drawn[12:], *negative]]
    return (_file("products_2026-01-05.parquet", [*sound, *faulty]), _file("products_2026-01-06.parquet", second))


_FAULTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("lossy_cast", {"list_price": Decimal("12.3456")}),
    ("lossy_cast", {"list_price": Decimal("0.0050")}),
    ("lossy_cast", {"product_id": 5_000_000_000}),
    ("missing_value", {"product_id": None}),
    ("missing_value", {"name": None}),
    ("missing_value", {"updated_at": None}),
)


def _file(name: str, pairs: list[tuple[dict[str, object], Record]]) -> ParquetFile:
    return ParquetFile(name, tuple(row for row, _ in pairs), tuple(record for _, record in pairs))


def _sound(row: dict[str, object]) -> Record:
    return Record(b"", dict(row))


def _product(rng: random.Random, number: int) -> dict[str, object]:
    return {
        "product_id": number,
        "name": f"Product {number}",
        "category": rng.choice(CATEGORIES),
        "list_price": Decimal(rng.randint(100, 50_000) * 100).scaleb(-4),
        # Eighths are exact in 32 bits.
        "weight_kg": rng.randint(1, 400) / 8 if rng.random() < 0.9 else None,
        "launched": date(2024, 1, 1) + timedelta(days=rng.randint(0, 600)),
        "updated_at": FIRST + timedelta(minutes=number),
    }
