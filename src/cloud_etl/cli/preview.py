"""The first rows of the tables that a demo loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_etl.monitoring.figures import plural

if TYPE_CHECKING:
    from cloud_etl.domain.run import RunReport
    from cloud_etl.pipeline.project import Project

ROWS = 4
_COLUMN_WIDTH = 15
_PAGE_WIDTH = 120


def show_tables(project: Project, report: RunReport) -> None:
    """Print a few rows of each table that the run loaded into a DuckDB file."""
    file = project.loaded.environment.warehouse.duckdb
    if file is None:
        return
    import duckdb
    from rich.table import Table

    from cloud_etl.cli.tables import stdout_console

    console = stdout_console()
    # A pipe is as wide as its lines: what is only a look at the rows stays as wide as a page.
    console.width = min(console.width, _PAGE_WIDTH)
    shown = console.width // _COLUMN_WIDTH
    path = project.loaded.root / file.path
    with duckdb.connect(str(path), read_only=True) as connection:
        for loaded in (table for pipeline in report.pipelines for table in pipeline.tables):
            schema, name = loaded.table.split(".")
            rows = connection.table(f'"{schema}"."{name}"').limit(ROWS)
            more = len(rows.columns) - shown
            behind = f", {plural(more, 'more column')}" if more > 0 else ""
            console.print(f"{loaded.table}, {plural(loaded.rows_after, 'row')}{behind}")
            view = Table(box=None, pad_edge=False)
            for column in rows.columns[:shown]:
                view.add_column(column, no_wrap=True, overflow="ellipsis")
            for row in rows.fetchall():
                view.add_row(*("" if value is None else str(value) for value in row[:shown]))
            console.print(view, "")
    table = next(
        (table.table for pipeline in report.pipelines for table in pipeline.tables), "information_schema.tables"
    )
    query = f"import duckdb; duckdb.connect('{path}', read_only=True).sql('FROM {table}').show()"
    console.print(f'Query them: {Path(sys.executable)} -c "{query}"', soft_wrap=True)
