"""COPY ... FORMAT AS PARQUET through a real driver: what is loaded, and each way it is refused."""

from __future__ import annotations

import datetime
import json
from decimal import Context, Decimal

import pyarrow as pa
import pytest

pytestmark = pytest.mark.integration

FIRST = datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)
OLD = datetime.datetime(1, 1, 1)
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int32()),
        "small": pa.array([-32768, None, 32767], pa.int32()),
        "big": pa.array([-(2**63), None, 2**63 - 1], pa.int64()),
        "name": ["a", None, "zwölf"],
        "fixed": ["ab", None, ""],
        "amount": pa.array([Decimal("1.50"), None, Decimal("-9999999999.99")], pa.decimal128(12, 2)),
        "wide": pa.array([Decimal("0.000000000001"), Decimal(-(10**25)), None], pa.decimal128(38, 12)),
        "ts": pa.array([FIRST, None, OLD], pa.timestamp("us")),
        "day": pa.array([datetime.date(2024, 2, 29), None, datetime.date(1, 1, 1)]),
        "ok": [True, None, False],
        "real": pa.array([1.5, None, -0.0], pa.float32()),
        "double": pa.array([0.1, None, float("inf")]),
        "nested": [{"a": [1, 2]}, None, {"a": None}],
    }
)
DDL = """create table t (id int not null, small smallint, big bigint, name varchar(6), fixed char(3), amount
decimal(12,2), wide decimal(38,12), ts timestamp, day date, ok boolean, real real, double float8, nested super)"""


def two(ids: list[object], names: list[object], kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"id": pa.array(ids, kind or pa.int32()), "name": pa.array(names, pa.string())})


@pytest.fixture
def table(client):
    client.run("create table t (id int not null, name varchar(5))")
    return client


def test_every_type_arrives_as_it_was_written(client, place) -> None:
    client.run(DDL)
    place.put_parquet("1.parquet", ROWS)
    assert client.copy("t", place.uri, "format as parquet serializetojson") == 3
    one, nothing, last = client.rows("select * from t order by id")
    assert one == (
        1, -32768, -(2**63), "a", "ab ", Decimal("1.50"), Decimal("0.000000000001"), FIRST, datetime.date(2024, 2, 29),
        True, 1.5, 0.1, '{"a":[1,2]}',
    )  # fmt: skip
    assert nothing == (2, *[None] * 5, Decimal(-(10**25)), *[None] * 6)
    assert last[:6] == (3, 32767, 2**63 - 1, "zwölf", "   ", Decimal("-9999999999.99"))
    assert last[7:] == (OLD, datetime.date(1, 1, 1), False, 0.0, float("inf"), '{"a":null}')


def test_the_client_is_told_how_many_rows_were_loaded(table, place) -> None:
    place.put_parquet("1.parquet", two([1, 2], ["a", "b"]))
    place.put_parquet("2.parquet", two([3], ["c"]))
    assert table.copy("t", place.uri, "parquet") == 3
    table.copy("t", place.uri + "1", "parquet")
    assert table.notices() == ["Load into table 't' completed, 2 record(s) loaded successfully."]
    query = "select status, table_name, file_format, loaded_rows, source_file_count from sys_load_history"
    assert table.rows(query + " where query_id = pg_last_copy_id()") == [("completed", "t", "PARQUET", 2, 1)]
    committed = "select btrim(filename), lines_scanned from stl_load_commits where query = pg_last_copy_id()"
    assert table.rows(committed) == [(place.uri + "1.parquet", 2)]


def test_columns_go_by_position_and_not_by_name(client, place) -> None:
    client.run("create table t (a varchar(5), b varchar(5))")
    place.put_parquet("1.parquet", pa.table({"b": ["b"], "a": ["a"]}))
    client.copy("t", place.uri, "parquet")
    client.run(f"copy t (b, a) from '{place.uri}' iam_role default parquet")
    assert client.rows("select a, b from t order by a") == [("a", "b"), ("b", "a")]


def test_columns_left_out_take_their_defaults(client, place) -> None:
    client.run("create table t (n bigint identity(1,1), id int, name varchar(5), at varchar(9) default 'now')")
    place.put_parquet("1.parquet", two([7, 8], ["a", "b"]))
    client.run(f"copy t (id, name) from '{place.uri}' iam_role default parquet")
    assert client.rows("select * from t order by n") == [(1, 7, "a", "now"), (2, 8, "b", "now")]


