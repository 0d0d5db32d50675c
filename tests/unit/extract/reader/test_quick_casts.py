"""Columns of text cast in one go: never another value than the careful cast of each text gives."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.domain.spec import ColumnSpec
from cloud_etl.extract.reader.quick import quick_cast_of
from cloud_etl.extract.reader.typed_column import TypedColumn

SETTINGS = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
CONTRACTS = [
    {"type": "integer"}, {"type": "bigint"}, {"type": "decimal(5,2)"}, {"type": "decimal(4,4)"},
    {"type": "decimal(38,10)"}, {"type": "double"}, {"type": "boolean"}, {"type": "date"},
    {"type": "date", "format": "%Y-%m-%d"}, {"type": "date", "format": "%d.%m.%Y"}, {"type": "timestamp"},
    {"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"}, {"type": "timestamp", "zone": "Europe/Berlin"},
]  # fmt: skip
numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=True, places=3, min_value=-1000, max_value=1000).map(str),
    st.floats().map(repr),
    st.text(alphabet="0129.-+eExX_ n", max_size=7),
    st.text(alphabet="0123456789", max_size=25),
)
days = st.one_of(
    st.dates().map(str),
    st.builds("{:04}-{:02}-{:02}".format, st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32)),
    st.sampled_from(["1900-02-29", "2000-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2024-1-05", "01.02.2024"]),
)
clocks = st.one_of(
    st.times().map(lambda time: str(time.replace(microsecond=0))),
    st.builds("{:02}:{:02}:{:02}".format, st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)),
    st.sampled_from(["02:30:00", "10:00+01:00", "10:00:00Z", "10:00:0a", "10:00   ", "24:00:00"]),
)
moments = st.builds("{}{}{}".format, days, st.sampled_from([" ", "T", "t", "  "]), clocks)
words = st.sampled_from(["true", "F", "yes", "n", "1", "0", "on", "é", "\0", "three", ""])
plain = st.one_of(
    st.integers(0, 99).map(str), st.dates().map(str), st.datetimes().map(lambda at: str(at.replace(microsecond=0)))
)
texts = st.lists(st.one_of(st.none(), numbers, days, moments, words, plain), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def column_of(contract, connection) -> TypedColumn:
    def query(sql: str, table: pa.Table) -> pa.Table:
        connection.register("texts", table)
        try:
            return connection.sql(sql).to_arrow_table()
        finally:
            connection.unregister("texts")

    column = TypedColumn.of(ColumnSpec.model_validate(contract), query)
    assert column is not None
    return column


def chunked(values, cuts) -> pa.ChunkedArray:
    whole = pa.array(values, pa.string())
    edges = sorted({0, *(cut % (len(values) + 1) for cut in cuts), len(values)})
    return pa.chunked_array([whole.slice(start, end - start) for start, end in pairwise(edges)], pa.string())


def as_text(values: pa.ChunkedArray) -> list[str | None]:
    return [None if value is None else str(value) for value in values.cast(pa.string()).to_pylist()]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: "-".join(map(str, contract.values())))
@given(values=texts, cuts=st.lists(st.integers(0, 30), max_size=3), copies=st.sampled_from([1, 1, 1000]))
@SETTINGS
def test_a_column_has_the_values_of_the_careful_cast_however_it_is_cut(contract, connection, values, cuts, copies):
    column = column_of(contract, connection)
    given_texts = chunked(values * copies, cuts)
    careful = column.verdicts.values(given_texts)
    for _ in range(2):
        found = column.values(given_texts)
        assert found.type == careful.type
        assert as_text(found) == as_text(careful)
        # What is known of texts without a value must not change the second answer.
        column.verdicts.codes([text for text, value in zip(values, careful.to_pylist(), strict=False)
                               if text is not None and value is None])  # fmt: skip


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: "-".join(map(str, contract.values())))
@given(values=texts, cuts=st.lists(st.integers(0, 30), max_size=3))
@SETTINGS
def test_what_is_cast_in_one_go_is_what_the_careful_cast_makes_of_it(contract, connection, values, cuts):
    quick = quick_cast_of(ColumnSpec.model_validate(contract))
    if quick is None:
        return
    for each in (values, *([value] for value in values)):
        column = chunked(each, cuts)
        careful = as_text(column_of(contract, connection).verdicts.values(column))
        whole, proven = quick.whole(column), quick.proven(column)
        assert whole is None or as_text(whole) == careful
        assert proven is None or all(one in (None, other) for one, other in zip(as_text(proven), careful, strict=True))


@pytest.mark.parametrize("type_", ["decimal(3,0)", "decimal(5,4)", "decimal(12,2)", "decimal(38,9)", "decimal(38,37)"])
def test_a_decimal_is_the_same_however_many_zeros_it_is_written_with(connection, type_):
    column = column_of({"type": type_}, connection)
    zeros = ["0" * count for count in range(90)]
    values = [f"{sign}{number}.{more}" for sign in ("", "-") for number in (0, 1, 7) for more in zeros]
    values += [f"{more}{number}" for number in ("3", "4.", "5.0") for more in zeros]
    wanted = [Decimal(value) for value in values]
    assert column.verdicts.values(chunked(values, [])).to_pylist() == wanted
    assert [column.values(chunked([value], [])).to_pylist() for value in values] == [[value] for value in wanted]


def test_values_stay_in_their_rows_whatever_order_the_answer_has(connection):
    def shuffled(sql: str, table: pa.Table) -> pa.Table:
        connection.register("texts", table)
        try:
            return connection.sql(f"SELECT * FROM ({sql}) ORDER BY hash(n)").to_arrow_table()
        finally:
            connection.unregister("texts")

    column = TypedColumn.of(ColumnSpec.model_validate({"type": "boolean"}), shuffled)
    assert column is not None
    values = ["true", None, "maybe", "false"] * 50
    assert column.values(chunked(values, [1, 70])).to_pylist() == [True, None, None, False] * 50


@pytest.mark.parametrize(
    ("contract", "text"),
    [
        ({"type": "integer"}, "-123456789"), ({"type": "bigint"}, "123456789012345678"),
        ({"type": "decimal(12,2)"}, "-1234567890.12"), ({"type": "double"}, "-1.5"), ({"type": "date"}, "2024-02-29"),
        ({"type": "timestamp"}, "2024-02-29T23:59:59"),
        ({"type": "timestamp", "format": "%Y-%m-%d %H:%M:%S"}, "2024-02-29 23:59:59"),
    ],
)  # fmt: skip
def test_plain_texts_are_cast_in_one_go_beside_dirt(contract, text):
    quick = quick_cast_of(ColumnSpec.model_validate(contract))
    assert quick is not None
    assert quick.whole(chunked([text, None], [])).null_count == 1
    assert quick.proven(chunked([text, "dirt", "", None], [1])).is_valid().to_pylist() == [True, False, False, False]
