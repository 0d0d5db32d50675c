"""Expressions and queries read their rows and nothing else, however it is written."""

from __future__ import annotations

import pytest

from cloud_etl.engines.sql.outside import outside

FILE = "text.`/etc/passwd`"


@pytest.mark.parametrize("source", [
    FILE, "csv.`data.csv`", "`parquet`.`/x`", "TEXT . `/x`", "delta.`s3://b/x`", "binaryFile.`/x`", "json.x",
    "spark_catalog.default.sales", "sales", "read_files('/x')", "read_files(path => '/x')", "identifier('text.`/x`')",
    "identifier('te' || 'xt.`/x`')", f"({FILE})", f"{FILE} version as of 1", f"lateral {FILE}",
    f"/* a hint */ {FILE}", f"(select * from {FILE})", f"(table {FILE})",
])  # fmt: skip
def test_no_file_no_table_and_no_table_function(source):
    for query in (
        f"select * from {source}", f"select * from input, {source}", f"select * from input left join {source} on true",
        f"select 1 from input where exists (select 1 from {source})",
        f"select (select max(x) from {source}) from input",
        f"with text as (select * from {source}) select * from text",
        f"select 1 from input union all select 1 from {source}",
        f"with a as (select 1 from input) select * from a where x in (select 1 from {source})",
    ):  # fmt: skip
        assert outside(query, query=True) is not None, query
    for expression in (
        f"(select max(x) from {source})",
        f"x in (select 1 from {source})",
        f"exists (select 1 from {source})",
    ):
        assert outside(f"a > 1 and {expression} is not null", query=False) is not None, expression


@pytest.mark.parametrize("query", [
    f"table {FILE}", f"from {FILE} select *", f"from {FILE} |> where true",
        f"select * from (from {FILE} |> where true)",
    "select transform(a) using 'cat /etc/passwd' from input", "map a using 'id' from input",
    "select reflect('java.lang.System', 'getenv', 'HOME') from input", "select `try_reflect` ('a', 'b') from input",
    "select java_method('a', 'b') from input", f"select 1 from input) union (select * from {FILE}",
    f"select 1 /* /* */ , (select max(value) from {FILE}) /* */ -- */ from input", "select 'a from input",
])  # fmt: skip
def test_no_other_way_in(query):
    assert outside(query, query=True) is not None


@pytest.mark.parametrize(
    "expression", ["reflect('a', 'b')", f"(table {FILE})", f"(from {FILE} |> aggregate max(value))"]
)
def test_no_other_way_in_for_expressions(expression):
    assert outside(expression, query=False) is not None


@pytest.mark.parametrize("query", [
    "select * from input", "select t.`a/b`, input.c from INPUT t join input using (c)",
        "select * from `input` -- text.`x`",
    "with a as (select * from input), b as (select * from a) select * from b union select 1 from (select 2 from A)",
    "select * from input, explode(array(1))", "select * from input lateral view explode(l) x as y",
        "select * from range(3)",
    "select * from input, lateral (select input.a + 1)", "select * from values (1) t(x)", "from input select a",
    "select extract(year from d), trim(both 'x' from y), transform(l, v -> v + 1), 'from text.`x`' from input",
    "select a from input qualify row_number() over (order by a) = 1",
        "select * from input pivot (sum(x) for y in (1, 2))",
])  # fmt: skip
def test_what_reads_the_rows_alone_is_let_through(query):
    assert outside(query, query=True) is None


@pytest.mark.parametrize("expression", [
    "a + b", "t.`odd name.x` = 'csv.`x`'", "extract(year from d)", "sum(x) over (partition by a)", "reflect",
    "transform(l, v -> v.a.b)", "(select max(id) from range(3)) = a",
])  # fmt: skip
def test_expressions_without_a_table_are_let_through(expression):
    assert outside(expression, query=False) is None