def test_an_identity_column_is_only_written_with_explicit_ids(client, place) -> None:
    client.run("create table t (id bigint identity(1,1), name varchar(5))")
    place.put_parquet("1.parquet", two([70], ["a"], pa.int64()))
    refused = client.refused(f"copy t (id, name) from '{place.uri}' iam_role default parquet")
    assert refused["M"] == "cannot set an identity column to a value"
    client.copy("t", place.uri, "parquet explicit_ids")
    assert client.rows("select * from t") == [(70, "a")]


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("maxerror 5", "MAXERROR"), ("region 'eu-west-1'", "REGION"), ("truncatecolumns", "TRUNCATECOLUMNS"),
        ("compupdate off", "COMPUPDATE"), ("acceptanydate", "ACCEPTANYDATE"), ("ignoreheader 1", "IGNOREHEADER"),
        ("gzip", "GZIP"), ("delimiter ','", "DELIMITER"), ("emptyasnull", "EMPTYASNULL"), ("null as ''", "NULL"),
        ("timeformat 'auto'", "TIMEFORMAT"), ("trimblanks", "TRIMBLANKS"), ("roundec", "ROUNDEC"),
    ],
)  # fmt: skip
def test_options_of_text_files_are_refused(table, place, option, word) -> None:
    place.put_parquet("1.parquet", two([1], ["a"]))
    assert table.copy_refused("t", place.uri, f"parquet {option}") == (
        f"{word} argument is not supported for PARQUET based COPY"
    )


@pytest.mark.parametrize("option", ["statupdate on", "fillrecord", "acceptinvchars as '?'", "noload"])
def test_options_of_columnar_files_are_taken(table, place, option) -> None:
    place.put_parquet("1.parquet", two([1], ["a"]))
    assert table.copy("t", place.uri, f"parquet {option}") == 1
    assert len(table.rows("select * from t")) == (0 if option == "noload" else 1)


def test_keys_are_refused_where_only_roles_will_do(table, place) -> None:
    refused = table.refused(f"copy t from '{place.uri}' access_key_id 'a' secret_access_key 'b' parquet")
    assert refused["M"] == "COPY from this file format only accepts IAM_ROLE credentials"


def test_a_long_text_is_refused_by_its_bytes(table, place) -> None:
    place.put_parquet("part=1/1.parquet", two([1, 2], ["abcde", "zwölf"]))
    url = f"https://s3.us-east-1.amazonaws.com/copy-tests/{place.key}part%3D1/1.parquet"
    reason = (
        "The length of the data column name is longer than the length defined in the table. Table: 5, Data: 6, "
        f"File name: {url}"
    )
    assert table.copy_refused("t", place.uri, "parquet") == f"Spectrum Scan Error | 15001 | {reason}"
    assert table.rows("select * from t") == []
    detail = "select btrim(file_name), btrim(column_name), btrim(column_type), error_code, btrim(error_message) from "
    found = table.rows(detail + "sys_load_error_detail order by query_id desc limit 1")
    assert found == [(url, "name", "varchar", 15001, reason)]


def test_errors_outlive_the_rollback_of_the_transaction(table, place) -> None:
    place.put_parquet("1.parquet", two([1], ["too long"]))
    table.connection.autocommit = False
    table.run("insert into t values (9, 'x')")
    with pytest.raises(Exception, match="Spectrum Scan Error"):
        table.run(f"copy t from '{place.uri}' iam_role default parquet")
    with pytest.raises(Exception, match="current transaction is aborted"):
        table.run("select 1")
    table.connection.rollback()
    table.connection.autocommit = True
    assert table.rows("select count(*) from t") == [(0,)]
    found = table.rows(f"select count(*) from stl_load_errors where filename like '%{place.key}%'")
    assert found == [(1,)]


@pytest.mark.parametrize("columns", [1, 3])
def test_another_number_of_columns_is_refused(table, place, columns) -> None:
    place.put_parquet("1.parquet", pa.table({f"c{n}": pa.array([1], pa.int32()) for n in range(columns)}))
    url = f"https://s3.us-east-1.amazonaws.com/copy-tests/{place.key}1.parquet"
    assert table.copy_refused("t", place.uri, "parquet") == (
        "Spectrum Scan Error | 15007 | Unmatched number of columns between table and file. Table columns: 2, "
        f"Data columns: {columns}, File name: {url}"
    )


def test_fillrecord_gives_columns_at_the_end_no_value(table, place) -> None:
    place.put_parquet("1.parquet", pa.table({"id": pa.array([1], pa.int32())}))
    table.copy("t", place.uri, "parquet fillrecord")
    assert table.rows("select * from t") == [(1, None)]


