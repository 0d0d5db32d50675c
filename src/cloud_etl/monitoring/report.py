"""The run report: JSON that other programs read, and one HTML page for people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from cloud_etl.domain.dataclass_json import decode, encode, parsed
from cloud_etl.domain.ledger import DROPPED, RowLedger, RunLedgers
from cloud_etl.domain.run import RunReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA_VERSION = 1
_MOST_INDENTED_FILES = 1_000


def to_json(report: RunReport) -> str:
    """The report as JSON with `schema_version`; ledgers stand in it with their equations evaluated.

    Source: docs/reference/run-report.md
    """
    body = _object(replace(report, pipelines=()))
    body["pipelines"] = [
        {**_object(replace(one, ledger=None)), "ledger": None if one.ledger is None else _ledger(one.ledger)}
        for one in report.pipelines
    ]
    head = {"schema_version": SCHEMA_VERSION, "exit_code": report.exit_code}
    return _dumps({**head, **body}, long=_is_long(report))


def from_json(text: str | bytes) -> RunReport:
    """Read a report that `to_json` wrote.

    Raises:
        ValueError: it is no run report, or of a later version than this program knows.
    """
    return cast("RunReport", decode(RunReport, _of_this_version(text, "run report")))


def ledger_json(run: RunLedgers) -> str:
    """The row ledgers of a run as JSON, one per pipeline that has one, each with its equations evaluated."""
    return _dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "run_id": run.run_id,
            "reconciles": run.reconciles,
            "ledgers": [_ledger(ledger) for ledger in run.ledgers],
        },
        long=sum(len(ledger.files) for ledger in run.ledgers) > _MOST_INDENTED_FILES,
    )


def ledgers_from_json(text: str | bytes) -> RunLedgers:
    """Read what `ledger_json` wrote.

    Raises:
        ValueError: it is none, or of another version than this program knows.
    """
    return cast("RunLedgers", decode(RunLedgers, _of_this_version(text, "ledger")))


def to_line(report: RunReport) -> bytes:
    """The report of a run that had nothing to do as one line; of the files left aside only those that are a fault."""
    pipelines = tuple(replace(one, skipped=one.unread, phases=()) for one in report.pipelines)
    return json.dumps(json.loads(to_json(replace(report, pipelines=pipelines)))).encode()


def runs_json(found: Iterable[RunReport]) -> str:
    """The runs as a JSON list of summaries: when, how they ended, records read, rows that came through and rejects."""
    return _dumps([_summary(report) for report in found])


def render_html(report: RunReport) -> str:
    """The report as one HTML page that needs nothing else: styles and pictures are in it, scripts are not needed."""
    from cloud_etl.monitoring.page import render

    return render(report)


def _of_this_version(text: str | bytes, what: str) -> object:
    body = parsed(text)
    version = body.get("schema_version") if isinstance(body, dict) else None
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"this is no {what} of schema version {SCHEMA_VERSION}: schema_version is {str(version)[:20]!r}"
        )
    return body


def _summary(report: RunReport) -> dict[str, object]:
    pipelines = [
        {
            "pipeline": one.pipeline,
            "outcome": one.outcome,
            "exit_code": one.exit_code,
            "records_read": one.ledger and one.ledger.records_read,
            "rows_output": one.ledger and one.ledger.output,
            "rows_rejected": one.ledger and one.ledger.rejected,
        }
        for one in report.pipelines
    ]
    return {
        "run_id": report.run_id,
        "environment": report.environment,
        "started_at": report.started_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "exit_code": report.exit_code,
        "pipelines": pipelines,
    }


def _ledger(ledger: RowLedger) -> dict[str, object]:
    equations = ledger.equations()
    return {
        **_object(ledger),
        "records_read": ledger.records_read,
        "rejected_by_reader": ledger.rejected_by_reader,
        "dropped": {status: ledger.dropped(status) for status in DROPPED},
        "equations": [{**_object(equation), "holds": equation.holds} for equation in equations],
        "reconciles": all(equation.holds for equation in equations),
    }


def _object(value: object) -> dict[str, object]:
    return cast("dict[str, object]", encode(value))


def _dumps(value: Mapping[str, object] | list[dict[str, object]], *, long: bool = False) -> str:
    # Without line breaks a report of ten thousand files is made five times as fast, and a third smaller.
    return json.dumps(value, indent=None if long else 2, allow_nan=False) + "\n"


def _is_long(report: RunReport) -> bool:
    return sum(len(one.files) for one in report.pipelines) > _MOST_INDENTED_FILES
