"""Integer arithmetic is rewritten where it could wrap around, and nowhere else."""

from __future__ import annotations

import pytest

from cloud_etl.transform.integers import _rewritten


def rewritten(expression: str, **kinds: str) -> str | None:
    return _rewritten(expression, lambda texts: [kinds.get(text.replace(" ", ""), "int") for text in texts])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", "CAST(CAST(a AS BIGINT) + CAST(b AS BIGINT) AS INT)"),
        (
            "a * b - 1",
            "CAST(CAST(CAST(CAST(a AS BIGINT) * CAST(b AS BIGINT) AS INT) AS BIGINT) - CAST(1 AS BIGINT) AS INT)",
        ),
        ("abs(a + 1) / 2", "ABS(CAST(CAST(a AS BIGINT) + CAST(1 AS BIGINT) AS INT)) / 2"),
    ],
)
def test_sums_differences_and_products_are_computed_wider(expression, expected):
    assert rewritten(expression) == expected


def test_bigints_are_computed_as_decimals():
    found = _rewritten("a * b", lambda texts: ["bigint"] * len(texts))
    assert found == "CAST(CAST(a AS DECIMAL(19, 0)) * CAST(b AS DECIMAL(19, 0)) AS BIGINT)"


@pytest.mark.parametrize("expression", ["upper(name)", "a / b", "a % b", "-a", "'a + b'", "a +", "count(*)"])
def test_what_cannot_wrap_around_is_left_alone(expression):
    assert rewritten(expression) is None


def test_decimals_and_doubles_are_left_alone():
    assert _rewritten("a * b", lambda texts: ["decimal(14,2)"] * len(texts)) is None


def test_only_the_integer_part_of_an_expression_is_rewritten():
    kinds = {"(a+b)*price": "decimal(20,2)"}
    assert rewritten("(a + b) * price", **kinds) == "(CAST(CAST(a AS BIGINT) + CAST(b AS BIGINT) AS INT)) * price"


def test_text_that_the_parser_would_change_is_left_alone():
    assert rewritten("timestampadd(MINUTE, a + b, t)") is None
