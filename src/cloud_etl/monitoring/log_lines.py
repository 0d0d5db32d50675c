"""How a log record is written: one line of text for people, or one JSON object."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloud_etl.domain.printable import printable

if TYPE_CHECKING:
    from cloud_etl.monitoring.redaction import Redactor

# Record attribute in which the structured logger hands its fields to the formatters.
FIELDS = "cloud_etl_fields"
current_pipeline: ContextVar[str | None] = ContextVar("cloud_etl_pipeline", default=None)

_BARE = re.compile(r"[^\s\"'=]+")


class LineFormatter(logging.Formatter):
    """Renders records of cloud-etl and of other libraries; nothing leaves it unredacted."""

    def __init__(self, run_id: str, redactor: Redactor, *, as_json: bool) -> None:
        """Store the run id that stands on each line."""
        super().__init__()
        self._run_id = run_id
        self._redactor = redactor
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line or, for a text of several lines such as a traceback, lines that all carry the run id."""
        fields = self._redactor.fields(self._fields(record))
        event = self._redactor.text(_message(record))
        pipeline = fields.pop("pipeline", None) or current_pipeline.get()
        head = {"timestamp": _timestamp(record), "level": record.levelname.lower(), "run_id": self._run_id}
        if self._as_json:
            body = {**head, "pipeline": pipeline, "logger": record.name, "event": event}
            # Escaped to ASCII, so that no exotic line separator can cut an object in two.
            return json.dumps({**body, **{name: value for name, value in fields.items() if name not in body}})
        trace = fields.pop("exception", None)
        prefix = f"{head['timestamp']} {record.levelname:<7} {self._run_id} {pipeline or '-'}  "
        text = " ".join([event, *(f"{name}={_shown(value)}" for name, value in fields.items())])
        lines = [*_lines(text), *(f"| {line}" for line in _lines(str(trace)))] if trace else _lines(text)
        return self._redactor.known("\n".join(prefix + printable(line) for line in lines))

    def _fields(self, record: logging.LogRecord) -> Mapping[str, object]:
        own = getattr(record, FIELDS, None)
        fields: dict[str, object] = dict(own) if isinstance(own, Mapping) else {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = exception_text(record.exc_info[1])
        if self._as_json:
            fields.pop("logger", None)
        return fields


def _lines(text: str) -> list[str]:
    """Split at line feeds only: other separators are spelled out, and a tab is a blank."""
    return text.replace("\r\n", "\n").replace("\t", "    ").split("\n")


def exception_text(error: BaseException) -> str:
    """Traceback with chain, notes and groups; without local variables, which may hold rows and secrets."""
    return "".join(traceback.format_exception(error)).rstrip()


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().strip()
    except Exception:  # noqa: BLE001 - another library's broken log call must not end the run
        return str(record.msg)


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: object) -> str:
    """A field's value: bare where that is clear, else quoted, so that no value can pass for a line or a field."""
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
