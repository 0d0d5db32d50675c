"""The log of a run: console and file, run id on each line, secrets out. Set up and taken down without a trace."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol, Self

from cloud_etl.monitoring.log_handlers import ROOT, ConsoleHandler, FileHandler, OfRun, create_log_file, current_run
from cloud_etl.monitoring.log_lines import FIELDS, LineFormatter, current_pipeline, exception_text
from cloud_etl.monitoring.redaction import Redactor, Secrets

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path
    from types import TracebackType

    from rich.console import Console

    from cloud_etl.domain.environment import LogSpec

_lock = threading.Lock()
_open_logs: list[RunLog] = []

# Without a handler, logging would print warnings to stderr: the library stays silent unless asked.
logging.getLogger(ROOT).addHandler(logging.NullHandler())


class Log(Protocol):
    """What stages log with: an event and fields."""

    def debug(self, event: str, **fields: object) -> None:
        """For those who look for a fault."""

    def info(self, event: str, **fields: object) -> None:
        """Something was done."""

    def warning(self, event: str, **fields: object) -> None:
        """Something needs a person's eye; the run goes on."""

    def error(self, event: str, **fields: object) -> None:
        """Something failed."""

    def exception(self, event: str, **fields: object) -> None:
        """Something failed; adds the traceback of the exception being handled."""


def get_logger() -> Log:
    """The logger of cloud-etl; costs nothing until a line is written that someone listens to."""
    return _StageLog()


@contextmanager
def bound_pipeline(name: str) -> Iterator[None]:
    """Put the pipeline's name on each line that this thread logs inside the block."""
    token = current_pipeline.set(name)
    try:
        yield
    finally:
        current_pipeline.reset(token)


@dataclass(frozen=True, slots=True)
class LogTargets:
    """Where a run's log goes.

    Attributes:
        console: the console the progress is drawn on, so that lines go above it; None prints nothing.
        console_level: level of the console where it is not that of the file.
        file: write `<folder>/ETLPipeline_YYYYMMDD_HHMMSS.log`.
    """

    console: Console | None = None
    console_level: str | None = None
    file: bool = True


def start_logging(
    spec: LogSpec, root: Path, run_id: str, targets: LogTargets | None = None, secrets: Secrets = frozenset
) -> RunLog:
    """Open the log of a run.

    Lines of cloud-etl are written from the level of the spec on, those of other libraries from warning on.

    Args:
        spec: level, folder and format, after flags have been applied.
        root: the project's folder.
        run_id: stands on each line.
        targets: file only, without.
        secrets: gives the secrets known so far; asked at each line.

    Returns:
        The open log: a context manager, or call `stop`.

    Raises:
        TargetError: the file cannot be made; nothing is set up.
    """
    targets = targets or LogTargets()
    redactor = Redactor(secrets)
    formatter = LineFormatter(run_id, redactor, as_json=spec.format == "json")
    handlers: list[logging.Handler] = []
    path: Path | None = None
    if targets.file:
        stream, path = create_log_file((root / spec.folder).absolute())
        handlers.append(FileHandler(stream))
        handlers[-1].setLevel(spec.level.upper())
    if targets.console is not None:
        handlers.append(ConsoleHandler(targets.console))
        handlers[-1].setLevel((targets.console_level or spec.level).upper())
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(OfRun(run_id))
    log = RunLog(run_id, path, tuple(handlers), redactor)
    log.start()
    return log


class RunLog:
    """The open log of one run; `stop` leaves logging as it was found."""

    def __init__(
        self, run_id: str, path: Path | None, handlers: tuple[logging.Handler, ...], redactor: Redactor
    ) -> None:
        """Store the handlers; `start` attaches them."""
        self.run_id = run_id
        self.path = path
        self.redactor = redactor
        self.handlers = handlers
        self._outer_run: str | None = None

    @property
    def level(self) -> int:
        """Lowest level that any handler writes."""
        return min((handler.level for handler in self.handlers), default=logging.CRITICAL)

    def start(self) -> None:
        """Attach the handlers."""
        self._outer_run = current_run.get()
        current_run.set(self.run_id)
        with _lock:
            for handler in self.handlers:
                logging.getLogger().addHandler(handler)
            _open_logs.append(self)
            _settle()

    def stop(self) -> None:
        """Detach and close the handlers; calling it twice is harmless."""
        with _lock:
            if self not in _open_logs:
                return
            _open_logs.remove(self)
            for handler in self.handlers:
                logging.getLogger().removeHandler(handler)
                handler.close()
            _settle()
        current_run.set(self._outer_run)

    def __enter__(self) -> Self:
        """The log is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


def _settle() -> None:
    """Set what is one for the whole process to what the open logs need together."""
    level = min((log.level for log in _open_logs), default=logging.NOTSET)
    logging.getLogger(ROOT).setLevel(level)
    logging.captureWarnings(bool(_open_logs))


class _StageLog:
    """Loads structlog, which takes a third of a second, when a line is written that someone listens to."""

    def debug(self, event: str, **fields: object) -> None:
        _write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        _write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        _write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        _write(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: object) -> None:
        error = sys.exc_info()[1]
        _write(logging.ERROR, event, {**fields, "exc_info": error} if error else fields)


def _write(level: int, event: str, fields: dict[str, object]) -> None:
    own = logging.getLogger(ROOT)
    listeners = (*own.handlers, *logging.getLogger().handlers)
    if own.isEnabledFor(level) and not all(isinstance(handler, logging.NullHandler) for handler in listeners):
        getattr(_structured(), logging.getLevelName(level).lower())(event, **fields)


@cache
def _structured() -> Log:
    """A structlog logger with processors of its own: a host's structlog.configure stays as it is."""
    import structlog

    logger: Log = structlog.wrap_logger(
        logging.getLogger(ROOT),
        processors=[structlog.contextvars.merge_contextvars, _redacted, _to_record],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def _redacted(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Redact before the record leaves for handlers that are not ours: a host's logging sees no secret either."""
    if isinstance(error := event.pop("exc_info", None), BaseException):
        event["exception"] = exception_text(error)
    with _lock:
        redactors = [log.redactor for log in _open_logs] or [Redactor()]
    for redactor in redactors:
        event = redactor.fields(event)
    return event


def _to_record(_: object, __: str, event: MutableMapping[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
    message = str(event.pop("event", ""))
    # A host's % formatting must not read the message as a template.
    return ("%s", message), {"extra": {FIELDS: dict(event)}}
