from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from cloud_etl.backends import register_families
from cloud_etl.domain.schema import ColumnType
from cloud_etl.domain.spec import CheckSpec, QualitySpec
from cloud_etl.quality.port import Check, RowCheck

register_families()


def read(kind: str, **body: object) -> Check:
    check = CheckSpec.read({kind: body})
    assert isinstance(check, Check)
    return check


@pytest.mark.parametrize(
    ("check", "labels"),
    [
        (read("not_null", columns=["a", "b"]), ("not_null.a", "not_null.b")),
        (read("not_null", columns=["a", "b"], name="complete"), ("complete",)),
        (read("range", column="a", min=1), ("range.a",)),
        (read("in_set", column="a", values=[1]), ("in_set.a",)),
        (read("pattern", column="a", regex="x"), ("pattern.a",)),
        (read("unique", columns=["a", "b"]), ("unique.a+b",)),
        (read("references", column="a", to="t"), ("references.a",)),
        (read("expression", that="a > 1", name="positive"), ("positive",)),
        (read("row_count", min=1), ("row_count",)),
        (read("freshness", column="a", within="1 day"), ("freshness.a",)),
        (read("volume_change", max_change="50%"), ("volume_change",)),
        (read("null_share_change", column="a", max_change=0.1), ("null_share_change.a",)),
    ],
)
def test_labels_are_stable_names_made_of_kind_and_columns(check, labels):
    assert check.labels == labels
    if isinstance(check, RowCheck):
        assert tuple(rule.label for rule in check.rules) == labels


def test_every_kind_of_check_is_registered():
    assert sorted(CheckSpec.registry) == [
        "expression", "freshness", "in_set", "not_null", "null_share_change", "pattern", "range", "references",
        "row_count", "unique", "volume_change",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("not_null", {"columns": []}, "at least 1"),
        ("range", {"column": "a"}, "range needs min or max"),
        ("range", {"column": "a", "min": 5, "max": 3}, "range: min 5 is above max 3"),
        ("range", {"column": "a", "min": 1, "exclusive": "both"}, "exclusive"),
        ("in_set", {"column": "a", "values": []}, "at least 1"),
        ("in_set", {"column": "a", "values": [None]}, "values"),
        ("pattern", {"column": "a", "regex": "("}, "is broken"),
        ("references", {"to": "t"}, "needs column or columns"),
        ("references", {"column": "a", "columns": ["a"], "to": "t"}, "and not both"),
        ("references", {"columns": ["a", "b"], "to": "t", "key": "id"}, "2 columns and 1 in key"),
        ("row_count", {}, "row_count needs min or max"),
        ("row_count", {"min": 2, "max": 1}, "min 2 is above max 1"),
        ("row_count", {"min": 2, "on_fail": "reject"}, "no row to reject: write fail or warn"),
        ("freshness", {"column": "a", "within": "soon"}, "write a time span such as"),
        ("volume_change", {"max_change": "half"}, "write a share such as 50%"),
        ("volume_change", {"max_change": 0}, "greater than 0"),
        ("null_share_change", {"column": "a", "max_change": 2}, "less than or equal to 1"),
        ("range", {"column": "a", "min": 1, "on_fial": "warn"}, "on_fial"),
    ],
)
def test_a_check_that_cannot_be_meant_is_refused(kind, body, message):
    with pytest.raises(ValidationError, match=message):
        read(kind, **body)


def test_two_checks_may_not_share_a_name():
    both = [{"range": {"column": "a", "min": 1}}, {"range": {"column": "a", "max": 9}}]
    with pytest.raises(ValidationError, match=r"two checks are called 'range\.a': give one of them a name"):
        QualitySpec.model_validate({"checks": both})
    both[1]["range"]["name"] = "a is small"
    assert len(QualitySpec.model_validate({"checks": both}).checks) == 2


def test_row_checks_reject_and_batch_checks_fail_unless_told_otherwise():
    assert read("range", column="a", min=1).on_fail == "reject"
    assert read("row_count", min=1).on_fail == "fail"
    assert read("row_count", min=1, on_fail="warn").on_fail == "warn"


def test_checks_tell_what_they_need_for_the_static_check():
    check = read("references", columns=["a", "b"], to="dim.t", key=["x", "y"])
    assert (check.columns_used, check.references, check.expressions) == (("a", "b"), ("dim.t",), ())
    assert read("expression", that="a > 1").expressions == ("a > 1",)
    assert read("not_null", columns=["a"]).columns_used == ("a",)
    assert read("freshness", column="a", within="1 day").columns_used == ("a",)


@pytest.mark.parametrize(
    ("check", "kind", "message"),
    [
        (read("range", column="a", min="x"), "integer", "'x' is not a number"),
        (read("range", column="a", min=1, max=2), "date", "1 is not a date"),
        (read("in_set", column="a", values=[True]), "string", "write it in quotes"),
        (read("in_set", column="a", values=[1]), "boolean", "1 does not fit a column of type boolean"),
        (read("pattern", column="a", regex="x"), "integer", "a pattern needs text"),
        (read("freshness", column="a", within="1 day"), "string", "freshness needs a date or a timestamp"),
    ],
)
def test_values_that_do_not_fit_the_type_of_the_column_are_told(check, kind, message):
    [problem] = check.type_problems({"a": ColumnType(kind)})[:1]
    assert message in problem
    assert problem.startswith(f"check {check.label}: ")
    assert check.type_problems({"a": None}) == check.type_problems({}) == ()


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (read("range", column="a", min=1, max=1.5), "integer"),
        (read("range", column="a", min=date(2024, 1, 1)), "timestamp"),
        (read("range", column="a", min=datetime(2024, 1, 1), max="2024-02-01"), "timestamp"),
        (read("in_set", column="a", values=["x", "y"]), "json"),
        (read("in_set", column="a", values=[True, False]), "boolean"),
        (read("freshness", column="a", within="1 day"), "date"),
    ],
)
def test_values_that_fit_the_type_of_the_column_pass(check, kind):
    assert check.type_problems({"a": ColumnType(kind)}) == ()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30 minutes", timedelta(minutes=30)), ("1 hour", timedelta(hours=1)), ("2 days", timedelta(days=2)),
        ("1 WEEK", timedelta(weeks=1)), ("3days", timedelta(days=3)),
    ],
)  # fmt: skip
def test_time_spans_are_read(text, span):
    assert read("freshness", column="a", within=text).model_dump()["within"] == span


def test_values_keep_the_type_they_have_in_yaml():
    values = (True, 1, 1.5, date(2024, 1, 1), datetime(2024, 1, 1, 2), "2024-01-01")
    kept = read("in_set", column="a", values=values).model_dump()["values"]
    assert [(type(value), value) for value in kept] == [(type(value), value) for value in values]


def test_editors_get_a_schema_of_every_check():
    for model in CheckSpec.registry.values():
        schema = TypeAdapter(model).json_schema()
        assert all("description" in field for field in schema["properties"].values())