def test_a_missing_value_is_refused_where_one_must_be(table, place) -> None:
    place.put_parquet("1.parquet", two([1, None], ["a", "b"]))
    refused = table.copy_refused("t", place.uri, "parquet")
    assert refused.startswith("Cannot insert a NULL value into column id | 8007 | query execution, File name: ")


def test_a_column_left_out_that_cannot_be_null_is_refused(table, place) -> None:
    place.put_parquet("1.parquet", pa.table({"name": ["a"]}))
    refused = table.refused(f"copy t (name) from '{place.uri}' iam_role default parquet")
    assert refused["M"] == "Cannot insert a NULL value into column id"


@pytest.mark.parametrize(
    ("ddl", "array", "column", "parquet"),
    [
        ("int", pa.array([1], pa.int64()), "INT", "int64 c"),
        ("bigint", pa.array([1], pa.int32()), "BIGINT", "int32 c"),
        ("int", pa.array([1], pa.uint32()), "INT", "int32 c (Int(bitWidth=32, isSigned=false))"),
        ("float8", pa.array([1], pa.float32()), "DOUBLE", "float c"),
        ("real", pa.array([1.0]), "FLOAT", "double c"),
        ("varchar(5)", pa.array([1], pa.int32()), "VARCHAR(5)", "int32 c"),
        ("char(5)", pa.array([1], pa.int32()), "CHAR(5)", "int32 c"),
        ("int", pa.array(["a"]), "INT", "byte_array c (String)"),
        ("boolean", pa.array([1], pa.int32()), "BOOLEAN", "int32 c"),
        ("date", pa.array([1], pa.int32()), "DATE", "int32 c"),
        ("int", pa.array([datetime.date(2024, 1, 1)]), "INT", "int32 c (Date)"),
        ("timestamp", pa.array([1], pa.int64()), "TIMESTAMP", "int64 c"),
        ("decimal(12,2)", pa.array([1.0]), "DECIMAL(12, 2)", "double c"),
        (
            "decimal(12,2)", pa.array([Decimal("1.00")], pa.decimal128(11, 2)), "DECIMAL(12, 2)",
            "fixed_len_byte_array c (Decimal(precision=11, scale=2))",
        ),
        (
            "decimal(12,2)", pa.array([Decimal("1.000")], pa.decimal128(12, 3)), "DECIMAL(12, 2)",
            "fixed_len_byte_array c (Decimal(precision=12, scale=3))",
        ),
        ("varchar(5)", pa.array([[1]]), "VARCHAR(5)", "list<element: int64> c"),
    ],
)  # fmt: skip
def test_another_type_is_refused(client, place, ddl, array, column, parquet) -> None:
    client.run(f"create table t (c {ddl})")
    place.put_parquet("1.parquet", pa.table({"c": array}))
    url = f"https://s3.us-east-1.amazonaws.com/copy-tests/{place.key}1.parquet"
    assert client.copy_refused("t", place.uri, "parquet") == (
        f"Spectrum Scan Error | 15007 | File '{url}' has an incompatible Parquet schema for column "
        f"'{place.uri}1.parquet.c'. Column type: {column}, Parquet schema:\\noptional {parquet} [i:0 d:1 r:0]"
    )


def test_nanoseconds_are_refused_since_they_would_be_cut(client, place) -> None:
    client.run("create table t (c timestamp)")
    place.put_parquet("1.parquet", pa.table({"c": pa.array([1], pa.timestamp("ns"))}))
    assert "has an incompatible Parquet schema for column" in client.copy_refused("t", place.uri, "parquet")


