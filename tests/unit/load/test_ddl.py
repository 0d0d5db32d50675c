from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_etl.domain.schema import ColumnType, Schema
from cloud_etl.domain.spec import LoadSpec
from cloud_etl.errors import TargetError
from cloud_etl.load.ddl import common_type, plan_table
from cloud_etl.load.dialect import qualified, quote
from cloud_etl.load.duckdb.catalog import DIALECT

PLAIN = ["string", "integer", "bigint", "double", "boolean", "date", "timestamp", "json"]
DECIMALS = st.integers(1, 38).flatmap(
    lambda precision: st.builds(ColumnType, st.just("decimal"), st.just(precision), st.integers(0, precision))
)
TYPES = st.sampled_from(PLAIN).map(ColumnType.parse) | DECIMALS
RANGES = {"integer": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1)}


def edges(type_: ColumnType) -> list[Fraction]:
    """The smallest, the largest and the finest number of a type."""
    if type_.kind == "decimal":
        unit = Fraction(1, 10**type_.scale)
        return [-(10**type_.precision - 1) * unit, (10**type_.precision - 1) * unit, unit]
    return [Fraction(edge) for edge in RANGES[type_.kind]]


def holds(type_: ColumnType, value: Fraction) -> bool:
    if type_.kind == "double":
        return Fraction(float(value)) == value
    if type_.kind == "decimal":
        whole = value * 10**type_.scale
        return whole.denominator == 1 and abs(whole) < 10**type_.precision
    return RANGES[type_.kind][0] <= value <= RANGES[type_.kind][1] and value.denominator == 1


@given(TYPES, TYPES)
def test_common_types_do_not_depend_on_the_order(left, right):
    assert common_type(left, right) == common_type(right, left)


@given(TYPES, TYPES)
def test_a_common_type_takes_both_again_without_growing(left, right):
    common = common_type(left, right)
    if common is not None:
        assert common_type(common, left) == common
        assert common_type(common, right) == common


@given(TYPES)
def test_a_type_fits_itself(type_):
    assert common_type(type_, type_) == type_


@given(st.sampled_from(["integer", "bigint"]).map(ColumnType) | DECIMALS, TYPES)
def test_every_number_survives_a_common_type(left, right):
    common = common_type(left, right)
    if common is not None:
        assert [edge for edge in edges(left) if not holds(common, edge)] == []


@pytest.mark.parametrize("text", ["bigint", "decimal(3,2)"])
def test_double_takes_only_integers(text):
    assert common_type(ColumnType("double"), ColumnType.parse(text)) is None


def test_quotes_are_doubled():
    assert quote('a"b') == '"a""b"'
    assert qualified('s"x.t') == '"s""x"."t"'


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_names_that_no_warehouse_takes_are_refused(name):
    with pytest.raises(TargetError, match="cannot be the name"):
        quote(name)


def test_a_table_for_an_output_of_unknown_columns_is_not_planned():
    plan = plan_table(LoadSpec(table="a.b", mode="upsert", keys=("id",)), Schema(()), None, DIALECT)
    assert plan.statements == ()
