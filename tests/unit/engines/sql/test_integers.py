"""Arithmetic is rewritten where Sail would give something else than Spark, and nowhere else."""

from __future__ import annotations

import pytest

from cloud_etl.engines.sql.integers import rewritten as rewritten_of
from cloud_etl.engines.sql.spark_sql import expression_tree, query_tree, sql_of
from cloud_etl.errors import ConfigError


def rewritten(expression: str, default: str | None = "int", **kinds: str | None) -> str | None:
    def type_of(node):
        return kinds.get(sql_of(node).replace(" ", ""), default)

    [made] = rewritten_of([expression], type_of, "derive.x")
    return None if made == expression else made


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", "CAST(CAST(a AS BIGINT) + CAST(b AS BIGINT) AS INT)"),
        (
            "a * b - 1",
            "CAST(CAST(CAST(CAST(a AS BIGINT) * CAST(b AS BIGINT) AS INT) AS BIGINT) - CAST(1 AS BIGINT) AS INT)",
        ),
        ("abs(a + 1) / 2", "abs(CAST(CAST(a AS BIGINT) + CAST(1 AS BIGINT) AS INT)) / 2"),
        ("nvl(a, 0) + 1", "CAST(CAST(coalesce(a, 0) AS BIGINT) + CAST(1 AS BIGINT) AS INT)"),
        ("a::int + 1", "CAST(CAST(CAST(a AS INT) AS BIGINT) + CAST(1 AS BIGINT) AS INT)"),
        ("sum(a) filter (where a > 0)", "CAST(sum(CAST(a AS DECIMAL(38, 0))) FILTER(WHERE a > 0) AS BIGINT)"),
        ("sum(distinct a) over (partition by b)",
         "CAST(sum(DISTINCT CAST(a AS DECIMAL(38, 0))) OVER (PARTITION BY b) AS BIGINT)"),
    ],
)  # fmt: skip
def test_sums_differences_and_products_are_computed_wider(expression, expected):
    assert rewritten(expression) == expected


def test_bigints_are_computed_as_decimals():
    assert rewritten("a * b", "bigint") == "CAST(CAST(a AS DECIMAL(19, 0)) * CAST(b AS DECIMAL(19, 0)) AS BIGINT)"


@pytest.mark.parametrize(
    "expression", ["upper(name)", "a / b", "a % b", "-a", "'a + b'", "count(*)", "d + interval 1 day"]
)
def test_what_cannot_wrap_around_is_left_alone(expression):
    assert rewritten(expression) is None


def test_doubles_are_left_alone():
    assert rewritten("a * b", "double") is None


@pytest.mark.parametrize("expression", ["transform(l, v -> v + 1)", "a + b", "array(1, 2)[0] + 1"])
def test_arithmetic_whose_types_cannot_be_told_is_refused(expression):
    with pytest.raises(ConfigError, match=r"derive\.x: .* cannot be checked for integer overflow"):
        rewritten(expression, None)


def test_a_cast_to_double_says_enough_where_types_cannot_be_told():
    assert rewritten("transform(l, v -> v + cast(1 as double))", None) is None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("p / q", "CAST(round(CAST(p AS DECIMAL(22, 12)) / q, 15) AS DECIMAL(27, 15))"),
        ("p / 3", "CAST(round(CAST(p AS DECIMAL(13, 3)) / 3, 6) AS DECIMAL(16, 6))"),
        ("p * 100", "CAST(p * 100 AS DECIMAL(16, 2))"),
        ("round(p)", "CAST(round(p) AS DECIMAL(11, 0))"),
        ("avg(p)", "CAST(round(avg(CAST(p AS DECIMAL(13, 3))), 6) AS DECIMAL(16, 6))"),
    ],
)
def test_decimals_have_the_type_and_the_rounding_that_spark_gives_them(expression, expected):
    assert rewritten(expression, "decimal(12,2)", **{"3": "int", "100": "int", "p*100": "decimal(23,2)"}) == expected


@pytest.mark.parametrize("expression", ["hypot(a, b)", "to_json(a)", "datediff(month, a, b)", "conv(a, 10, 16)"])
def test_what_has_no_form_that_gives_the_same_is_refused(expression):
    with pytest.raises(ConfigError, match=r"derive\.x: .* same on sail and spark"):
        rewritten(expression)


@pytest.mark.parametrize("text", ["a != b", "date '2024-01-01'", "1L + 2.5D", "nvl(a, 0)", "datediff(day, a, b)"])
def test_sugar_may_come_back_in_plain_words(text):
    assert expression_tree(text) is not None


def test_text_that_would_come_back_with_another_meaning_is_not_taken():
    assert expression_tree("array(1, 2)[0]") is None
    assert query_tree("delete from input") is None


@pytest.mark.parametrize("order", ["b nulls first", "b asc nulls last", "b desc nulls first", "b desc nulls last"])
@pytest.mark.parametrize("frame", ["", " rows 1 preceding", " rows between 1 preceding and 1 following"])
def test_orders_and_frames_are_read(order, frame):
    expression = f"sum(a) over (order by {order}{frame})"
    tree = expression_tree(expression)
    assert tree is not None
    default = {"b nulls first": "b", "b desc nulls last": "b DESC"}
    assert f"ORDER BY {default.get(order, order)}".upper() in sql_of(tree).upper()
