"""A run as a person or a program at a terminal sees it: progress, log lines, the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.cli import tables
from cloud_etl.cli.output import echo
from cloud_etl.cli.progress import TerminalProgress
from cloud_etl.monitoring import report as reports
from cloud_etl.monitoring.logger import LogTargets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from cloud_etl.cli.options import LogFormat, LogLevel
    from cloud_etl.domain.run import RunReport
    from cloud_etl.pipeline.project import Project


class Session:
    """Progress and log go to stderr, the result to stdout.

    On a terminal the progress is drawn and the log shows warnings only; elsewhere (cron, CI, a pipe) the log lines
    tell the story. A level given by flag holds for both.
    """

    def __init__(
        self,
        project: Project,
        *,
        level: LogLevel | None = None,
        log_format: LogFormat | None = None,
        quiet: bool = False,
        as_json: bool = False,
    ) -> None:
        """Store how to show the run."""
        settings = {"level": level, "format": log_format}
        self._project = project.with_log(**{name: str(value) for name, value in settings.items() if value})
        self._level = level
        self._ndjson = self._project.loaded.environment.log.format == "json"
        self._quiet = quiet
        self._as_json = as_json

    def run(self, names: Sequence[str] | None, run_date: date | None = None, jobs: int | None = None) -> RunReport:
        """Run and show the result."""
        console = tables.stderr_console()
        drawn = console.is_terminal and not self._quiet and not self._ndjson
        level = "warning" if drawn and self._level is None else None
        targets = LogTargets(console=None if self._quiet else console, console_level=level)
        with TerminalProgress(console, enabled=drawn) as progress:
            report = self._project.run(names, run_date=run_date, progress=progress, log=targets, jobs=jobs)
        if self._quiet:
            _name_failures(report)
        if self._as_json:
            echo(reports.to_json(report))
        elif not self._quiet:
            tables.show_run(report, self._project.records().report_path(report))
        return report


def _name_failures(report: RunReport) -> None:
    """Say why a quiet run failed: an exit code alone is nothing to act on."""
    for one in report.pipelines:
        if one.exit_code:
            echo(f"error: {one.pipeline}: {one.error}", err=True)
