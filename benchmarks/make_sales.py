"""Write the dirty sales CSV of the benchmark: `python -m benchmarks.make_sales ROWS OUT`.

The same rows and seed give the same bytes on every machine. 10 M rows are 678 MB.
With this seed DuckDB's parallel CSV reader finds every record of 1 M and 10 M rows. Where one of its 8 MB buffers ends
in a record with text after a closing quote it loses the next buffer without a word (seed 20260105: 118 thousand rows).

Each record is broken in at most one way, so that its fate can be told from the file alone:
0.5% hold text in `quantity`, 0.1% have a field too many, 0.1% two too few, 0.05% text after a closing quote.
Sound records: 2% repeat an earlier order_id, 1% have no product, 2% no discount, 0.2% are test orders (customer -1),
0.1% a quantity of 0, 0.1% no customer, 1% a quoted note with a comma, a doubled quote and a line break.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEADER = b"order_id,customer_id,product_id,region,order_ts,quantity,unit_price,discount,note\n"
CHUNK_ROWS = 250_000
SEED = 20260106
REGIONS = ("north", "south", "east", "west", "central")
# Texts that every parser refuses: DuckDB's cast takes 1.5 for 2 and 0x1F for 31, and the two jobs must end alike.
BAD_INTEGERS = ("three", "12 pcs", "n/a", "--")
# Shares of the ways a record is broken, disjoint by construction: one draw decides.
BAD_INTEGER, TOO_MANY, TOO_FEW, AFTER_QUOTE = 0.005, 0.001, 0.001, 0.0005
FIRST_SECOND = 1_735_689_600  # 2025-01-01 00:00:00 UTC
SECONDS = 365 * 86_400
LONG_NOTE = '"call first, gate ""B""\nthen leave it at the desk"'
OPEN_NOTE = '"left open'


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description="Write a dirty sales CSV.")
    parser.add_argument("rows", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--open-quotes", type=float, default=0.0, help="share of notes with a quote that never closes")
    args = parser.parse_args()
    write_sales(args.out, args.rows, args.seed, args.open_quotes)


def write_sales(path: Path, rows: int, seed: int = SEED, open_quotes: float = 0.0) -> None:
    """Write that many records below one header; the file appears when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        out.write(HEADER)
        for first in range(0, rows, CHUNK_ROWS):
            out.write(text_of(records(first, min(CHUNK_ROWS, rows - first), seed, open_quotes)))
    partial.replace(path)


def records(first: int, count: int, seed: int = SEED, open_quotes: float = 0.0) -> pa.Array:
    """Records from a multiple of CHUNK_ROWS on, at most a chunk, each with its line end."""
    # Always a whole chunk of draws: a shorter file is a prefix of a longer one.
    return _lines(np.random.default_rng([seed, first]), first, open_quotes).slice(0, count)


def _lines(rng: np.random.Generator, first: int, open_quotes: float) -> pa.Array:
    columns = _columns(rng, first)
    breaking = rng.random(CHUNK_ROWS)
    edges = np.cumsum([BAD_INTEGER, TOO_MANY, TOO_FEW, AFTER_QUOTE, open_quotes])
    way = np.searchsorted(edges, breaking, side="right")
    bad = pa.array(BAD_INTEGERS).take(pa.array(rng.integers(0, len(BAD_INTEGERS), CHUNK_ROWS)))
    columns[5] = pc.if_else(way == 0, bad, columns[5])
    note = columns[-1]
    note = pc.if_else(way == 1, "ok,surplus", note)
    note = pc.if_else(way == 3, '"5"" pipe" loose', note)
    columns[-1] = pc.if_else(way == 4, OPEN_NOTE, note)
    whole = pc.binary_join_element_wise(*columns, ",")
    short = pc.binary_join_element_wise(*columns[:-2], ",")
    return pc.binary_join_element_wise(pc.if_else(way == 2, short, whole), "", "\n")


def _columns(rng: np.random.Generator, first: int) -> list[pa.Array]:
    n = CHUNK_ROWS
    number = np.arange(first, first + n)
    repeats = rng.random(n) < 0.02
    earlier = (rng.random(n) * number).astype(np.int64)
    customer = rng.integers(1, 500_000, n)
    draw = rng.random(n)
    customer = np.where(draw < 0.002, -1, customer)
    quantity = np.where(rng.random(n) < 0.001, 0, rng.integers(1, 20, n))
    return [
        pc.binary_join_element_wise("O", _text(np.where(repeats, earlier, number) + 1_000_000_000), ""),
        pc.if_else(draw > 0.999, "", _text(customer)),
        pc.if_else(rng.random(n) < 0.01, "", _text(rng.integers(1, 20_000, n))),
        pa.array(REGIONS).take(pa.array(rng.integers(0, len(REGIONS), n))),
        pc.cast(pa.array(FIRST_SECOND + rng.integers(0, SECONDS, n), pa.timestamp("s")), pa.string()),
        _text(quantity),
        _cents(rng.integers(100, 50_000, n)),
        pc.if_else(rng.random(n) < 0.02, "", pa.array(("0.00", "0.05", "0.10", "0.125")).take(_pick(rng, n))),
        _notes(rng, n),
    ]


def _notes(rng: np.random.Generator, n: int) -> pa.Array:
    draw = rng.random(n)
    words = pa.array(("gift", "urgent", "call first", "leave at door")).take(_pick(rng, n))
    return pc.if_else(draw < 0.01, LONG_NOTE, pc.if_else(draw < 0.208, words, ""))


def _pick(rng: np.random.Generator, n: int) -> pa.Array:
    return pa.array(rng.integers(0, 4, n))


def _text(values: np.ndarray) -> pa.Array:
    return pc.cast(pa.array(values), pa.string())


def _cents(cents: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(_text(cents // 100), pc.utf8_lpad(_text(cents % 100), 2, "0"), ".")


def text_of(lines: pa.Array) -> memoryview:
    """The text of records that stand back to back."""
    # The lines stand back to back in the value buffer: nothing is copied to write them.
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[-1])]


if __name__ == "__main__":
    main()