@pytest.mark.parametrize(
    "options",
    [
        {}, {"coerce_timestamps": "ms", "allow_truncated_timestamps": True}, {"use_deprecated_int96_timestamps": True},
        {"use_dictionary": False, "compression": "zstd"}, {"data_page_version": "2.0"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_keep_their_value_in_each_form(client, place, options, zone) -> None:
    client.run("create table t (c timestamp, z timestamptz)")
    moment = datetime.datetime(2024, 7, 1, 12, 30, 15, 120000, datetime.UTC)
    times = pa.array([moment], pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone) if zone else pa.timestamp("us"))
    place.put_parquet("1.parquet", pa.table({"c": times, "z": times}), **options)
    client.copy("t", place.uri, "parquet")
    assert client.rows("select * from t") == [(moment.replace(tzinfo=None), moment)]


@pytest.mark.parametrize("store_as_integer", [True, False])
@pytest.mark.parametrize("precision", [1, 4, 9, 10, 18, 19, 38])
def test_decimals_of_each_width_arrive(client, place, precision, store_as_integer) -> None:
    scale = precision // 2
    client.run(f"create table t (n int, c decimal({precision},{scale}))")
    # The default context would round to 28 digits.
    wide = Context(prec=60)
    most = Decimal(10**precision - 1).scaleb(-scale, wide)
    values = [most, most.copy_negate(), Decimal(1).scaleb(-scale, wide), Decimal(0).scaleb(-scale, wide), None]
    texts = pa.array([None if value is None else format(value, "f") for value in values], pa.string())
    array = texts.cast(pa.decimal128(precision, scale))
    rows = pa.table({"n": pa.array(range(5), pa.int32()), "c": array})
    place.put_parquet("1.parquet", rows, store_decimal_as_integer=store_as_integer)
    client.copy("t", place.uri, "parquet")
    assert [row[0] for row in client.rows("select c from t order by n")] == values


def test_a_smallint_that_overflows_is_refused(client, place) -> None:
    client.run("create table t (c smallint)")
    place.put_parquet("1.parquet", pa.table({"c": pa.array([32768], pa.int32())}))
    assert "15007 | Numeric overflow: column c of type SMALLINT" in client.copy_refused("t", place.uri, "parquet")


def test_super_wants_serializetojson(client, place) -> None:
    client.run("create table t (c super)")
    place.put_parquet("1.parquet", pa.table({"c": ['{"a": 1}', "plain", None]}))
    assert client.copy_refused("t", place.uri, "parquet") == (
        "SUPER column in COPY query requires SERIALIZETOJSON option"
    )
    client.copy("t", place.uri, "parquet serializetojson")
    # A text is a string, not parsed, as on Redshift.
    assert client.rows("select c from t where c is not null order by 1") == [('"plain"',), ('"{\\"a\\": 1}"',)]


def test_a_string_of_more_than_65535_bytes_does_not_fit_into_super(client, place) -> None:
    client.run("create table t (c super)")
    place.put_parquet("1.parquet", pa.table({"c": ["x" * 65_536]}))
    refused = client.copy_refused("t", place.uri, "parquet serializetojson")
    assert refused == "String value exceeds the max size of 65535 bytes | 1224 | "


def test_wrong_bytes_of_utf8_are_refused_or_replaced(client, place) -> None:
    client.run("create table t (c varchar(9))")
    binary = pa.array([b"ok", b"a\xff\xfeb"])
    text = pa.Array.from_buffers(pa.string(), 2, binary.buffers())
    place.put_parquet("1.parquet", pa.table({"c": text}))
    assert "invalid or unsupported UTF-8 codepoints" in client.copy_refused("t", place.uri, "parquet")
    client.copy("t", place.uri, "parquet acceptinvchars")
    assert client.rows("select c from t order by c") == [("a??b",), ("ok",)]


def test_a_file_that_is_no_parquet_is_refused(table, place) -> None:
    place.put("1.parquet", "id,name\n1,a\n")
    assert "Spectrum Scan Error | 15001 | File 'https" in (found := table.copy_refused("t", place.uri, "parquet"))
    assert found.endswith("has an invalid version number: 1,a\n") or "invalid version number" in found


def test_many_row_groups_and_files_arrive_once(client, place) -> None:
    client.run("create table t (id int, name varchar(20))")
    for file in range(3):
        rows = two(list(range(file * 1000, file * 1000 + 1000)), [None if n % 7 == 0 else f"n{n}" for n in range(1000)])
        place.put_parquet(f"{file}.parquet", rows, row_group_size=77)
    assert client.copy("t", place.uri, "parquet") == 3000
    assert client.rows("select count(*), count(distinct id), sum(id), count(name) from t") == [
        (3000, 3000, sum(range(3000)), 2571)
    ]


def manifest(place, *entries: dict[str, object]) -> str:
    return place.put("manifest", json.dumps({"entries": list(entries)}))


def test_a_manifest_names_the_files(table, place) -> None:
    size = place.put_parquet("1.parquet", two([1], ["a"]))
    place.put_parquet("2.parquet", two([2], ["b"]))
    entry = {"url": place.uri + "1.parquet", "mandatory": True, "meta": {"content_length": size}}
    assert table.copy("t", manifest(place, entry), "parquet manifest") == 1


def test_a_manifest_without_content_length_is_refused(table, place) -> None:
    place.put_parquet("1.parquet", two([1], ["a"]))
    url = place.uri + "1.parquet"
    refused = table.copy_refused("t", manifest(place, {"url": url}), "parquet manifest")
    assert refused == f"File entry does not have 'meta' key. | 15003 | {url}"
    refused = table.copy_refused("t", manifest(place, {"url": url, "meta": {}}), "parquet manifest")
    assert refused == f"File entry 'meta' does not have 'content_length' key. | 15003 | {url}"


@pytest.mark.parametrize(
    ("shift", "text"),
    [(100, "HTTP response error code: 416"), (4, "HTTP response error code: 416"), (-9, "has an invalid version")],
)
def test_a_wrong_content_length_is_refused(table, place, shift, text) -> None:
    size = place.put_parquet("1.parquet", two([1], ["a"]))
    entry = {"url": place.uri + "1.parquet", "meta": {"content_length": size + shift}}
    assert text in table.copy_refused("t", manifest(place, entry), "parquet manifest")
    assert table.rows("select * from t") == []


def test_a_missing_file_matters_only_where_it_is_mandatory(table, place) -> None:
    size = place.put_parquet("1.parquet", two([1], ["a"]))
    there = {"url": place.uri + "1.parquet", "meta": {"content_length": size}}
    gone = {"url": place.uri + "2.parquet", "meta": {"content_length": 9}}
    assert table.copy("t", manifest(place, there, gone), "parquet manifest") == 1
    refused = table.copy_refused("t", manifest(place, there, {**gone, "mandatory": True}), "parquet manifest")
    assert refused == (
        f"Mandatory file {place.uri}2.parquet of the manifest - S3ServiceException:The specified key does not exist.,"
        "Status 404,Error NoSuchKey,CanRetry 1"
    )
    assert "No file of the manifest was found" in table.copy_refused("t", manifest(place, gone), "parquet manifest")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("no json", "Parsed manifest is not a valid JSON object. | 15003"),
        ("[]", "Parsed manifest is not a valid JSON object. | 15003"),
        ('{"files": []}', "Parsed manifest does not have an 'entries' array. | 15003"),
        ('{"entries": [{}]}', "File entry does not have 'url' key. | 15003"),
    ],
)
def test_a_manifest_that_is_none_is_refused(table, place, body, text) -> None:
    assert table.copy_refused("t", place.put("manifest", body), "parquet manifest").startswith(text)


