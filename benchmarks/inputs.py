"""Inputs of the benchmarks, made once below benchmarks/data: one file, many small files, wide tables."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import make_sales

DATA = Path(__file__).parent / "data"
JOB = Path(__file__).parent / "job"
# Types of the wide table's columns, in turn; the first column is its key.
KINDS = ("integer", "string", "decimal(12,2)", "timestamp", "double")
_CELLS_AT_ONCE = 1_000_000


def sales_files(rows: int, files: int) -> Path:
    """A folder with that many records in that many files; the records are the same whatever the files."""
    folder = DATA / f"sales-{rows}-{files}"
    if folder.exists():
        return folder
    print(f"writing {folder.name}", file=sys.stderr)
    draft = folder.with_suffix(".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    if files == 1:
        make_sales.write_sales(draft / "sales.csv", rows)
    else:
        _write_small(draft, rows, rows // files)
    draft.rename(folder)
    return folder


def _write_small(folder: Path, rows: int, rows_per_file: int) -> None:
    number = 0
    for first in range(0, rows, make_sales.CHUNK_ROWS):
        lines = make_sales.records(first, min(make_sales.CHUNK_ROWS, rows - first))
        for start in range(0, len(lines), rows_per_file):
            text = bytes(make_sales.text_of(lines.slice(start, rows_per_file)))
            (folder / f"sales-{number:06d}.csv").write_bytes(make_sales.HEADER + text)
            number += 1


def wide_project(cells: int, columns: int) -> Path:
    """A project whose one pipeline reads a table of that many cells and columns."""
    folder = DATA / f"wide-{cells}-{columns}"
    if folder.exists():
        return folder
    print(f"writing {folder.name}", file=sys.stderr)
    draft = folder.with_suffix(".partial")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "pipelines").mkdir(parents=True)
    shutil.copy(JOB / "cloud-etl.yaml", draft)
    (draft / "pipelines" / "wide.yaml").write_text(_wide_pipeline(columns))
    (draft / "raw-data" / "wide").mkdir(parents=True)
    _write_wide(draft / "raw-data" / "wide" / "wide.csv", cells // columns, columns)
    draft.rename(folder)
    return folder


def small_pipelines(count: int) -> Path:
    """A project of that many pipelines that do not read one another, each with a file of ten records."""
    folder = DATA / f"pipelines-{count}"
    if folder.exists():
        return folder
    draft = folder.with_suffix(".partial")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "pipelines").mkdir(parents=True)
    shutil.copy(JOB / "cloud-etl.yaml", draft)
    for number in range(count):
        name = f"p{number:03d}"
        (draft / "pipelines" / f"{name}.yaml").write_text(_small_pipeline(name))
        (draft / "raw-data" / name).mkdir(parents=True)
        lines = "".join(f"{row},n{row}\n" for row in range(10))
        (draft / "raw-data" / name / "a.csv").write_text(f"id,name\n{lines}")
    draft.rename(folder)
    return folder


def _small_pipeline(name: str) -> str:
    return f"""pipeline: {name}
source: {{path: raw-data/{name}/, pattern: "*.csv", format: csv}}
schema:
  id: {{type: integer, required: true}}
  name: {{type: string}}
transform:
  - deduplicate: {{keys: [id]}}
quality:
  checks:
    - not_null: {{columns: [name], on_fail: reject}}
outputs:
  - name: out_{name}
    load: {{table: t.{name}, mode: upsert, keys: [id]}}
"""


def _wide_pipeline(columns: int) -> str:
    contract = "\n".join(f'  c{place:04d}: {{type: "{KINDS[place % 5]}"}}' for place in range(1, columns))
    return f"""pipeline: wide
source: {{path: raw-data/wide/, pattern: "*.csv", format: csv}}
schema:
  id: {{type: bigint, required: true}}
{contract}
transform:
  - deduplicate: {{keys: [id], order_by: "c0003 desc"}}
  - fill_nulls: {{c0001: nowhere}}
  - derive: {{total: "cast(c0002 * 2 as decimal(14,2))"}}
  - filter: {{known: "id >= 0"}}
quality:
  checks:
    - not_null: {{columns: [c0003], on_fail: reject}}
outputs:
  - name: wide_fact
    load: {{table: analytics.wide_fact, mode: upsert, keys: [id]}}
"""


def _write_wide(path: Path, rows: int, columns: int) -> None:
    step = max(1, _CELLS_AT_ONCE // columns)
    with path.open("wb") as out:
        out.write(",".join(["id", *(f"c{place:04d}" for place in range(1, columns))]).encode() + b"\n")
        for first in range(0, rows, step):
            count = min(step, rows - first)
            rng = np.random.default_rng([first, columns])
            numbers = pc.cast(pa.array(np.arange(first, first + count)), pa.string())
            texts = [numbers, *(_texts(rng, count, KINDS[place % 5]) for place in range(1, columns))]
            lines = pc.binary_join_element_wise(*texts, ",").to_pylist()
            out.write("".join(f"{line}\n" for line in lines).encode())


def _texts(rng: np.random.Generator, count: int, kind: str) -> pa.Array:
    if kind == "string":
        return pa.array(["north", "south", "east", "west", ""]).take(pa.array(rng.integers(0, 5, count)))
    if kind == "timestamp":
        seconds = make_sales.FIRST_SECOND + rng.integers(0, make_sales.SECONDS, count)
        return pc.cast(pc.cast(pa.array(seconds), pa.timestamp("s")), pa.string())
    if kind == "decimal(12,2)":
        return pa.array([f"{cents / 100:.2f}" for cents in rng.integers(0, 50_000, count).tolist()])
    values = rng.integers(0, 100_000, count) if kind == "integer" else rng.random(count).round(6)
    return pc.cast(pa.array(values), pa.string())
