"""UNLOAD: names, contents and manifests of the files, and what is refused."""

from __future__ import annotations

import bz2
import datetime
import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pytest

pytestmark = pytest.mark.integration

DDL = """create table t (id int, name varchar(20), amount decimal(12,2), ts timestamp, z timestamptz, ok boolean,
d date, f float8, s super)"""
ROWS = """insert into t values
(1, 'a|"b', 1.5, '2024-02-29 10:11:12.5', '2024-02-29 10:00:00+02', true, '2024-02-29', 0.1, json_parse('{"k":[1]}')),
(2, null, null, null, null, null, null, null, null),
(3, 'x
y\\\\', -2, '2024-01-01', '2024-01-01 00:00:00+00', false, '0001-01-01', 1e300, json_parse('"w"'))"""


@pytest.fixture
def table(client):
    client.run(DDL)
    client.run(ROWS)
    return client


def text(place, name: str = "0000_part_00") -> str:
    return place.read(name).decode()


def test_delimited_files_are_named_by_part(table, place) -> None:
    table.unload("select id, name, ok, ts from t where id < 3 order by id", place.uri)
    assert place.keys() == ["0000_part_00"]
    assert text(place) == '1|a|"b|t|2024-02-29 10:11:12.5\n2|||\n'
    assert table.rows("select pg_last_unload_count()") == [(2,)]


def test_the_prefix_stands_before_the_name_as_written(table, place) -> None:
    table.unload("select 1", place.uri + "rows_")
    assert place.keys() == ["rows_0000_part_00"]


def test_a_file_can_be_loaded_again(table, place) -> None:
    table.unload("select * from t", place.uri, "escape addquotes null as '@'")
    table.run("create table again (like t)")
    table.copy("again", place.uri, "escape removequotes null as '@'")
    query = "select id, name, amount, ts, z, ok, d, f from {} order by id"
    assert table.rows(query.format("again")) == table.rows(query.format("t"))


def test_csv_is_quoted_where_it_must_be(table, place) -> None:
    table.unload("select id, name from t order by id", place.uri, "csv header")
    assert text(place) == 'id,name\n1,"a|""b"\n2,\n3,"x\ny\\"\n'


def test_json_has_one_object_a_line(table, place) -> None:
    table.unload("select id, name, amount, ok, s from t order by id", place.uri, "json")
    lines = [json.loads(line) for line in text(place, "0000_part_00.json").splitlines()]
    assert lines == [
        {"id": 1, "name": 'a|"b', "amount": 1.5, "ok": True, "s": {"k": [1]}},
        {"id": 2, "name": None, "amount": None, "ok": None, "s": None},
        {"id": 3, "name": "x\ny\\", "amount": -2, "ok": False, "s": "w"},
    ]


def test_fixed_width_pads_and_cuts(table, place) -> None:
    table.unload("select id, name from t where id < 3 order by id", place.uri, "fixedwidth 'id:3,name:2'")
    assert text(place) == "1  a|\n2    \n"


def test_parquet_keeps_types_and_values(table, place) -> None:
    table.unload("select * from t order by id", place.uri, "format as parquet")
    found = place.parquet("0000_part_00.parquet")
    assert found.schema.field("amount").type == pa.decimal128(12, 2)
    assert found.schema.field("ts").type == pa.timestamp("us")
    one, nothing, last = found.to_pylist()
    assert one == {
        "id": 1, "name": 'a|"b', "amount": Decimal("1.50"), "ts": datetime.datetime(2024, 2, 29, 10, 11, 12, 500000),
        "z": datetime.datetime(2024, 2, 29, 8, tzinfo=datetime.UTC), "ok": True, "d": datetime.date(2024, 2, 29),
        "f": 0.1, "s": '{"k":[1]}',
    }  # fmt: skip
    assert [value for key, value in nothing.items() if key != "id"] == [None] * 8
    assert (last["name"], last["f"]) == ("x\ny\\", 1e300)


def test_parquet_can_be_loaded_again(table, place) -> None:
    table.unload("select id, name, amount, ts, ok, d, f from t", place.uri, "parquet manifest")
    table.run(
        "create table again (id int, name varchar(20), amount decimal(12,2), ts timestamp, ok boolean, d date,"
        " f float8)"
    )
    assert table.copy("again", place.uri + "manifest", "parquet manifest") == 3
    query = "select id, name, amount, ts, ok, d, f from {} order by id"
    assert table.rows(query.format("again")) == table.rows(query.format("t"))


@pytest.mark.parametrize(
    ("option", "ending", "unpack"), [("gzip", ".gz", gzip.decompress), ("bzip2", ".bz2", bz2.decompress)]
)
def test_compressed_files_have_its_ending(table, place, option, ending, unpack) -> None:
    table.unload("select id from t order by id", place.uri, f"csv {option}")
    assert unpack(place.read(f"0000_part_00{ending}")) == b"1\n2\n3\n"


def test_zstd_has_its_ending(table, place) -> None:
    table.unload("select id from t order by id", place.uri, "zstd")
    packed = pa.BufferReader(place.read("0000_part_00.zst"))
    assert pa.CompressedInputStream(packed, "zstd").read() == b"1\n2\n3\n"


def test_parallel_off_numbers_the_files(table, place) -> None:
    table.unload("select id from t", place.uri, "parallel off")
    assert place.keys() == ["000"]


