import pytest

from cloud_etl.pipeline.expressions import columns_named, is_aggregate


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("cast(quantity * unit_price as decimal(14,2))", ("quantity", "unit_price")),
        ("transform(items, i -> i.price * q)", ("items", "q")),
        ("a.b.c", ("a",)),
        ("`odd name` > 1", ("odd name",)),
        ("current_date() - interval 1 day", ()),
        ("localtimestamp", ()),
        ("date_diff(MINUTE, a, b)", ("a", "b")),
        ("count(*) filter (where x > 1)", ("x",)),
        ("sum(a) over (partition by b order by c)", ("a", "b", "c")),
        ("a in (select b from t)", ()),
        ("x rlike '^a' and y <=> z", ("x", "y", "z")),
        ("Amount", ("Amount",)),
    ],
)
def test_the_columns_of_an_expression_are_told(expression, columns):
    assert columns_named(expression) == columns


@pytest.mark.parametrize(
    "expression", ["a b", "select 1", "a; drop table x", "1 +", "sum(a", "a)", "", "'abc", "`x", "a as b"]
)
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(ValueError, match="is no Spark SQL expression"):
        columns_named(expression)


@pytest.mark.parametrize(
    ("expression", "folds"),
    [
        ("count(*)", True),
        ("sum(a) / count(b)", True),
        ("max_by(a, b)", True),
        ("my_function(a)", True),
        ("a + 1", False),
        ("upper(a)", False),
    ],
)
def test_aggregates_are_told_from_other_expressions(expression, folds):
    assert is_aggregate(expression) is folds
