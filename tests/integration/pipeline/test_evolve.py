"""Columns that files bring beyond the contract: the table holds what each row's own file holds."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from cloud_etl.pipeline.project import Project

FILES = {"a.csv": "id,v,note\n1,1,x\n2,1,y\n", "b.csv": "id,v\n1,2\n3,2\n", "c.csv": "id,v\n2,3\n"}
PIPELINE = """
pipeline: orders
source: {path: orders, format: csv}
schema: {id: {type: integer, required: true}, v: {type: integer}}
new_columns: evolve
transform:
  - deduplicate: {keys: [id], order_by: v desc}
outputs: [{name: orders, load: {table: shop.orders, mode: upsert, keys: [id]}}]
"""


@pytest.mark.parametrize("batches", [["a.csv b.csv c.csv"], ["a.csv", "b.csv c.csv"], ["a.csv", "b.csv", "c.csv"]])
def test_a_row_whose_file_lacks_the_column_has_no_value_in_it(tmp_path: Path, batches: list[str]) -> None:
    for name, text in {
        "cloud-etl.yaml": "project: shop\nenvironments:\n  local: {store: ., engine: {memory: 512MB}, "
        "warehouse: {duckdb: {path: w.duckdb}}}\n",
        "pipelines/orders.yaml": PIPELINE,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "orders").mkdir()
    for batch in batches:
        for name in batch.split():
            (tmp_path / "orders" / name).write_text(FILES[name])
        assert Project.open(tmp_path).run().exit_code == 0
    with duckdb.connect(tmp_path / "w.duckdb", read_only=True) as warehouse:
        found = warehouse.execute("select id, v, note from shop.orders order by id").fetchall()
    assert found == [(1, 2, None), (2, 3, None), (3, 2, None)]