def test_extension_takes_the_place_of_the_ending(table, place) -> None:
    table.unload("select id from t", place.uri, "csv extension 'csv'")
    assert place.keys() == ["0000_part_00.csv"]


def test_maxfilesize_begins_new_files(client, place) -> None:
    client.unload("select repeat('x', 1000000) from generate_series(1, 13)", place.uri, "maxfilesize 5 mb manifest")
    assert place.keys() == ["0000_part_00", "0000_part_01", "0000_part_02", "manifest"]
    entries = json.loads(place.read("manifest"))["entries"]
    assert [entry["url"] for entry in entries] == [f"{place.uri}0000_part_0{n}" for n in range(3)]
    assert [entry["meta"]["content_length"] for entry in entries] == [
        len(place.read(f"0000_part_0{n}")) for n in range(3)
    ]


def test_partitions_are_folders_and_leave_the_files(table, place) -> None:
    table.unload("select id, name, ok from t", place.uri, "parquet partition by (ok)")
    assert place.keys() == [
        "ok=__HIVE_DEFAULT_PARTITION__/0000_part_00.parquet", "ok=f/0000_part_00.parquet", "ok=t/0000_part_00.parquet",
    ]  # fmt: skip
    assert place.parquet("ok=t/0000_part_00.parquet").to_pylist() == [{"id": 1, "name": 'a|"b'}]


def test_include_keeps_partition_columns_in_the_files(table, place) -> None:
    table.unload("select id, ok from t where id = 1", place.uri, "csv partition by (ok) include")
    assert text(place, "ok=t/0000_part_00") == "1,t\n"


def test_a_verbose_manifest_tells_rows_and_types(table, place) -> None:
    table.unload("select id, amount from t", place.uri, "manifest verbose")
    found = json.loads(place.read("manifest"))
    assert found["meta"]["record_count"] == 3
    assert found["entries"][0]["meta"]["record_count"] == 3
    assert found["schema"]["elements"][1] == {
        "name": "amount",
        "type": {"base": "numeric", "precision": 12, "scale": 2},
    }


def test_a_destination_that_holds_objects_is_refused(table, place) -> None:
    place.put("old", "x")
    refused = table.refused(f"unload ('select 1') to '{place.uri}' iam_role default")
    assert refused["M"] == (
        "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually "
        "removing the target files in S3, or using the ALLOWOVERWRITE option."
    )
    table.unload("select 1", place.uri, "allowoverwrite")
    assert place.keys() == ["0000_part_00", "old"]
    table.unload("select 2", place.uri, "cleanpath")
    assert place.keys() == ["0000_part_00"]


def test_a_query_without_rows_leaves_an_empty_file(table, place) -> None:
    table.unload("select id from t where false", place.uri, "csv header")
    assert text(place) == "id\n"


def test_quotes_in_the_query_are_doubled_or_escaped(table, place) -> None:
    table.run(f"unload ('select id from t where name = ''a|\"b''') to '{place.uri}1/' iam_role default")
    table.run(f"unload ('select id from t where name = \\'a|\"b\\'') to '{place.uri}2/' iam_role default")
    assert text(place, "1/0000_part_00") == text(place, "2/0000_part_00") == "1\n"


@pytest.mark.parametrize(
    ("query", "options", "text"),
    [
        ("select id from t limit 1", "", "Limit clause is not supported"),
        ("delete from t", "", "UNLOAD takes a SELECT statement"),
        ("select nope from t", "", 'column "nope" does not exist'),
        ("select id from t", "parquet header", "HEADER option is not supported for UNLOAD to PARQUET"),
        ("select id from t", "parquet gzip", "Compression option is not supported for UNLOAD to PARQUET"),
        ("select id from t", "csv escape", "ESCAPE option is not supported for UNLOAD to CSV"),
        ("select id from t", "json delimiter ','", "DELIMITER option is not supported for UNLOAD to JSON"),
        ("select id from t", "csv rowgroupsize 64 mb", "ROWGROUPSIZE option can only be used with FORMAT PARQUET"),
        ("select id from t", "maxfilesize 1 mb", "MAXFILESIZE must be between 5 MB and 6348 MB"),
        ("select id from t", "allowoverwrite cleanpath", "ALLOWOVERWRITE and CLEANPATH cannot be used together"),
        ("select id from t", "partition by (nope)", 'UNLOAD partition column "nope" is not in the select list'),
        ("select id from t", "partition by (id)", "UNLOAD needs a column that PARTITION BY leaves for the files"),
        ("select id from t", "nonsense", 'syntax error at or near "nonsense"'),
    ],
)
def test_what_redshift_refuses_is_refused(table, place, query, options, text) -> None:
    assert table.refused(f"unload ('{query}') to '{place.uri}' iam_role default {options}")["M"] == text
    assert place.keys() == []


def test_two_columns_may_have_one_name(table, place) -> None:
    table.unload("select 1, 2, json_parse('[1, 2]')", place.uri, "header")
    assert text(place).splitlines()[1] == "1|2|[1,2]"


def test_limit_inside_is_fine(table, place) -> None:
    table.unload("select * from (select id from t order by id limit 1) as first", place.uri)
    assert text(place) == "1\n"


def test_the_history_tells_of_each_unload(table, place) -> None:
    table.unload("select id from t", place.uri, "csv")
    query = "select status, file_format, unloaded_rows, unloaded_files_count from sys_unload_history "
    assert table.rows(query + f"where unloaded_location = '{place.uri}'") == [("completed", "CSV", 3, 1)]
