"""What steps say of their columns before any data is read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cloud_etl.backends import register_families
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import StepSpec

COLUMNS = {
    name: ColumnType.parse(kind)
    for name, kind in {
        "id": "string", "q": "integer", "big": "bigint", "price": "decimal(5,2)", "ts": "timestamp", "day": "date",
        "ok": "boolean", "f": "double", "doc": "json",
    }.items()
}  # fmt: skip


def read(step):
    register_families()
    return StepSpec.read(step)


def after(step):
    return read(step).columns_after(COLUMNS)


def types(step):
    return {name: str(kind) if kind else None for name, kind in after(step).items()}


@pytest.mark.parametrize(
    "step",
    [
        {"deduplicate": {"keys": ["id"], "order_by": "ts desc, `q`"}},
        {"drop_nulls": ["q"]},
        {
            "fill_nulls": {
                "id": "x",
                "q": 1,
                "big": 2**40,
                "price": 9.99,
                "ts": "2024-01-01 10:00:00",
                "day": "2024-01-01",
            }
        },
        {"fill_nulls": {"ok": True, "f": 1, "doc": "{}"}},
        {"filter": {"r": "q > 0"}},
    ],
)
def test_steps_on_rows_keep_the_columns(step):
    assert after(step) == COLUMNS


def test_steps_on_columns_give_their_new_names_and_types():
    assert types({"cast": {"q": "bigint"}})["q"] == "bigint"
    assert list(after({"select": ["ts", "id"]})) == ["ts", "id"]
    assert "q" not in after({"drop": ["q"]})
    assert list(after({"rename": {"id": "key", "q": "id"}}))[:2] == ["key", "id"]
    parts = after({"date_parts": {"of": "day", "parts": ["date", "year"]}})
    assert (str(parts["day_date"]), str(parts["day_year"])) == ("date", "integer")


def test_derived_types_are_known_where_the_expression_is_one_cast_or_column():
    made = {
        "a": "cast(q * price as decimal(14,2))", "b": "q", "c": "q + 1", "d": "cast(id as int)",
        "e": "cast(a as string)", "f": "upper(",
    }  # fmt: skip
    found = types({"derive": made})
    assert [found[name] for name in made] == ["decimal(14,2)", "integer", None, "integer", "string", None]


def test_aggregate_gives_groups_and_metrics():
    step = {"aggregate": {"group_by": ["day"], "metrics": {"n": "count(*)"}}}
    assert types(step) == {"day": "date", "n": None}


def test_a_join_tells_its_columns_where_they_are_named():
    named = {"join": {"with": "products", "on": {"id": "pid"}, "columns": ["title"], "prefix": "p_"}}
    assert list(after(named))[-1] == "p_title"
    assert read(named).references == ("products",)
    assert after({"join": {"with": "products", "on": "id"}}) is None
    assert after({"sql": "select 1"}) is None
    assert after({"python": "m:f"}) is None


@pytest.mark.parametrize(
    ("step", "barrier"),
    [
        ({"sql": "select 1"}, True),
        ({"python": "m:f"}, True),
        ({"aggregate": {"group_by": [], "metrics": {"n": "count(*)"}}}, True),
        ({"join": {"with": "t", "on": "id", "on_fan_out": "allow"}}, True),
        ({"join": {"with": "t", "on": "id"}}, False),
        ({"filter": {"r": "q > 0"}}, False),
    ],
)
def test_steps_that_may_change_the_number_of_rows_are_barriers(step, barrier):
    assert read(step).barrier is barrier


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"deduplicate": {"keys": ["idd"]}}, "deduplicate: there is no column 'idd'; did you mean 'id'"),
        ({"deduplicate": {"keys": ["id"], "order_by": "dayy desc"}}, "did you mean 'day'"),
        ({"drop_nulls": ["nope"]}, "there is no column 'nope'; known:"),
        ({"fill_nulls": {"q": 1.5}}, "1.5 does not fit column 'q' of type integer"),
        ({"fill_nulls": {"q": 2**31}}, "does not fit"),
        ({"fill_nulls": {"q": True}}, "does not fit"),
        ({"fill_nulls": {"q": "1"}}, "does not fit"),
        ({"fill_nulls": {"price": 1000}}, "does not fit"),
        ({"fill_nulls": {"price": 1.005}}, "does not fit"),
        ({"fill_nulls": {"price": float("nan")}}, "does not fit"),
        ({"fill_nulls": {"q": float("inf")}}, "does not fit"),
        ({"fill_nulls": {"day": "2024-02-30"}}, "does not fit"),
        ({"fill_nulls": {"ok": 1}}, "does not fit"),
        ({"fill_nulls": {"id": 1}}, "does not fit"),
        ({"fill_nulls": {"_row_id": 1}}, "no column '_row_id'"),
        ({"cast": {"nope": "integer"}}, "no column 'nope'"),
        ({"derive": {"_fate_x": "1"}}, "kept for cloud-etl"),
        ({"derive": {"_ROW_ID": "1"}}, "kept for cloud-etl"),
        ({"derive": {"Q": "1"}}, "differ in case only"),
        ({"rename": {"q": "id"}}, "two columns named 'id'"),
        ({"rename": {"q": "_partition_q"}}, "kept for cloud-etl"),
        ({"select": ["id", "id"]}, "named twice"),
        ({"drop": list(COLUMNS)}, "no column would be left"),
        ({"date_parts": {"of": "q", "parts": ["year"]}}, "is of type integer, not date or timestamp"),
        ({"aggregate": {"group_by": ["id"], "metrics": {"id": "count(*)"}}}, "is a group column and a metric"),
        ({"join": {"with": "t", "on": "idd"}}, "did you mean 'id'"),
        ({"join": {"with": "t", "on": "id", "columns": ["q"]}}, "two columns named 'q'; set prefix"),
        ({"join": {"with": "t", "on": []}}, "on names no column"),
    ],
)
def test_what_does_not_fit_is_said_with_a_hint(step, message):
    with pytest.raises(ValueError, match=message):
        after(step)


@pytest.mark.parametrize(
    "step",
    [
        {"deduplicate": {"keys": []}},
        {"deduplicate": {"keys": ["id"], "order_by": "ts downwards"}},
        {"date_parts": {"of": "ts", "parts": ["year", "year"]}},
        {"date_parts": {"of": "ts", "parts": ["century"]}},
        {"cast": {"q": "varchar"}},
        {"python": "no function"},
        {"filter": {}},
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_read(step):
    with pytest.raises(ValidationError):
        read(step)


def test_every_field_of_every_step_is_described():
    register_families()
    for model in StepSpec.registry.values():
        assert all(field.description for field in model.model_fields.values()), model.kind
        assert model.__doc__
