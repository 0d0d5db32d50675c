"""The first rows of the tables that a demo loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud_etl.domain.run import RunReport
    from cloud_etl.pipeline.project import Project

ROWS = 4
_COLUMN_WIDTH = 15


def show_tables(project: Project, report: RunReport) -> None:
    """Print a few rows of each table that the run loaded into a DuckDB file."""
    file = project.loaded.environment.warehouse.duckdb
    if file is None:
        return
    import duckdb
    from rich.table import Table

    from cloud_etl.cli.tables import stdout_console

    console = stdout_console()
    shown = console.width // _COLUMN_WIDTH
    path = project.loaded.root / file.path
    with duckdb.connect(str(path), read_only=True) as connection:
        for loaded in (table for pipeline in report.pipelines for table in pipeline.tables):
            schema, name = loaded.table.split(".")
            rows = connection.table(f'"{schema}"."{name}"').limit(ROWS)
            view = Table(
                title=f"{loaded.table}, {loaded.rows_after:,} rows", title_justify="left", box=None, pad_edge=False
            )
            for column in rows.columns[:shown]:
                view.add_column(column, no_wrap=True, overflow="ellipsis")
            for row in rows.fetchall():
                view.add_row(*("" if value is None else str(value) for value in row[:shown]))
            console.print(view, "")
    console.print(f"Query them: duckdb {path}")
