from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from cloud_etl.errors import ConfigError


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def one(read, column, text):
    quoted = '"' + text.replace('"', '""') + '"'
    result = read(f"v,k\n{quoted},x\n".encode(), {"v": column, "k": {"type": "string"}})
    if result.rejects:
        (reject,) = result.rejects
        assert reject["column"] == "v"
        return reject["code"]
    return result.rows[0]["v"]


CASES = [
    ({"type": "integer"}, {"12": 12, "-0": 0, "+5": 5, "007": 7, "2147483647": 2147483647}),
    (
        {"type": "integer"},
        dict.fromkeys(["1.5", "1e2", "1_000", "0x1F", " 12 ", "12 ", "1.", "", "twelve", "\u0661"], "bad_integer")
        | {"": None, "2147483648": "out_of_range", "-2147483649": "out_of_range"},
    ),
    ({"type": "bigint"}, {"9223372036854775807": 9223372036854775807, "9223372036854775808": "out_of_range"}),
    (
        {"type": "decimal(5,2)"},
        {
            "1": Decimal(1),
            "1.2": Decimal("1.2"),
            "-999.99": Decimal("-999.99"),
            ".5": Decimal("0.5"),
            "1.2300": Decimal("1.23"),
            "+1.": Decimal(1),
            "1.239": "decimal_scale",
            "1000": "out_of_range",
            "1e2": "bad_decimal",
            "1_0": "bad_decimal",
            " 1": "bad_decimal",
            "1,5": "bad_decimal",
            "NaN": "bad_decimal",
            ".": "bad_decimal",
            "0.001": "decimal_scale",
            "-": "bad_decimal",
        },
    ),
    (
        {"type": "decimal(38,10)"},
        {"1234567890123456789012345678.0123456789": Decimal("1234567890123456789012345678.0123456789")},
    ),
    ({"type": "decimal(4,0)"}, {"12": Decimal(12), "12.0": Decimal(12), "-.0": Decimal(0), ".5": "decimal_scale"}),
    (
        {"type": "double"},
        {
            "1.5": 1.5,
            "1e3": 1000.0,
            "-.5E-3": -0.0005,
            "inf": float("inf"),
            "-Infinity": float("-inf"),
            "0": 0.0,
            "0e5": 0.0,
            "1e400": "out_of_range",
            "1e-400": "out_of_range",
            "1_0": "bad_double",
            " 1": "bad_double",
            "1d": "bad_double",
            "0x1p3": "bad_double",
            "1,5": "bad_double",
            "infinite": "bad_double",
        },
    ),
    (
        {"type": "boolean"},
        {
            "true": True,
            "T": True,
            "1": True,
            "YES": True,
            "y": True,
            "false": False,
            "f": False,
            "0": False,
            "No": False,
            "n": False,
            "on": "bad_boolean",
            "2": "bad_boolean",
            " true": "bad_boolean",
        },
    ),
    (
        {"type": "date"},
        {"2024-02-29": date(2024, 2, 29)}
        | dict.fromkeys(
            [
                "2023-02-29",
                "2024-1-5",
                "20240105",
                "2024-01-05 10:00:00",
                "infinity",
                "epoch",
                "12024-01-05",
                "0000-01-01",
                "2024-01-05 (BC)",
                "2024/01/05",
                " 2024-01-05",
            ],
            "bad_date",
        ),
    ),
    (
        {"type": "date", "format": "%d/%m/%Y"},
        {"05/01/2024": date(2024, 1, 5), "5/1/2024": "bad_date", "005/01/2024": "bad_date"}
        | dict.fromkeys(["31/02/2024", "infinity", "05/01/24", "05/01/2024 ", "2024-01-05", "01/13/2024"], "bad_date"),
    ),
    (
        {"type": "date", "format": "%-d.%-m.%Y"},
        {"5.1.2024": date(2024, 1, 5), "15.12.2024": date(2024, 12, 15), "05.1.2024": "bad_date"},
    ),
    ({"type": "date", "format": "%d.%m.%y"}, {"01.01.69": date(1969, 1, 1), "01.01.68": date(2068, 1, 1)}),
    ({"type": "date", "format": "%d-%b-%Y"}, {"05-Jan-2024": date(2024, 1, 5), "05-Foo-2024": "bad_date"}),
    (
        {"type": "timestamp"},
        {
            "2024-01-05 10:00:00": utc(2024, 1, 5, 10),
            "2024-01-05T10:00:00Z": utc(2024, 1, 5, 10),
            "2024-01-05T10:00:00+02:00": utc(2024, 1, 5, 8),
            "2024-01-05 10:00:00-0530": utc(2024, 1, 5, 15, 30),
            "2024-01-05T10:00:00.123456": utc(2024, 1, 5, 10, 0, 0, 123456),
            "2024-01-05T10:00:00.123456000Z": utc(2024, 1, 5, 10, 0, 0, 123456),
        }
        | dict.fromkeys(
            [
                "2024-01-05",
                "2024-01-05 10:00:00.1234567",
                "2024-01-05 24:00:00",
                "2024-01-05 10:00:60",
                "infinity",
                "epoch",
                "2024-13-05 10:00:00",
                "2024-01-05 10:00:00 PST",
                "20240105T100000",
                " 2024-01-05 10:00:00",
            ],
            "bad_timestamp",
        ),
    ),
    (
        {"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"},
        {"2024-01-05 10:00:00": utc(2024, 1, 5, 10), "2024-1-5 9:00:00": "bad_timestamp"}
        | dict.fromkeys(
            [
                "2024-01-05T10:00:00",
                "2024-01-05 10:00:00.5",
                "2024-01-05 10:00+02",
                "2024-01-05",
                "infinity",
                "2024-01-05 24:00:00",
            ],
            "bad_timestamp",
        ),
    ),
    (
        {"type": "timestamp", "format": "%d.%m.%Y %H:%M %z"},
        {"05.01.2024 10:00 +0200": utc(2024, 1, 5, 8)}
        | dict.fromkeys([f"05.01.2024 10:00 {offset}" for offset in ("+99", "+24:00", "+02:75")], "bad_timestamp"),
    ),
    (
        {"type": "timestamp", "format": "%Y%m%d%H%M%S%z"},
        {
            "20240105100000+0200": utc(2024, 1, 5, 8),
            "20240105100000Z": utc(2024, 1, 5, 10),
            "2024015100000+0200": "bad_timestamp",
            "20240105100000z": "bad_timestamp",
        },
    ),
    (
        {"type": "timestamp"},
        {
            "9999-12-31 23:59:59-02": "bad_timestamp",
            "0001-01-01 00:00:00+02": "bad_timestamp",
            "9999-12-31 23:59:59+02": utc(9999, 12, 31, 21, 59, 59),
            "2024-01-05 10:00:00+14:00": utc(2024, 1, 4, 20),
        }
        | dict.fromkeys([f"2024-01-05 10:00:00{offset}" for offset in ("+99", "+24:00", "+02:75")], "bad_timestamp"),
    ),
    ({"type": "timestamp", "zone": "America/New_York"}, {"9999-12-31 23:59:59": "out_of_range"}),
    ({"type": "timestamp", "zone": "Europe/Berlin"}, {"0001-01-01 00:00:00": "out_of_range"}),
    ({"type": "date", "format": "%Y-%j"}, {"2024-366": date(2024, 12, 31), "2023-366": "bad_date"}),
    (
        {"type": "date", "format": "%a %Y-%m-%d"},
        {"Fri 2024-01-05": date(2024, 1, 5), "Mon 2024-01-05": "bad_date"},
    ),
    ({"type": "date", "format": "%Y%m%d"}, {"20240105": date(2024, 1, 5), "2024105": "bad_date"}),
    (
        {"type": "date", "format": "%Y-%m-%d %H:%M"},
        {"2024-01-05 00:00": date(2024, 1, 5), "2024-01-05 10:00": "bad_date"},
    ),
    (
        {"type": "timestamp", "zone": "Europe/Berlin"},
        {
            "2024-07-01 12:00:00": utc(2024, 7, 1, 10),
            "2024-07-01 12:00:00Z": utc(2024, 7, 1, 12),
            "2024-03-31 02:30:00": "nonexistent_time",
            "2024-10-27 02:30:00": utc(2024, 10, 27, 1, 30),
        },
    ),
    (
        {"type": "timestamp", "zone": "Europe/Berlin", "format": "%d.%m.%Y %H:%M"},
        {
            "01.07.2024 12:00": utc(2024, 7, 1, 10),
            "31.03.2024 02:30": "nonexistent_time",
            "31.03.2024": "bad_timestamp",
        },
    ),
    (
        {"type": "json"},
        {
            '{"a": [1, 2.50]}': '{"a": [1, 2.50]}',
            "12": "12",
            "{a:1}": "bad_json",
            "NaN": "bad_json",
            "[1,]": "bad_json",
            r'{"a": "\ud83d\ude00"}': r'{"a": "\ud83d\ude00"}',
            r'{"a": "\ud83d"}': "bad_json",
        },
    ),
    ({"type": "string"}, {"": "", " x ": " x ", "NULL": "NULL"}),
]


