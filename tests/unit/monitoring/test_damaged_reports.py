"""A damaged report is told as such, or shown with what it says; no value in it ends a command with a traceback."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from tests.unit.monitoring import sample_reports

from cloud_etl.cli import tables
from cloud_etl.domain.environment import S3Spec
from cloud_etl.errors import SourceError
from cloud_etl.monitoring import report as reports
from cloud_etl.pipeline.records import Records
from cloud_etl.state.journal import IDLE_RUNS
from cloud_etl.storage.folder_store import FolderStore

_RUN = "20260131T120000Z-00000a"
_ODD: tuple[object, ...] = (
    None, True, -1, 10**18, 10**400, 1e308, "1e999", "nan", "", "\ud800\x1b[31m", [], {}, [[]], {"": {}},
    "9999-12-31T23:59:59+00:00",
    "0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00", "2026-13-01",
)  # fmt: skip


@pytest.fixture(scope="module")
def body() -> dict[str, object]:
    found: dict[str, object] = json.loads(reports.to_json(sample_reports.run(sample_reports.broken())))
    return found


def shown(text: str | bytes) -> None:
    """Do with a report all that the commands do."""
    try:
        report = reports.from_json(text)
    except ValueError:
        return
    console = Console(file=io.StringIO(), width=120)
    console.print(tables.run_summary(report, "report.html"), tables.runs_table([report]))
    for one in report.pipelines:
        if one.ledger is not None:
            console.print(tables.ledger_table(one.ledger))
    reports.runs_json([report])
    reports.ledger_json(report.accounts)
    reports.to_json(report)
    reports.to_line(report)
    reports.render_html(report)


def test_a_report_cut_anywhere_is_refused_as_one(body: dict[str, object]) -> None:
    text = json.dumps(body).encode()
    for end in range(0, len(text), 37):
        with pytest.raises(ValueError, match=r"\w"):
            reports.from_json(text[:end])


def test_a_report_with_any_value_replaced_is_refused_or_shown(body: dict[str, object]) -> None:
    places = list(_places(body))
    chosen = random.Random(20260131)
    for place in chosen.sample(places, min(len(places), 400)):
        changed = json.loads(json.dumps(body))
        _put(changed, place, chosen.choice(_ODD))
        shown(json.dumps(changed))


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a":' * 100_000, b'{"schema_version": 1}', b"\xff\xfe", b"1" * 5000,
     b'{"schema_version": 1, "pipelines": [1]}', b'{"schema_version": ' + b"9" * 4000 + b"}", b"NaN", b"\x00"],
)  # fmt: skip
def test_what_is_no_report_is_told_by_every_command(tmp_path: Path, data: bytes) -> None:
    store = FolderStore(tmp_path, S3Spec())
    whole = reports.to_json(sample_reports.run(sample_reports.broken(), run_id="20260130T120000Z-00000b")).encode()
    store.write("runs/20260130T120000Z-00000b/report.json", whole)
    store.write(f"runs/{_RUN}/report.json", data)
    store.write(IDLE_RUNS, data + b"\n" + b'{"run_id": "x"}\n{"run_id": []}\n')
    records = Records(store)
    assert [one.run_id for one in records.runs()] == ["20260130T120000Z-00000b"]
    assert (records.unreadable(), records.unreported()) == ((_RUN,), ())
    assert records.last_with_ledger().run_id == "20260130T120000Z-00000b"
    assert records.rejects_by_code() == ()
    with pytest.raises(SourceError, match=r"report\.json cannot be read: .*It is damaged, or was written by another"):
        records.run(_RUN)


def test_a_report_that_names_another_run_is_damaged(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, S3Spec())
    store.write(f"runs/{_RUN}/report.json", reports.to_json(sample_reports.run(run_id="../../x")).encode())
    assert Records(store).unreadable() == (_RUN,)


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _places(item, (*path, key))


def _put(value: object, path: tuple[str | int, ...], odd: object) -> None:
    for key in path[:-1]:
        value = value[key]  # type: ignore[index]  # the path is one of its own
    value[path[-1]] = odd  # type: ignore[index]  # as above
