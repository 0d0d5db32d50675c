from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_etl.domain.ledger import BarrierCount, FileCount
from cloud_etl.domain.run import RunReport
from cloud_etl.monitoring.report import from_json, ledger_json, runs_json, to_json

PLAIN = {
    str: st.text(max_size=8),
    int: st.integers(0, 10**12),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    date: st.dates(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Path: st.sampled_from([Path("/a/b.parquet"), Path("c")]),
}


def _any(hint: object) -> st.SearchStrategy[object]:
    """Values of a type hint of the domain."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (types.UnionType, typing.Union):
        return st.none() | _any(arguments[0])
    if origin is tuple:
        return st.lists(_any(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(_any(arguments[0]), _any(arguments[1]), max_size=2)
    assert isinstance(hint, type) and dataclasses.is_dataclass(hint), hint
    hints = typing.get_type_hints(hint)
    return st.deferred(lambda: st.builds(hint, **{f.name: _any(hints[f.name]) for f in dataclasses.fields(hint)}))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)
@given(_any(RunReport))
def test_a_report_is_the_same_after_json(report: RunReport) -> None:
    assert from_json(to_json(report)) == report


def test_samples_are_the_same_after_json(samples: ModuleType) -> None:
    for report in samples.ALL.values():
        assert from_json(to_json(report)) == report


def test_a_name_that_is_no_unicode_survives(samples: ModuleType) -> None:
    report = samples.run(samples.pipeline(files=(FileCount("file:///a\udc80.csv", None, 1, 0, 0, 0),)))
    assert from_json(to_json(report)) == report


def test_the_json_is_a_stable_contract(samples: ModuleType, matches_snapshot: Callable[[str, str], None]) -> None:
    matches_snapshot("report.json", to_json(samples.run(samples.clean(), samples.nothing(), samples.broken())))


def test_unknown_is_null_and_zero_is_zero(samples: ModuleType) -> None:
    body = json.loads(to_json(samples.run(samples.clean(), samples.nothing())))
    clean, nothing = body["pipelines"]
    assert nothing["ledger"] is None and nothing["quality"] is None and nothing["error"] is None
    assert clean["ledger"]["dropped"] == {"duplicate": 0, "null_dropped": 0, "filtered": 0, "rejected": 0}
    assert clean["quality"]["checks"][0]["rows_failed"] == 0
    # No publication of that output: the number of rows that should have been copied is not known.
    report = samples.run(samples.pipeline(ledger=samples.ledger(outputs=())))
    copied = [
        one for one in json.loads(ledger_json(report.accounts))["ledgers"][0]["equations"] if one["name"] == "copied"
    ]
    assert [(one["left"], one["holds"]) for one in copied] == [(None, False), (None, False)]


def test_each_equation_stands_in_the_ledger_with_both_sides(samples: ModuleType) -> None:
    body = json.loads(ledger_json(samples.run(samples.broken()).accounts))
    (ledger,) = body["ledgers"]
    assert body["schema_version"] == 1 and body["reconciles"] is False and ledger["reconciles"] is False
    (broken,) = [one for one in ledger["equations"] if not one["holds"]]
    assert (broken["name"], broken["left"] - broken["right"]) == ("transform", 30_000)


def test_a_run_without_ledgers_neither_reconciles_nor_fails_to(samples: ModuleType) -> None:
    assert json.loads(ledger_json(samples.run(samples.nothing()).accounts))["reconciles"] is None


def test_numbers_that_json_cannot_hold_are_texts(samples: ModuleType) -> None:
    quality = samples.quality(profile=(samples.profile(mean=float("inf")),))
    report = samples.run(samples.pipeline(quality=quality))
    assert json.loads(to_json(report))["pipelines"][0]["quality"]["profile"][0]["mean"] == "inf"
    assert from_json(to_json(report)) == report


def test_keys_that_a_later_version_adds_are_left_aside(samples: ModuleType) -> None:
    body = json.loads(to_json(samples.run(samples.clean())))
    body["pipelines"][0]["ledger"]["files"][0]["colour"] = "green"
    assert from_json(json.dumps(body)) == samples.run(samples.clean())


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema_version": 2}', '{"schema_version": 1}', "not json"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_a_wrong_type_is_refused_with_its_name(samples: ModuleType) -> None:
    body = json.loads(to_json(samples.run(samples.clean())))
    body["pipelines"][0]["ledger"]["output"] = "5"
    with pytest.raises(ValueError, match="str found where int belongs"):
        from_json(json.dumps(body))


def test_the_list_of_runs_tells_how_each_ended(samples: ModuleType) -> None:
    (first, second) = json.loads(runs_json([samples.run(samples.pipeline()), samples.run(samples.nothing())]))
    (pipeline,) = first["pipelines"]
    assert pipeline["records_read"] == 1_000_000 and pipeline["rows_output"] == 939_414
    assert pipeline["rows_rejected"] == 2_100 + 3_602
    assert second["pipelines"][0]["records_read"] is None


def test_the_exit_code_of_the_run_is_in_the_json(samples: ModuleType) -> None:
    report = samples.run(samples.clean(), replace(samples.refused(), pipeline="other"))
    assert json.loads(to_json(report))["exit_code"] == 3


def test_the_reference_page_names_every_key(samples: ModuleType) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "run-report.md").read_text()
    ledger = replace(samples.ledger(), barriers=(BarrierCount("sql", 1, 1),))
    report = samples.run(samples.pipeline(ledger=ledger))
    keys = _keys(json.loads(to_json(report))) | _keys(json.loads(ledger_json(report.accounts)))
    data = {"too_few_fields", "bad_timestamp", "stray_quote", "bad_decimal", "region"}
    assert {key for key in keys - data if f"`{key}`" not in page} == set()


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()
