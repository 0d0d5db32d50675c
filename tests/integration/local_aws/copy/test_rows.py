"""COPY of delimited, CSV, JSON and fixed-width files: values, options, and the reason of each record left out."""

from __future__ import annotations

import bz2
import datetime
import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pytest

pytestmark = pytest.mark.integration

FAILED = "Load into table 't' failed.  Check 'stl_load_errors' system table for details."
PLAIN = "create table t (id int not null, name varchar(5))"


@pytest.fixture
def table(client):
    client.run(PLAIN)
    return client


def loaded(client) -> list[tuple[object, ...]]:
    return client.rows("select * from t order by 1, 2")


def test_csv_quotes_delimiters_and_newlines(table, place) -> None:
    place.put("1.csv", 'id,name\n1,"a,""b"\n2,"c\nd"\r\n3,\n')
    assert table.copy("t", place.uri, "csv ignoreheader 1") == 3
    assert loaded(table) == [(1, 'a,"b'), (2, "c\nd"), (3, "")]


def test_csv_with_a_quote_and_delimiter_of_its_own(table, place) -> None:
    place.put("1.csv", "1;'a;''b'\n")
    table.copy("t", place.uri, "format csv quote as '''' delimiter ';'")
    assert loaded(table) == [(1, "a;'b")]


def test_delimited_text_is_split_at_pipes(table, place) -> None:
    place.put("1.txt", "1|a\n2|\\N\n3||\r\n")
    table.copy("t", place.uri, "")
    assert loaded(table) == [(1, "a"), (2, None), (3, "")]


def test_escape_takes_the_meaning_of_the_next_character(table, place) -> None:
    place.put("1.txt", "1|a\\|b\n2|a\\\nb\n3|\\\\\n4|\\N\n")
    table.copy("t", place.uri, "escape")
    assert loaded(table) == [(1, "a|b"), (2, "a\nb"), (3, "\\"), (4, None)]


def test_removequotes_takes_quotes_away_and_heeds_what_is_in_them(table, place) -> None:
    place.put("1.txt", "1|\"a|b\"\n2|'c'\n'3'|d\"e\n")
    table.copy("t", place.uri, "removequotes")
    assert loaded(table) == [(1, "a|b"), (2, "c"), (3, 'd"e')]


def test_removequotes_wants_a_quote_at_the_end(table, place) -> None:
    place.put("1.txt", '1|"a\n2|b\n')
    table.copy("t", place.uri, "removequotes maxerror 2")
    assert table.errors() == [(1, "", 1216, "Delimited value missing end quote")]


def test_fixed_width_cuts_the_line(table, place) -> None:
    place.put("1.txt", "001abc  \n002de\n")
    table.copy("t", place.uri, "fixedwidth 'id:3,name:5' trimblanks")
    assert loaded(table) == [(1, "abc"), (2, "de")]


@pytest.mark.parametrize(
    ("option", "packed"),
    [
        ("gzip", gzip.compress(b"1,a\n", mtime=0) + gzip.compress(b"2,b\n", mtime=0)),
        ("bzip2", bz2.compress(b"1,a\n2,b\n")),
        ("zstd", pa.compress(b"1,a\n2,b\n", "zstd", asbytes=True)),
    ],
    ids=["gzip", "bzip2", "zstd"],
)
def test_compressed_files_are_unpacked(table, place, option, packed) -> None:
    place.put("1.csv", packed)
    assert table.copy("t", place.uri, f"csv {option}") == 2


def test_a_file_that_is_not_compressed_as_said_is_refused(table, place) -> None:
    place.put("1.csv", b"1,a\n")
    assert table.copy_refused("t", place.uri, "csv gzip") == f"{place.uri}1.csv could not be read as GZIP."


