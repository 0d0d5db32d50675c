"""What must come of the retail example, worked out in plain Python from the planted records."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Protocol

from planted.record import Record

CENT = Decimal("0.01")
COUNTRIES = ("AT", "CH", "DE", "FR", "IT", "NL")
NULL = "\\N"

Row = dict[str, object]
Table = list[Row]


class PlantedFile(Protocol):
    """A raw file whose records are known."""

    name: str

    def numbered(self) -> Iterable[tuple[int, Record]]:
        """The records and the lines they begin on."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, or a typed row, that must end in the quarantine; raw is empty for typed rows."""

    file: str
    line: int
    stage: str
    code: str
    raw: bytes = b""


@dataclass
class Account:
    """What becomes of one pipeline's records."""

    pipeline: str
    files: dict[str, dict[str, object]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    rows: Table = field(default_factory=list)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)

    def read(self, files: Sequence[PlantedFile]) -> None:
        """Take the sound records of all files; _file and _line say where a row came from."""
        for file in files:
            codes: Counter[str] = Counter()
            records = list(file.numbered())
            for line, record in records:
                if record.row is None:
                    codes[str(record.code)] += 1
                    self.rejects.append(Reject(file.name, line, "reader", str(record.code), record.raw))
                else:
                    self.rows.append({**record.row, "_file": file.name, "_line": line})
            count = {"records_read": len(records), "staged": len(records) - codes.total(), "rejected": codes.total()}
            self.files[file.name] = {**count, "codes": dict(sorted(codes.items()))}

    def deduplicate(self, key: str, latest: str) -> None:
        """Keep the latest row of each key; of equal ones the first by file and line."""
        best: dict[object, Row] = {}
        for row in self.rows:
            held = best.get(row[key])
            if held is None or _later(row[latest], held[latest]):
                best[row[key]] = row
        self.dropped["duplicate", key] = len(self.rows) - len(best)
        self.rows = [row for row in self.rows if best[row[key]] is row]

    def drop(self, status: str, reason: str, goes: Callable[[Row], bool]) -> None:
        """Take rows out; those that a check refuses go to the quarantine."""
        gone = [row for row in self.rows if goes(row)]
        self.rows = [row for row in self.rows if not goes(row)]
        self.dropped[status, reason] = len(gone)
        if status == "rejected":
            self.rejects += [
                Reject(str(row["_file"]), _number(row["_line"]), "quality", f"quality.{reason}") for row in gone
            ]

    def ledger(self, tables: Mapping[str, Table]) -> dict[str, object]:
        """Counts by file, fate and table."""
        fates = {f"{status}: {reason}": rows for (status, reason), rows in self.dropped.items()}
        return {
            "files": self.files,
            "staged": sum(int(str(file["staged"])) for file in self.files.values()),
            "fates": fates,
            "output": len(self.rows),
            "tables": {name: len(rows) for name, rows in tables.items()},
        }


def _later(one: object, other: object) -> bool:
    return isinstance(one, datetime) and (not isinstance(other, datetime) or one > other)


def write_expected(folder: Path, sources: Mapping[str, Sequence[PlantedFile]]) -> None:
    """Write one CSV per table, ledger.json and rejects.csv."""
    accounts = {name: Account(name) for name in sources}
    for name, account in accounts.items():
        account.read(sources[name])
    people, goods, orders = accounts["customer_data"], accounts["product_data"], accounts["sales_data"]
    _clean_customers(people)
    _clean_products(goods)
    _clean_orders(orders, {row["customer_id"] for row in people.rows}, {row["product_id"] for row in goods.rows})
    tables = {
        "sales_data": {"analytics.sales_fact": orders.rows, "analytics.daily_sales": _daily(orders.rows)},
        "customer_data": {"analytics.customer_dim": people.rows},
        "product_data": {"analytics.product_dim": goods.rows},
    }
    folder.mkdir(exist_ok=True)
    for owned in tables.values():
        for table, rows in owned.items():
            _write_table(folder / f"{table.split('.')[1]}.csv", rows)
    ledgers = {name: account.ledger(tables[name]) for name, account in accounts.items()}
    (folder / "ledger.json").write_text(json.dumps(ledgers, indent=2, ensure_ascii=False) + "\n", "utf-8")
    _write_rejects(folder / "rejects.csv", accounts.values())