@pytest.mark.parametrize(
    ("column", "text", "wanted"),
    [
        pytest.param(column, text, wanted, id=f"{column['type']}-{number}-{text}")
        for number, (column, cases) in enumerate(CASES)
        for text, wanted in cases.items()
    ],
)
def test_a_text_becomes_its_value_or_a_reject(read, column, text, wanted):
    assert one(read, column, text) == wanted


def test_nan_is_a_double(read):
    value = one(read, {"type": "double"}, "NaN")
    assert value != value


def test_every_cast_is_also_right_beside_clean_and_suspicious_neighbours(read):
    schema = {"v": {"type": "decimal(6,2)"}}
    result = read(b"v\n1.25\n1e2\n3.999\n-0.50\n1_0\n7\n", schema)
    assert [row["v"] for row in result.rows] == [Decimal("1.25"), Decimal("-0.50"), Decimal(7)]
    assert [code for _, code in result.codes] == ["bad_decimal", "decimal_scale", "bad_decimal"]


def test_required_and_default(read):
    schema = {
        "a": {"type": "integer", "required": True},
        "b": {"type": "integer", "default": 5},
        "c": {"type": "boolean", "required": True, "default": True},
        "d": {"type": "timestamp", "default": "2024-01-05 10:00:00"},
        "e": {"type": "string", "required": True},
    }
    result = read(b'a,b,c,d,e\n1,,,,x\n,2,,,\n3,4,no,2025-01-01 00:00:00,""\n', schema)
    assert result.values == [
        (1, 5, True, utc(2024, 1, 5, 10), "x"),
        (3, 4, False, utc(2025, 1, 1), ""),
    ]
    (reject,) = result.rejects
    assert (reject["code"], reject["column"]) == ("missing_value", "a")
    assert reject["message"] == "a is required and has no value; e is required and has no value"


def test_a_default_does_not_hide_a_wrong_value(read):
    assert read(b"a\nx\n", {"a": {"type": "integer", "default": 5}}).codes == [(2, "bad_integer")]


def test_a_default_that_does_not_fit_its_type_stops_the_run(read):
    with pytest.raises(ConfigError, match="default 'x' is not integer"):
        read(b"a\n1\n", {"a": {"type": "integer", "default": "x"}})


def test_all_faulty_columns_are_named_and_the_first_gives_the_code(read):
    schema = {"a": {"type": "integer"}, "b": {"type": "date"}, "c": {"type": "string"}}
    (reject,) = read(b"a,b,c\nx,y,z\n", schema).rejects
    assert (reject["code"], reject["column"]) == ("bad_integer", "a")
    assert "bad_date" in reject["message"]
