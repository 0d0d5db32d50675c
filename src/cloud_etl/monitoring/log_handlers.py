"""Where log lines go: a file of the run's own, and the console the progress is drawn on."""

from __future__ import annotations

import logging
import os
import sys
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

from cloud_etl.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

ROOT = "cloud_etl"
current_run: ContextVar[str | None] = ContextVar("cloud_etl_run", default=None)
_STYLES = {logging.DEBUG: "dim", logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "bold red"}


def create_log_file(folder: Path) -> tuple[TextIO, Path]:
    """Create the log file of this second (UTC) or, where another run has taken it, of the next free one."""
    moment = datetime.now(UTC)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = folder / f"ETLPipeline_{moment:%Y%m%d_%H%M%S}.log"
            try:
                # O_EXCL keeps two runs apart, O_APPEND whole lines of worker processes.
                number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY, 0o600)
            except FileExistsError:
                moment += timedelta(seconds=1)
                continue
            return os.fdopen(number, "a", encoding="utf-8", errors="backslashreplace"), path
    except OSError as exc:
        raise TargetError(
            f"the log cannot be written to {folder}: {exc.strerror}. Nothing was run. "
            "Make the folder writable, or name another one in the environment's log.folder."
        ) from exc


class OfRun(logging.Filter):
    """Keeps out what another run in this process logs, and what other libraries say below warning."""

    def __init__(self, run_id: str) -> None:
        """Store the run."""
        super().__init__()
        self._run_id = run_id

    def filter(self, record: logging.LogRecord) -> bool:
        """True for records of this run, or of a thread that belongs to none."""
        if current_run.get() not in (None, self._run_id):
            return False
        ours = record.name == ROOT or record.name.startswith(f"{ROOT}.")
        return ours or record.levelno >= logging.WARNING


def _give_up(handler: logging.Handler) -> None:
    """What is left to do where a line cannot be written: say so once, without the line, which is not redacted here."""
    handler.setLevel(logging.CRITICAL + 1)
    error = sys.exc_info()[1]
    sys.stderr.write(f"cloud-etl: the log cannot be written any more ({type(error).__name__}); the run goes on\n")


class FileHandler(logging.StreamHandler[TextIO]):
    """Writes lines into a file that it owns."""

    def close(self) -> None:
        """Close the file; what a full disk does not take any more is lost, and was said to be."""
        super().close()
        try:
            self.stream.close()
        except OSError:
            if self.level <= logging.CRITICAL:
                _give_up(self)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Go on without a log: a full disk under logs/ must not stop a load."""
        _give_up(self)


class ConsoleHandler(logging.Handler):
    """Writes lines on a console that may draw progress at the same time."""

    def __init__(self, console: Console) -> None:
        """Store the console."""
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print the line above whatever is drawn live on the console."""
        from rich.text import Text

        try:
            line = self.format(record).encode("utf-8", "backslashreplace").decode()
            self._console.print(Text(line, style=_STYLES.get(record.levelno, "")), soft_wrap=True)
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Go on without a console: it may be closed, the run is not."""
        _give_up(self)
