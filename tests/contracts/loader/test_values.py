"""Values and names arrive exactly as they were published."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.domain.spec import LoadSpec
from cloud_etl.load.dialect import quote

SPEC = LoadSpec(table="shop.sales")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("string", ["", " ", "a\nb", 'q"q', "'", "\u00e9\U0001f600", "NULL", "x" * 65_535, "\u20ac" * 21_845, None]),
        ("integer", [-(2**31), 2**31 - 1, 0, None]),
        ("bigint", [-(2**63), 2**63 - 1, 2**53 + 1, None]),
        ("double", [0.1, -1.5e308, 5e-324, None]),
        ("decimal(38,10)", [Decimal("-9999999999999999999999999999.9999999999"), Decimal("0.0000000001"), None]),
        ("decimal(5,4)", [Decimal("9.9999"), Decimal("-0.0001"), None]),
        ("boolean", [True, False, None]),
        ("date", [date(1, 1, 1), date(9999, 12, 31), None]),
        ("json", ['{"a": [1, 2.50]}', "[]", '"x"', None]),
    ],
)
def test_values_are_exact(bench, make_schema, kind, values):
    rows = [(number, value) for number, value in enumerate(values)]
    bench.load_rows(SPEC, make_schema(n="integer", v=kind), rows, files=2)
    stored = bench.rows("SELECT n, v FROM shop.sales ORDER BY n")
    if kind == "json":
        # The blanks between its tokens are no part of a value.
        stored, rows = ([(n, v and json.loads(v, parse_float=str)) for n, v in some] for some in (stored, rows))
    assert stored == rows


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_timestamps_are_stored_in_utc_whatever_the_zone_of_the_machine(bench, make_schema, monkeypatch, zone):
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    moments = [
        datetime(1, 1, 1, microsecond=1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2024, 3, 10, 7, 30, 0, 123456, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    try:
        bench.load_rows(SPEC, make_schema(v="timestamp"), [(moment,) for moment in [*moments, None]])
        stored = bench.rows("SELECT v FROM shop.sales ORDER BY v NULLS LAST")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert stored == [*((moment.replace(tzinfo=None),) for moment in moments), (None,)]


def test_folder_names_never_become_values(bench, make_schema):
    bench.load_rows(SPEC, make_schema(region="string"), [("a/b",), ("",), (None,)], files=3)
    assert bench.rows("SELECT region FROM shop.sales ORDER BY region NULLS LAST") == [("",), ("a/b",), (None,)]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_name_survives(new_bench, make_schema, data):
    bench = new_bench()
    # A dot parts schema and table.
    schema, table = (data.draw(bench.warehouse.names).replace(".", "_") for _ in range(2))
    names = data.draw(st.lists(bench.warehouse.names, min_size=2, max_size=4, unique_by=str.lower))
    spec = LoadSpec(table=f"{schema}.{table}", mode="upsert", keys=(names[0],))
    columns = make_schema(**dict.fromkeys(names, "string"))
    for value in ("a", "b"):
        bench.load_rows(spec, columns, [("k", *[value] * (len(names) - 1))])
    with bench.warehouse.loader() as loader:
        assert loader.schema_of(spec.table).names == bench.warehouse.stored(names)
        assert loader.ddl(spec, columns) == ()
    assert bench.rows(f"SELECT * FROM {quote(schema)}.{quote(table)}") == [("k", *["b"] * (len(names) - 1))]
