from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_etl.domain.schema import Schema
from cloud_etl.errors import TargetError
from cloud_etl.publish.parquet_schema import footer, schema_of


@pytest.mark.parametrize(
    ("arrow", "text"),
    [
        (pa.string(), "string"),
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int32(), pa.string()), "string"),
        (pa.int16(), "integer"),
        (pa.int32(), "integer"),
        (pa.int64(), "bigint"),
        (pa.uint32(), "bigint"),
        (pa.float32(), "double"),
        (pa.float64(), "double"),
        (pa.decimal128(12, 2), "decimal(12,2)"),
        (pa.decimal128(38, 0), "decimal(38,0)"),
        (pa.bool_(), "boolean"),
        (pa.date32(), "date"),
        (pa.timestamp("us"), "timestamp"),
        (pa.timestamp("us", tz="UTC"), "timestamp"),
        (pa.timestamp("ms", tz="UTC"), "timestamp"),
    ],
)
def test_types_of_files_become_types_of_the_contract(tmp_path, arrow, text):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"v": pa.array([None], arrow)}), path)
    assert [str(column.type) for column in schema_of([path], Schema(())).columns] == [text]


def test_the_old_timestamps_of_spark_are_timestamps(tmp_path):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"v": pa.array([0], pa.timestamp("us"))}), path, use_deprecated_int96_timestamps=True)
    assert str(schema_of([path], Schema(())).columns[0].type) == "timestamp"


@pytest.mark.parametrize(
    "arrow", [pa.uint64(), pa.timestamp("ns"), pa.binary(), pa.list_(pa.int32()), pa.decimal256(40, 2), pa.time64("us")]
)
def test_types_that_no_table_takes_are_refused_by_name(tmp_path, arrow):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"v": pa.array([None], arrow)}), path)
    with pytest.raises(TargetError, match=r"column v has type .*Cast it in transform"):
        schema_of([path], Schema(()))


def test_nullability_comes_from_the_footer_and_lineage_is_left_out(tmp_path):
    path = tmp_path / "f.parquet"
    fields = [
        pa.field("a", pa.int32(), nullable=False),
        pa.field("b", pa.int32()),
        pa.field("_rows_folded", pa.int64()),
    ]
    pq.write_table(pa.table({"a": [1], "b": [1], "_rows_folded": [1]}, schema=pa.schema(fields)), path)
    assert [(c.name, c.nullable) for c in schema_of([path], Schema(())).columns] == [("a", False), ("b", True)]


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "f.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(TargetError, match="cannot be read as Parquet"):
        footer(path)