def _clean_customers(account: Account) -> None:
    account.deduplicate("customer_id", "updated_at")
    for row in account.rows:
        row["loyalty_points"] = row["loyalty_points"] or 0
    account.drop("rejected", "in_set.country", lambda row: row["country"] not in COUNTRIES)


def _clean_products(account: Account) -> None:
    account.deduplicate("product_id", "updated_at")
    for row in account.rows:
        row["category"] = row["category"] or "unknown"
        row["list_price"] = Decimal(str(row["list_price"])).quantize(CENT)
    account.drop("rejected", "range.list_price", lambda row: Decimal(str(row["list_price"])) < 0)


def _clean_orders(account: Account, known_customers: set[object], known_products: set[object]) -> None:
    account.deduplicate("order_id", "order_ts")
    account.drop("null_dropped", "product_id", lambda row: row["product_id"] is None)
    for row in account.rows:
        _complete(row)
    account.drop(
        "filtered", "test_orders", lambda row: row["customer_id"] is not None and _number(row["customer_id"]) < 0
    )
    for column in ("customer_id", "order_ts", "quantity", "unit_price"):
        account.drop("rejected", f"not_null.{column}", lambda row, column=column: row[column] is None)  # type: ignore[misc]
    account.drop("rejected", "range.quantity", lambda row: not 1 <= _number(row["quantity"]) <= 1000)
    account.drop("rejected", "references.customer_id", lambda row: row["customer_id"] not in known_customers)
    account.drop("rejected", "references.product_id", lambda row: row["product_id"] not in known_products)


def _complete(row: Row) -> None:
    row["discount"] = Decimal(str(row["discount"] or 0)).quantize(Decimal("0.0001"))
    row["region"] = row["region"] or "unknown"
    row["amount"] = None
    if row["quantity"] is not None and row["unit_price"] is not None:
        row["unit_price"] = Decimal(str(row["unit_price"])).quantize(CENT)
        exact = _number(row["quantity"]) * row["unit_price"] * (1 - row["discount"])
        row["amount"] = exact.quantize(CENT, ROUND_HALF_UP)
    moment = row["order_ts"]
    if isinstance(moment, datetime):
        row["order_ts_date"] = moment.date()
        row |= {f"order_ts_{part}": getattr(moment, part) for part in ("year", "month", "day")}


def _number(value: object) -> int:
    return int(str(value))


def _daily(orders: Table) -> Table:
    groups: dict[tuple[str, str], list[Decimal]] = {}
    for row in orders:
        key = (str(row["order_ts_date"]), str(row["region"]))
        groups.setdefault(key, []).append(Decimal(str(row["amount"])))
    return [
        {"order_ts_date": day, "region": region, "orders": len(amounts), "revenue": sum(amounts)}
        for (day, region), amounts in sorted(groups.items())
    ]


def _write_table(path: Path, rows: Table) -> None:
    columns = [name for name in rows[0] if not name.startswith("_")]
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(sorted([_cell(row[name]) for name in columns] for row in rows))


def _cell(value: object) -> str:
    if value is None:
        return NULL
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else str(value)


def _write_rejects(path: Path, accounts: Iterable[Account]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("pipeline", "file", "line", "stage", "code", "raw"))
        for account in accounts:
            for reject in sorted(account.rejects, key=lambda one: (one.file, one.line, one.stage)):
                # As a Python bytes literal: the file stays plain text whatever the record holds.
                raw = repr(reject.raw) if reject.raw else ""
                writer.writerow((account.pipeline, reject.file, reject.line, reject.stage, reject.code, raw))