@pytest.mark.parametrize(
    ("option", "text"),
    [("utf16", "1,ü\n".encode("utf-16")), ("utf16le", "1,ü\n".encode("utf-16-le")), ("iso88591", b"1,\xfc\n")],
    ids=["utf16", "utf16le", "iso88591"],
)
def test_encodings_are_decoded(table, place, option, text) -> None:
    place.put("1.csv", text)
    table.copy("t", place.uri, f"csv encoding as {option}")
    assert loaded(table) == [(1, "ü")]


def test_a_byte_order_mark_is_no_data(table, place) -> None:
    place.put("1.csv", "\ufeff1,a\n")
    table.copy("t", place.uri, "csv")
    assert loaded(table) == [(1, "a")]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("", "  "), ("blanksasnull", None), ("null as '  '", None), ("trimblanks", ""),
        ("trimblanks emptyasnull", ""),
    ],
)  # fmt: skip
def test_blanks_stay_unless_an_option_says_otherwise(table, place, options, name) -> None:
    place.put("1.csv", "1,  \n")
    table.copy("t", place.uri, f"csv {options}")
    assert loaded(table) == [(1, name)]


def test_empty_texts_are_null_with_emptyasnull(table, place) -> None:
    place.put("1.csv", "1,\n")
    table.copy("t", place.uri, "csv emptyasnull")
    assert loaded(table) == [(1, None)]


def test_records_that_do_not_fit_are_left_out_with_their_reason(table, place) -> None:
    body = 'id,name\n1,a\nx,b\n2\n3,c,d\n,e\n4,toolong\n5,"f"g\n99999999999,h\n6,i\n'
    place.put("1.csv", body.encode() + b"7,\xff\n")
    assert table.copy("t", place.uri, "csv ignoreheader 1 maxerror 50") == 2
    assert loaded(table) == [(1, "a"), (6, "i")]
    assert table.errors() == [
        (3, "id", 1207, "Invalid digit, Value 'x', Pos 0, Type: Integer"),
        (4, "", 1214, "Delimiter not found"),
        (5, "", 1202, "Extra column(s) found"),
        (6, "id", 1213, "Missing data for not-null field"),
        (7, "name", 1204, "String length exceeds DDL length"),
        (8, "", 1216, "Invalid quote formatting for CSV"),
        (9, "id", 1204, "Overflow, Column type: Integer"),
        (
            11,
            "name",
            1220,
            "String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: ff (error 3)",
        ),
    ]
    detail = (
        "select btrim(file_name), line_number, btrim(column_name), btrim(column_type), btrim(column_length), position, "
    )
    detail += "error_code from sys_load_error_detail where query_id = (select max(query_id) from sys_load_error_detail)"
    assert (place.uri + "1.csv", 7, "name", "varchar", "5", 2, 1204) in table.rows(detail)
    raw = "select btrim(raw_line), btrim(raw_field_value) from stl_load_errors where query = "
    raw += "(select max(query) from stl_load_errors) and line_number = 7"
    assert table.rows(raw) == [("4,toolong", "toolong")]
    history = "select loaded_rows, error_count from sys_load_history order by query_id desc limit 1"
    assert table.rows(history) == [(2, 8)]


def test_the_client_is_told_of_records_left_out(table, place) -> None:
    place.put("1.csv", "1,a\nx,b\n")
    table.run(f"copy t from '{place.uri}' iam_role default csv maxerror 10")
    assert table.notices() == [
        "Load into table 't' completed, 1 record(s) loaded successfully.",
        "Load into table 't' completed, 1 record(s) could not be loaded.  "
        "Check 'stl_load_errors' system table for details.",
    ]