def test_a_manifest_that_is_missing_is_refused(table, place) -> None:
    assert table.copy_refused("t", place.uri + "none", "parquet manifest") == (
        "Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,"
        "Error NoSuchKey,CanRetry 1"
    )
    assert table.copy_refused("t", place.uri, "parquet manifest").startswith(
        "COPY with MANIFEST parameter requires full path of an S3 object. | 8001"
    )


def test_a_prefix_without_files_is_refused(table, place) -> None:
    assert table.copy_refused("t", place.uri + "none", "parquet").startswith(
        f"The specified S3 prefix '{place.key}none' does not exist | 8001"
    )


def test_a_bucket_that_is_missing_is_refused(table) -> None:
    assert table.copy_refused("t", "s3://no-such-bucket/x", "parquet") == (
        "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket,CanRetry 1"
    )


def test_a_bucket_in_another_region_is_refused(table, s3) -> None:
    s3.create_bucket(Bucket="copy-tests-eu", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="copy-tests-eu", Key="x.csv", Body=b"1,a\n")
    assert table.copy_refused("t", "s3://copy-tests-eu/x", "parquet") == (
        "The S3 bucket addressed by the query is in a different region from this cluster."
    )
    assert table.copy_refused("t", "s3://copy-tests-eu/x", "csv") == (
        "S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect,CanRetry 1"
    )
    assert table.copy("t", "s3://copy-tests-eu/x", "csv region 'eu-west-1'") == 1


def test_a_table_or_column_that_is_missing_is_refused(table, place) -> None:
    assert table.copy_refused("none", place.uri, "parquet") == "Cannot COPY into nonexistent table none"
    refused = table.refused(f"copy t (id, nope) from '{place.uri}' iam_role default parquet")
    assert refused["M"] == 'column "nope" of relation "t" does not exist'


def test_names_that_need_quotes_work(client, place) -> None:
    client.run('create table "od d""t" ("a b" int, "select" varchar(5))')
    place.put_parquet("1.parquet", two([1], ["a"]))
    client.run(f"""copy "od d""t" ("a b", "select") from '{place.uri}' iam_role default parquet""")
    assert client.rows('select * from "od d""t"') == [(1, "a")]