@pytest.mark.parametrize(("allowed", "fails"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_load_fails_at_as_many_errors_as_maxerror_says(table, place, allowed, fails) -> None:
    place.put("1.csv", "1,a\nx,b\ny,c\n")
    if fails:
        assert table.copy_refused("t", place.uri, f"csv maxerror {allowed}") == FAILED
        assert loaded(table) == []
    else:
        assert table.copy("t", place.uri, f"csv maxerror {allowed}") == 1


def test_ignoreallerrors_never_fails(table, place) -> None:
    place.put("1.csv", "x,a\n1,b\n")
    assert table.copy("t", place.uri, "csv ignoreallerrors") == 1


def test_one_file_that_fails_loads_nothing_of_the_others(table, place) -> None:
    place.put("1.csv", "1,a\n")
    place.put("2.csv", "x,a\n")
    assert table.copy_refused("t", place.uri, "csv") == FAILED
    assert loaded(table) == []


def test_noload_checks_and_loads_nothing(table, place) -> None:
    place.put("1.csv", "1,a\n")
    table.copy("t", place.uri, "csv noload")
    place.put("2.csv", "x,a\n")
    assert table.copy_refused("t", place.uri, "csv noload") == FAILED
    assert loaded(table) == []


def test_truncatecolumns_cuts_between_characters(table, place) -> None:
    place.put("1.csv", "1,abcdüü\n")
    table.copy("t", place.uri, "csv truncatecolumns")
    assert loaded(table) == [(1, "abcd")]


def test_fillrecord_fills_short_records(table, place) -> None:
    place.put("1.csv", "1\n2,b\n")
    table.copy("t", place.uri, "csv fillrecord")
    assert loaded(table) == [(1, None), (2, "b")]


def test_ignoreblanklines_skips_them(table, place) -> None:
    place.put("1.csv", "1,a\n\n2,b\n")
    assert table.copy("t", place.uri, "csv ignoreblanklines") == 2
    assert table.copy_refused("t", place.uri, "csv") == FAILED


def test_acceptinvchars_replaces_wrong_bytes(table, place) -> None:
    place.put("1.csv", b"1,a\xffb\n")
    table.copy("t", place.uri, "csv acceptinvchars '^'")
    assert loaded(table) == [(1, "a^b")]


def test_char_takes_single_bytes_alone(client, place) -> None:
    client.run("create table t (c char(3))")
    place.put("1.csv", "abc\nab     \nü\nabcd\n")
    client.copy("t", place.uri, "csv maxerror 9")
    assert client.rows("select c from t order by c") == [("ab ",), ("abc",)]
    assert client.errors() == [
        (3, "c", 1220, "Multibyte character not supported for CHAR (Hint: try using VARCHAR). Invalid char: c3 bc"),
        (4, "c", 1204, "Char length exceeds DDL length"),
    ]


@pytest.mark.parametrize(
    ("ddl", "text", "options", "value"),
    [
        ("smallint", " 7 ", "", 7), ("bigint", "-9223372036854775808", "", -(2**63)), ("int", "+5", "", 5),
        ("decimal(5,2)", "1.239", "", Decimal("1.23")), ("decimal(5,2)", "1.235", "roundec", Decimal("1.24")),
        ("decimal(5,2)", "-1.5e1", "", Decimal("-15.00")), ("decimal(38,0)", "9" * 38, "", Decimal("9" * 38)),
        ("float8", "1e-3", "", 0.001), ("real", "0.5", "", 0.5), ("float8", "NaN", "", None),
        ("boolean", "T", "", True), ("boolean", "no", "", False), ("boolean", "1", "", True),
        ("date", "2024-02-29", "", datetime.date(2024, 2, 29)),
        ("date", "29.02.2024", "dateformat 'DD.MM.YYYY'", datetime.date(2024, 2, 29)),
        ("date", "Feb-29-2024", "dateformat 'auto'", datetime.date(2024, 2, 29)),
        ("date", "nonsense", "acceptanydate", None),
        ("timestamp", "2024-02-29 10:11:12.5", "", datetime.datetime(2024, 2, 29, 10, 11, 12, 500000)),
        ("timestamp", "2024-02-29", "", datetime.datetime(2024, 2, 29)),
        ("timestamp", "2024-02-29T10:11:12Z", "timeformat 'auto'", datetime.datetime(2024, 2, 29, 10, 11, 12)),
        ("timestamp", "02/29/2024 01:02 PM", "timeformat 'MM/DD/YYYY HH:MI AM'", datetime.datetime(2024, 2, 29, 13, 2)),
        ("timestamp", "1709200000", "timeformat 'epochsecs'", datetime.datetime(2024, 2, 29, 9, 46, 40)),
        ("timestamp", "1709200000000", "timeformat 'epochmillisecs'", datetime.datetime(2024, 2, 29, 9, 46, 40)),
        (
            "timestamptz", "2024-02-29 10:00:00+02", "",
            datetime.datetime(2024, 2, 29, 8, tzinfo=datetime.UTC),
        ),
        ("time", "10:11:12", "", datetime.time(10, 11, 12)),
        ("super", '{"a": [1]}', "delimiter '|'", '{"a":[1]}'), ("super", "plain", "", '"plain"'),
    ],
)  # fmt: skip
def test_a_text_is_read_as_its_type(client, place, ddl, text, options, value) -> None:
    client.run(f"create table t (c {ddl})")
    place.put("1.txt", f"{text}\n")
    client.copy("t", place.uri, options)
    (found,) = client.rows("select * from t")[0]
    assert str(found) == "nan" if text == "NaN" else found == value


@pytest.mark.parametrize(
    ("ddl", "text", "options", "code", "reason"),
    [
        ("smallint", "1a", "", 1207, "Invalid digit, Value 'a', Pos 1, Type: Short"),
        ("bigint", "1.5", "", 1207, "Invalid digit, Value '.', Pos 1, Type: Long"),
        ("int", "0x1F", "", 1207, "Invalid digit, Value 'x', Pos 1, Type: Integer"),
        ("smallint", "32768", "", 1204, "Overflow, Column type: Short"),
        ("decimal(5,2)", "1000", "", 1204, "Overflow for NUMERIC(5,2)"),
        ("decimal(5,2)", "1,5", "", 1207, "Invalid digit, Value ',', Pos 1, Type: Decimal"),
        ("float8", "abc", "", 1208, "Invalid digit, Value 'a', Pos 0, Type: Double"),
        ("boolean", "maybe", "", 1210, "Unknown boolean format"),
        ("date", "2024", "", 1205, "Invalid Date Format - length must be 10 or more"),
        ("date", "2024-02-30", "", 1205, "Invalid date format or value [YYYY-MM-DD]"),
        ("date", "2024-02-28", "dateformat 'DD.MM.YYYY'", 1205, "Invalid date format or value [DD.MM.YYYY]"),
        (
            "timestamp", "2024-02-29T10:00:00", "", 1206,
            "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]",
        ),
        ("timestamp", "soon", "timeformat 'auto'", 1206, "Invalid timestamp format or value [auto]"),
        ("super", '{"a": }', "", 1224, "Invalid JSON format: input data not well formed for SUPER type"),
        ("varbyte(9)", "zz", "", 1219, "UTF-8 hexadecimal contains an invalid digit"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_value_is_left_out(client, place, ddl, text, options, code, reason) -> None:
    client.run(f"create table t (c {ddl})")
    place.put("1.txt", f"{text}\n")
    client.copy("t", place.uri, f"{options} maxerror 5")
    assert client.errors() == [(1, "c", code, reason)]


def test_json_goes_by_name(table, place) -> None:
    place.put("1.json", '{"name": "a", "id": 1, "more": 9}{"id": 2}\n\n{"id":\n 3, "name": null}\n{"ID": 4, "id": 5}')
    assert table.copy("t", place.uri, "json 'auto'") == 4
    assert loaded(table) == [(1, "a"), (2, None), (3, None), (5, None)]


def test_json_auto_ignorecase_folds_names(table, place) -> None:
    place.put("1.json", '{"Name": "a", "ID": 1}')
    table.copy("t", place.uri, "format json 'auto ignorecase'")
    assert loaded(table) == [(1, "a")]


def test_json_goes_by_jsonpaths(table, place) -> None:
    paths = place.put("paths", json.dumps({"jsonpaths": ["$.key[1]", "$['a name'].x"]}))
    place.put("data/1.json", '{"key": [0, 7], "a name": {"x": "v"}}\n{"key": [0, 8]}\n')
    table.copy("t", place.uri + "data/", f"json as '{paths}'")
    assert loaded(table) == [(7, "v"), (8, None)]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"jsonpaths": ["$.a"]}', "Number of jsonpaths and the number of columns should match."),
        ('{"paths": []}', "Invalid JSONPath format: 'jsonpaths' array is not found or holds more than texts."),
        ('{"jsonpaths": ["a", "$.b"]}', "Invalid JSONPath format: a"),
    ],
)
def test_jsonpaths_that_are_off_are_refused(table, place, body, text) -> None:
    paths = place.put("paths", body)
    place.put("data/1.json", "{}")
    assert table.copy_refused("t", place.uri + "data/", f"json '{paths}'") == text


def test_json_keeps_decimals_and_nested_values(client, place) -> None:
    client.run("create table t (d decimal(20,10), n varchar(20), s super, w super)")
    place.put("1.json", '{"d": 0.1234567891, "n": {"a": [1, 2.50]}, "s": {"b": "x"}, "w": "word"}')
    client.copy("t", place.uri, "json 'auto'")
    assert client.rows("select * from t") == [(Decimal("0.1234567891"), '{"a":[1,2.5]}', '{"b":"x"}', '"word"')]


def test_json_noshred_puts_the_whole_object_into_super(client, place) -> None:
    client.run("create table t (s super)")
    place.put("1.json", '{"a": 1}{"b": 2}')
    client.copy("t", place.uri, "json 'noshred'")
    assert client.rows("select * from t order by 1") == [('{"a":1}',), ('{"b":2}',)]


def test_json_that_is_wrong_is_left_out_and_the_next_is_taken(table, place) -> None:
    place.put("1.json", '{"id": 1}\n{nope}\n7\n{"id": 2}\n{"id": 3')
    assert table.copy("t", place.uri, "json 'auto' maxerror 9") == 2
    reasons = [(line, code) for line, _, code, _ in table.errors()]
    assert reasons == [(2, 1216), (3, 1216), (5, 1216)]


def test_keys_of_the_statement_are_used(table, place, moto_server) -> None:
    place.put("1.csv", "1,a\n")
    table.run(f"copy t from '{place.uri}' credentials 'aws_access_key_id=a;aws_secret_access_key=b;token=c' csv")
    table.run(f"copy t from '{place.uri}' access_key_id 'a' secret_access_key 'b' session_token 'c' csv")
    assert len(loaded(table)) == 2


@pytest.mark.parametrize(
    ("clauses", "text"),
    [
        ("csv", "No authorization was given for COPY: name an IAM_ROLE or CREDENTIALS."),
        (
            "iam_role 'arn:aws:iam::1:role/x' csv",
            "The IAM role is not valid. Must be of the format: arn:aws:iam::<account id>:role/<role name>",
        ),
        ("access_key_id 'a' csv", "Must provide both ACCESS_KEY_ID and SECRET_ACCESS_KEY."),
        ("iam_role default csv json 'auto'", "JSON option is not compatible with CSV"),
        ("iam_role default delimiter '||'", "COPY delimiter must be a single character"),
        ("iam_role default csv maxerror 100001", "MAXERROR must be between 0 and 100000"),
        ("iam_role default csv nonsense", 'syntax error at or near "nonsense"'),
        ("iam_role default csv ignoreheader", "syntax error at end of input"),
        (
            "iam_role default json 'autos'",
            "JSON format option 'autos' is not valid: auto, auto ignorecase, noshred or s3://",
        ),
    ],
)
def test_a_statement_that_is_off_is_refused(table, place, clauses, text) -> None:
    place.put("1.csv", "1,a\n")
    assert table.refused(f"copy t from '{place.uri}' {clauses}")["M"] == text
